//! `odeon dump-log`: what the files of partitions say, and what is wrong with them.
//!
//! Lines have the field names of Kafka's own tool, so that what reads those reads these.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use odeon_actors::group::describe_record;
use odeon_kernel::{RealDisk, SharedDisk};
use odeon_log::{Dumped, ProducerEntry, dump};
use odeon_records::{BatchHeader, ControlRecord, Limits, RecordView, TimestampType, records};

use super::Failure;
use super::output::Output;

const DUMP_HELP: &str = "\
Examples:
  odeon dump-log odeon-data/orders-0
  odeon dump-log --deep odeon-data/orders-0/00000000000000000000.log
  odeon dump-log --offsets-decoder odeon-data/__consumer_offsets-3
  odeon dump-log --quiet odeon-data/orders-*

Reads segments (.log), indexes, producer snapshots, leader-epoch-checkpoint, partition.metadata and
the checkpoints of a log directory. Nothing is changed; a node may be running. Exit code 1 says that
something is damaged.";

#[derive(Debug, Args)]
#[command(after_help = DUMP_HELP)]
pub(super) struct DumpLogArgs {
    /// Files, or directories of partitions.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the records of each batch too, and check that they can be read.
    #[arg(long)]
    deep: bool,
    /// Print the records of __consumer_offsets in words.
    #[arg(long)]
    offsets_decoder: bool,
    /// Print only what is wrong.
    #[arg(long, short = 'q')]
    quiet: bool,
}

pub(super) fn run(args: &DumpLogArgs) -> Result<(), Failure> {
    let disk: SharedDisk = Arc::new(RealDisk);
    let mut printer = Printer {
        args,
        out: Output::new(),
        file: String::new(),
        files: 0,
        faults: 0,
        failed: None,
    };
    for path in &args.files {
        // Both sides of one reading print.
        let shared = std::cell::RefCell::new(&mut printer);
        let read = dump(
            &disk,
            path,
            &mut |file| shared.borrow_mut().begin(file),
            &mut |dumped| shared.borrow_mut().show(&dumped),
        );
        if let Err(error) = read {
            printer.out.flush()?;
            return Err(Failure::new(error.to_string()));
        }
        if let Some(failure) = printer.failed.take() {
            return Err(failure);
        }
        if printer.out.is_closed() {
            break;
        }
    }
    printer.out.flush()?;
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let (faults, files) = (printer.faults, printer.files);
    if faults == 0 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{faults} fault{} in {files} file{}",
        plural(faults),
        plural(files)
    )))
}

struct Printer<'a> {
    args: &'a DumpLogArgs,
    out: Output,
    file: String,
    files: u64,
    faults: u64,
    failed: Option<Failure>,
}

