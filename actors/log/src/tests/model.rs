use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<usize>),
    Sync,
    Roll,
    Crash,
    Restart,
    Truncate(u8),
    DeleteRecords(u8),
    Retain(u16),
    Checkpoint,
    Read(u8, u16, u8),
    Lease,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(1usize..6, 1..5).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::Roll),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => any::<u8>().prop_map(Step::DeleteRecords),
        1 => any::<u16>().prop_map(Step::Retain),
        1 => Just(Step::Checkpoint),
        5 => (any::<u8>(), any::<u16>(), any::<u8>()).prop_map(|(a, b, c)| Step::Read(a, b, c)),
        1 => Just(Step::Lease),
    ];
    prop::collection::vec(step, 1..50)
}

/// Base offset and record count of each batch, and the log start.
#[derive(Debug, Default)]
struct Model {
    batches: Vec<(i64, i32)>,
    start: i64,
    end: i64,
}

impl Model {
    fn from(&self, offset: i64) -> Vec<(i64, i32)> {
        let all = self.batches.iter().copied();
        all.filter(|(base, count)| base + i64::from(*count) > offset)
            .collect()
    }
}

fn some_offset(model: &Model, fraction: u8) -> i64 {
    model.start + (model.end - model.start) * i64::from(fraction) / 255
}

fn check_read(log: &Log, model: &Model, from: u8, max: u16, upper: u8) {
    let (from, upper) = (some_offset(model, from), some_offset(model, upper));
    let read = log
        .reader()
        .read(from, usize::from(max), upper, true)
        .unwrap();
    let found: Vec<_> = split_batches(read.records)
        .map(|batch| batch.map(|(h, _)| (h.base_offset, h.record_count)).unwrap())
        .collect();
    let wanted = model.from(from);
    assert_eq!(found, wanted[..found.len()], "from {from} below {upper}");
    let may_read = wanted
        .first()
        .is_some_and(|(b, n)| b + i64::from(*n) <= upper && from < upper);
    assert_eq!(found.is_empty(), !may_read);
    assert!(
        found
            .iter()
            .all(|(base, count)| base + i64::from(*count) <= upper)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_log_agrees_with_a_list(steps in steps()) {
        let mut bed = Bed::simulated();
        let config = LogConfig {
            segment_bytes: 600,
            index_interval_bytes: 90,
            retention_ms: -1,
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        };
        let mut log = bed.create(config.clone());
        let mut model = Model::default();
        let mut epoch = 0;
        let mut writer = log.take_lease(lease(0)).unwrap();
        for step in steps {
            match step {
                Step::Append(counts) => {
                    for count in counts {
                        let staged = writer.stage(batch(count), Origin::Client).unwrap();
                        prop_assert_eq!(staged.base_offset, model.end);
                        model.batches.push((model.end, count as i32));
                        model.end += count as i64;
                    }
                    writer.write().unwrap();
                }
                Step::Sync => {
                    sync(&mut writer);
                    prop_assert_eq!(log.view().flushed(), model.end);
                }
                Step::Roll => drop(writer.roll().unwrap()),
                Step::Checkpoint => bed.manager().checkpoint(),
                Step::Lease | Step::Crash | Step::Restart => {
                    if matches!(step, Step::Crash) {
                        bed.manager().checkpoint();
                        log = bed.crash();
                    } else if matches!(step, Step::Restart) {
                        log = bed.restart();
                    }
                    log.set_config(config.clone());
                    epoch += 1;
                    writer = log.take_lease(lease(epoch)).unwrap();
                }
                Step::Truncate(fraction) => {
                    let to = some_offset(&model, fraction);
                    let kept = |(base, count): &(i64, i32)| base + i64::from(*count) <= to;
                    let cut = model.batches.iter().find(|b| !kept(b)).map(|b| b.0);
                    model.batches.retain(kept);
                    let end = cut.unwrap_or(to).min(to);
                    model.end = model.end.min(end);
                    model.start = model.start.min(model.end);
                    prop_assert_eq!(writer.truncate_to(to).unwrap(), model.end);
                }
                Step::DeleteRecords(fraction) => {
                    model.start = some_offset(&model, fraction);
                    let start = writer.delete_records(model.start, model.end).unwrap();
                    prop_assert_eq!(start, model.start);
                }
                Step::Retain(bytes) => {
                    let retention_bytes = i64::from(bytes % 3000);
                    log.set_config(LogConfig { retention_bytes, ..config.clone() });
                    let done = writer.apply_retention(0, Duration::ZERO, model.end).unwrap();
                    writer.run_deletions(Duration::ZERO).unwrap();
                    prop_assert!(done.log_start >= model.start);
                    model.start = done.log_start;
                    log.set_config(config.clone());
                }
                Step::Read(from, max, upper) => check_read(&log, &model, from, max, upper),
            }
            let offsets = (log.view().log_start(), log.view().log_end());
            prop_assert_eq!(offsets, (model.start, model.end));
            prop_assert_eq!(read_from(&log.reader(), model.start), model.from(model.start));
        }
        // A clean stop changes nothing.
        let log = bed.restart();
        prop_assert_eq!(read_from(&log.reader(), model.start), model.from(model.start));
    }
}
