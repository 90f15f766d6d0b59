//! What a producer sent one after the other lies one behind the other, each record once.

use std::collections::BTreeMap;

use crate::clustersim::invariants::replicas::Logs;

pub fn check(logs: &Logs) -> Result<(), String> {
    for (place, log) in logs {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (offset, value) in log {
            let Some((producer, number)) = value.split_once('.') else {
                return Err(format!("{place:?} at {offset}: nobody sent {value}"));
            };
            let number: u64 = number.parse().map_err(|_| format!("nobody sent {value}"))?;
            match last.insert(producer, number) {
                Some(before) if before == number => {
                    return Err(format!("{place:?} at {offset}: {value} is there twice"));
                }
                Some(before) if before > number => {
                    return Err(format!(
                        "{place:?} at {offset}: {value} comes behind {producer}.{before}"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
