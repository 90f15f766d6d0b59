//! Batches against Kafka's own Java classes. What Java wrote lies in `fixtures` and is read by
//! every run; the other direction needs Java and Kafka's jars, and goes through
//! `tests/differential/RecordsCheck.java`:
//!
//! ```text
//! ODEON_OUT=DIR cargo test -p odeon-records --test java -- --ignored
//! java -cp 'KAFKA/libs/*' RecordsCheck.java read DIR
//! java -cp 'KAFKA/libs/*' RecordsCheck.java judge DIR/verdicts
//! ```

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::fmt::Write;
use std::path::PathBuf;

use bytes::Bytes;
use odeon_records::{
    BatchBuilder, BatchHeader, Codec, Compression, ControlRecord, Limits, PreparedBatch,
    RecordHeader, TargetCompression, TimestampType, ValidationRules, batch_crc, check_crc,
    control_batch, records, split_batches, validate,
};

const NOW: i64 = 1_700_000_000_000;

/// What is in a run of batches, in the words of `RecordsCheck.describe`.
fn describe(run: Bytes) -> String {
    let mut text = String::new();
    for batch in split_batches(run) {
        let (header, batch) = batch.unwrap();
        check_crc(&batch).unwrap();
        describe_header(&mut text, &header);
        for record in records(&batch, Limits::default()) {
            let record = record.unwrap();
            let (key, value) = (field(record.key.as_deref()), field(record.value.as_deref()));
            write!(
                text,
                "record {} {} {key} {value}",
                record.offset, record.timestamp
            )
            .unwrap();
            for header in record.headers {
                // Java shows what is not UTF-8 as question marks.
                let name = String::from_utf8_lossy(&header.key);
                let (name, value) = (field(Some(name.as_bytes())), field(header.value.as_deref()));
                write!(text, " {name}={value}").unwrap();
            }
            text.push('\n');
        }
    }
    text
}

fn describe_header(text: &mut String, header: &BatchHeader) {
    let time = match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    writeln!(
        text,
        "batch {}..{} leader {} {} {time} max {} producer {} {} {}..{}{}{} horizon {} count {}",
        header.base_offset,
        header.last_offset(),
        header.partition_leader_epoch,
        header.compression().unwrap().name(),
        header.max_timestamp,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.last_sequence(),
        if header.is_transactional() {
            " transactional"
        } else {
            ""
        },
        if header.is_control() { " control" } else { "" },
        header.delete_horizon_ms().unwrap_or(-1),
        header.record_count,
    )
    .unwrap();
}

fn field(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "null".to_owned();
    };
    // The CRC of a batch covers what follows its 21st byte.
    let crc = batch_crc(&[&[0; 21], bytes].concat());
    format!("{}:{crc:08x}", bytes.len())
}

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            &include_bytes!(concat!("../fixtures/", $name, ".bin"))[..],
            include_str!(concat!("../fixtures/", $name, ".txt")),
        )),*]
    };
}

#[test]
fn what_kafka_s_java_writes_is_read() {
    for (name, bytes, text) in fixtures![
        "none-small",
        "gzip-small",
        "gzip-large",
        "snappy-small",
        "snappy-large",
        "lz4-small",
        "lz4-large",
        "zstd-small",
        "zstd-large",
        "marker",
    ] {
        assert_eq!(describe(Bytes::from_static(bytes)), text, "{name}");
    }
}

#[test]
fn a_marker_is_byte_for_byte_kafka_s() {
    let marker = ControlRecord::Commit {
        coordinator_epoch: 21,
    };
    let mut batch = control_batch(marker, 9, 3, NOW).unwrap();
    batch.set_base_offset(77);
    batch.set_leader_epoch(5);
    assert_eq!(
        batch.to_bytes(),
        include_bytes!("../fixtures/marker.bin")[..]
    );
}

#[test]
fn uncompressed_records_are_byte_for_byte_kafka_s() {
    let theirs = Bytes::from_static(include_bytes!("../fixtures/none-small.bin"));
    let mut ours = BatchBuilder::new()
        .base_offset(42)
        .leader_epoch(7)
        .producer(9, 3, i32::MAX - 1)
        .transactional(true);
    for record in records(&theirs, Limits::default()) {
        let record = record.unwrap();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        ours.push(record.timestamp, key, value, &record.headers)
            .unwrap();
    }
    assert_eq!(ours.build().unwrap(), theirs);
}

fn out_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("ODEON_OUT").expect("ODEON_OUT names a directory"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "files for a Java program, not a broker's data"
)]
fn save(name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(out_dir()).unwrap();
    std::fs::write(out_dir().join(name), bytes).unwrap();
}

fn line(index: usize) -> Vec<u8> {
    format!("{{\"user\": \"someone\", \"took_ms\": {index}}}\n")
        .repeat(100 + index)
        .into_bytes()
}

