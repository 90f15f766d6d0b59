//! Within a generation of a group no partition has two owners.

use crate::clustersim::known::Known;

/// A member was told what it owns: numbers of partitions.
pub fn owned(known: &mut Known, generation: i32, member: &str, owns: &[usize]) {
    for place in owns {
        let owner = known.owners.entry((generation, *place));
        let owner = owner.or_insert_with(|| member.to_owned());
        if owner != member {
            let what = format!("{owner} and {member} own {place} in generation {generation}");
            known.wrong(what);
        }
    }
}