impl Printer<'_> {
    fn begin(&mut self, file: &Path) {
        self.files += 1;
        self.file = file.display().to_string();
        if !self.args.quiet {
            let text = format!("Dumping {}", self.file);
            self.line(&text);
        }
    }

    fn line(&mut self, text: &str) {
        let written = self.out.write(format!("{text}\n").as_bytes());
        if let Err(failure) = written {
            self.failed.get_or_insert(failure);
        }
    }

    fn fault(&mut self, what: &str) {
        self.faults += 1;
        let text = format!("FAULT {}: {what}", self.file);
        self.line(&text);
    }

    fn show(&mut self, dumped: &Dumped) {
        match dumped {
            Dumped::Fault(what) => self.fault(what),
            Dumped::Batch {
                position,
                header,
                bytes,
            } => {
                if !self.args.quiet {
                    self.line(&batch_line(*position, header));
                }
                if self.args.deep || self.args.offsets_decoder {
                    self.records(header, bytes);
                }
            }
            _ if self.args.quiet => {}
            other => self.line(&entry_line(other)),
        }
    }

    fn records(&mut self, header: &BatchHeader, bytes: &Bytes) {
        for (index, record) in (0..).zip(records(bytes, Limits::default())) {
            match record {
                Ok(record) if !self.args.quiet => {
                    let text = self.record_line(header, &record, index);
                    self.line(&text);
                }
                Ok(_) => {}
                Err(error) => {
                    let base = header.base_offset;
                    self.fault(&format!(
                        "the records of the batch at offset {base}: {error}"
                    ));
                }
            }
        }
    }

    fn record_line(&self, header: &BatchHeader, record: &RecordView, index: i32) -> String {
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        let mut text = format!(
            "| offset: {} {}: {} keySize: {} valueSize: {}",
            record.offset,
            timestamp_name(header),
            record.timestamp,
            size(&record.key),
            size(&record.value)
        );
        if header.base_sequence >= 0 {
            let delta = i32::try_from(record.offset - header.base_offset).unwrap_or(index);
            let sequence = header.base_sequence.wrapping_add(delta) & i32::MAX;
            text.push_str(&format!(" sequence: {sequence}"));
        }
        let names = record.headers.iter();
        let names: Vec<_> = names
            .map(|header| String::from_utf8_lossy(&header.key))
            .collect();
        text.push_str(&format!(" headerKeys: [{}]", names.join(",")));
        if header.is_control() {
            let control = ControlRecord::parse(record.key.as_deref(), record.value.as_deref());
            let shown = control.map_or_else(|error| error.to_string(), |it| format!("{it:?}"));
            return format!("{text} control: {shown}");
        }
        if self.args.offsets_decoder
            && let Some(key) = &record.key
        {
            let words = match describe_record(key, record.value.as_ref()) {
                Ok(Some(words)) => words,
                Ok(None) => "a record of a kind that is not known here".to_owned(),
                Err(error) => format!("not a record of __consumer_offsets: {error}"),
            };
            return format!("{text} {words}");
        }
        for (name, bytes) in [("key", &record.key), ("payload", &record.value)] {
            if let Some(bytes) = bytes {
                text.push_str(&format!(" {name}: {}", String::from_utf8_lossy(bytes)));
            }
        }
        text
    }
}

fn timestamp_name(header: &BatchHeader) -> &'static str {
    match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(position: u64, header: &BatchHeader) -> String {
    let codec = match header.compression() {
        Ok(compression) => compression.name().to_owned(),
        Err(error) => error.to_string(),
    };
    let horizon = header
        .delete_horizon_ms()
        .map_or_else(|| "none".to_owned(), |ms| ms.to_string());
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} \
         deleteHorizonMs: {horizon} position: {position} {}: {} size: {} magic: 2 \
         compresscodec: {codec} crc: {} isvalid: true",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch,
        header.partition_leader_epoch,
        header.is_transactional(),
        header.is_control(),
        timestamp_name(header),
        header.max_timestamp,
        header.size_bytes(),
        header.crc,
    )
}

fn entry_line(dumped: &Dumped) -> String {
    match dumped {
        Dumped::Position { offset, position } => format!("offset: {offset} position: {position}"),
        Dumped::Time { timestamp, offset } => format!("timestamp: {timestamp} offset: {offset}"),
        Dumped::Aborted {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset,
        } => format!(
            "producerId: {producer_id} firstOffset: {first_offset} lastOffset: {last_offset} \
             lastStableOffset: {last_stable_offset}"
        ),
        Dumped::Producer { producer_id, entry } => producer_line(*producer_id, entry),
        Dumped::Epoch(entry) => {
            format!("epoch: {} startOffset: {}", entry.epoch, entry.start_offset)
        }
        Dumped::TopicId(id) => format!("topicId: {id}"),
        Dumped::Checkpoint { partition, offset } => format!("{partition} offset: {offset}"),
        // Shown elsewhere.
        Dumped::Batch { .. } | Dumped::Fault(_) => String::new(),
    }
}

fn producer_line(producer_id: i64, entry: &ProducerEntry) -> String {
    let batches = entry.batches().iter();
    let batches: Vec<_> = batches
        .map(|batch| {
            let first = batch.last_offset - i64::from(batch.offset_delta);
            format!(
                "{first}..={} to sequence {}",
                batch.last_offset, batch.last_sequence
            )
        })
        .collect();
    let open = entry
        .current_txn_first_offset
        .map_or_else(|| "none".to_owned(), |offset| offset.to_string());
    format!(
        "producerId: {producer_id} producerEpoch: {} coordinatorEpoch: {} \
         currentTxnFirstOffset: {open} lastTimestamp: {} batches: [{}]",
        entry.epoch,
        entry.coordinator_epoch,
        entry.last_timestamp,
        batches.join(", ")
    )
}
