//! Who leads the quorum by its own word knows all that any node has applied, and all that was acknowledged,
//! before its term, and does not long outlast the beginning of another's.

use std::time::Duration;

use odeon_model::NodeId;

use crate::clustersim::known::Known;
use crate::clustersim::monitor::Seen;

/// Within this time a leader that nobody answers knows that it leads no more.
const LEASE: Duration = Duration::from_secs(2);

/// What a node says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    pub id: NodeId,
    pub term: u64,
    /// It leads, and serves.
    pub is_ready: bool,
    /// How far it has applied the metadata log.
    pub applied: u64,
}

pub fn check(known: &mut Known, seen: &mut Seen, role: Role, now: Duration) {
    let (newest, since) = seen.ready;
    let Role {
        id, term, applied, ..
    } = role;
    let others = seen.applied.max(known.decided);
    if role.is_ready && term > newest {
        seen.ready = (term, now);
        if applied < others {
            known.wrong(format!(
                "node {id} is ready in term {term} at {applied}, others are at {others}"
            ));
        }
    } else if role.is_ready && term < newest && now.saturating_sub(since) > LEASE {
        known.wrong(format!(
            "node {id} still leads in term {term}, and term {newest} began at {since:?}"
        ));
    }
    seen.applied = others.max(applied);
}
