//! An acknowledged record is there, where it was said to be; so is what any reader saw.

use crate::clustersim::World;
use crate::clustersim::invariants::replicas::Logs;

pub fn check(world: &World, logs: &Logs) -> Result<(), String> {
    let known = world.known();
    for (place, records) in &known.records {
        let log = logs.get(place).ok_or(format!("{place:?} is gone"))?;
        for (offset, value) in records {
            let acknowledged = known
                .acknowledged
                .get(place)
                .is_some_and(|offsets| offsets.contains(offset));
            let how = match acknowledged {
                true => "acknowledged",
                false => "read",
            };
            match log.get(offset) {
                Some(found) if found == value => {}
                Some(found) => {
                    return Err(format!(
                        "{place:?} at {offset}: {found}, and {value} was {how}"
                    ));
                }
                None => {
                    return Err(format!(
                        "{place:?} at {offset}: {value} was {how}, and is lost"
                    ));
                }
            }
        }
    }
    Ok(())
}