fn filled(builder: BatchBuilder, count: usize) -> Bytes {
    let mut builder = builder.base_offset(1 << 40).leader_epoch(12);
    let headers = [RecordHeader::new("name", "one"), RecordHeader::default()];
    builder.push(NOW, None, None, &headers).unwrap();
    for index in 0..count {
        let time = NOW + index as i64 * 1000;
        builder
            .push(time, Some(&index.to_be_bytes()), Some(&line(index)), &[])
            .unwrap();
    }
    Bytes::from(builder.build().unwrap())
}

#[test]
#[ignore = "writes files for RecordsCheck.java, which needs Kafka's jars"]
fn batches_for_java() {
    for compression in Compression::ALL {
        for level in [None, Some(1), Some(9), Some(19), Some(-7)] {
            for count in [0, 1, 60] {
                let builder = BatchBuilder::new().codec(Codec { compression, level });
                let batch = filled(builder.producer(5, 6, 7).transactional(true), count);
                let name = format!("{}-{}-{count}", compression.name(), level.unwrap_or(0));
                save(&format!("{name}.bin"), &batch);
                save(&format!("{name}.txt"), describe(batch.clone()).as_bytes());
                let mut stamped = PreparedBatch::from_trusted(batch).unwrap();
                stamped.set_log_append_time(NOW + 5);
                stamped.set_base_offset(3);
                save(&format!("{name}-stamped.bin"), &stamped.to_bytes());
                let text = describe(stamped.to_bytes());
                save(&format!("{name}-stamped.txt"), text.as_bytes());
            }
        }
    }
}

/// A small generator of bad luck; the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// A batch as a producer might send it, or as a hostile one might.
fn sent(dice: &mut Dice) -> Bytes {
    let mut builder = BatchBuilder::new().codec(Compression::ALL[dice.roll(5)]);
    match dice.roll(8) {
        0 => builder = builder.producer(4, 0, 17).transactional(true),
        1 => builder = builder.producer(4, 0, dice.roll(3) as i32 - 1),
        2 => builder = builder.log_append_time([NOW, -1][dice.roll(2)]),
        3 => builder = builder.control(true),
        _ => {}
    }
    for index in 0..=dice.roll(4) {
        let key = [None, Some(&b"key"[..]), Some(b"")][dice.roll(3).max(dice.roll(3))];
        let time = [NOW, NOW, NOW - 50, -1, NOW - 101, NOW + 11][dice.roll(6)];
        let headers = vec![RecordHeader::new("h", "v"); dice.roll(2)];
        builder
            .push(time, key, Some(&line(index)[..dice.roll(90)]), &headers)
            .unwrap();
    }
    let mut batch = builder.build().unwrap();
    for _ in 0..dice.roll(4).saturating_sub(1) {
        let from = [0, 61][dice.roll(2)];
        let at = from + dice.roll(batch.len() - from);
        batch[at] = [batch[at] ^ (1 << dice.roll(8)), dice.roll(256) as u8][dice.roll(2)];
    }
    if dice.roll(10) > 0 {
        let crc = batch_crc(&batch);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    let cut = [0, 0, 0, 0, 0, 0, 0, 0, 0, dice.roll(batch.len())][dice.roll(10)];
    batch.truncate(batch.len() - cut);
    Bytes::from(batch)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
#[ignore = "writes a file for RecordsCheck.java, which needs Kafka's jars"]
fn verdicts_for_java() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut lines = String::new();
    for _ in 0..20_000 {
        let target = dice.roll(10);
        let rules = ValidationRules {
            api_version: [3, 6, 7, 11, 12, 13][dice.roll(6)],
            compacted: dice.roll(4) == 0,
            timestamp_type: [TimestampType::CreateTime, TimestampType::LogAppendTime]
                [dice.roll(4) / 3],
            now_ms: NOW,
            before_max_ms: [i64::MAX, 100][dice.roll(2)],
            after_max_ms: [3_600_000, 10][dice.roll(2)],
            target: match Compression::ALL.get(target) {
                Some(target) => TargetCompression::Codec(Codec::from(*target)),
                None => TargetCompression::Producer,
            },
            ..ValidationRules::default()
        };
        let batch = sent(&mut dice);
        let (verdict, stored) = match validate(batch.clone(), &rules) {
            Ok(mut stored) => {
                stored.set_leader_epoch(-1);
                ("NONE", describe(stored.to_bytes()))
            }
            Err(error) => (error.error.name(), error.message),
        };
        let time = match rules.timestamp_type {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        };
        let target = Compression::ALL
            .get(target)
            .map_or("producer", |target| target.name());
        let (batch, stored) = (hex(&batch), hex(stored.as_bytes()));
        writeln!(
            lines,
            "{} {} {time} {NOW} {} {} {target} {batch} {verdict} {stored}",
            rules.api_version, rules.compacted, rules.before_max_ms, rules.after_max_ms
        )
        .unwrap();
    }
    save("verdicts", lines.as_bytes());
}
