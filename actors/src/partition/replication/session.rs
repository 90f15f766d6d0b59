//! What a leader's node knows of the followers of one other node, and what it tells each of them.
//!
//! Pure, but for the handles it keeps.

use odeon_model::{LeaderEpoch, Offset};

use super::wire::{Outcome, Position};

/// More parts than a follower leaves unanswered.
const MANY: u32 = 1 << 16;

/// A follower within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Follower {
    pub(super) at: Position,
    /// The number of the last part it was sent.
    pub(super) sent: u32,
    /// It was sent something and has not said what came of it.
    pub(super) is_busy: bool,
    /// What it was last told: high watermark and log start.
    pub(super) told: (Offset, Offset),
}

/// A leader's log, as a follower may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) high_watermark: Offset,
    /// The largest epoch not above the follower's last one, and where it ends here.
    pub(super) end_of_last_epoch: Option<(LeaderEpoch, Offset)>,
}

/// What a follower is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// This, without records.
    Tell(Outcome),
    /// The records from its log end on.
    Send,
}

impl Follower {
    pub(super) fn new(at: Position) -> Self {
        Self {
            at,
            sent: at.heard,
            is_busy: false,
            told: (-1, -1),
        }
    }

    /// It says where it is. What it says before it has taken in what it was sent, because a sync is
    /// done, does not mean that it is to be sent that once more.
    pub(super) fn moves(&mut self, at: Position) {
        self.at = at;
        // Numbers of another life are far away.
        let behind = self.sent.wrapping_sub(at.heard);
        if behind == 0 || behind > MANY {
            (self.sent, self.is_busy) = (at.heard, false);
        }
    }

    /// Whether all that it holds is the leader's too. If not, where it is says nothing: it will be cut.
    pub(super) fn agrees(&self, leader: &Leader) -> bool {
        self.at.leader_epoch == leader.leader_epoch
            && self.at.log_end <= leader.log_end
            && self.divergence(leader).is_none()
    }

    fn divergence(&self, leader: &Leader) -> Option<Outcome> {
        if self.at.last_epoch < 0 {
            return None;
        }
        match leader.end_of_last_epoch {
            // The leader knows nothing of that epoch: it has less, and begins where it ends.
            None => Some(Outcome::Diverging(-1, leader.log_end)),
            Some((epoch, end)) if epoch < self.at.last_epoch || end < self.at.log_end => {
                Some(Outcome::Diverging(epoch, end))
            }
            Some(_) => None,
        }
    }

    /// What to tell it now.
    pub(super) fn next(&self, leader: &Leader) -> Next {
        if self.at.leader_epoch != leader.leader_epoch {
            return Next::Tell(Outcome::NotLeader);
        }
        if self.is_busy {
            return Next::Nothing;
        }
        if let Some(diverging) = self.divergence(leader) {
            return Next::Tell(diverging);
        }
        if self.at.log_end < leader.log_start || self.at.log_end > leader.log_end {
            return Next::Tell(Outcome::OutOfRange(leader.log_end));
        }
        if self.at.log_end < leader.log_end {
            return Next::Send;
        }
        if self.told != (leader.high_watermark, leader.log_start) {
            return Next::Tell(Outcome::Records);
        }
        Next::Nothing
    }
}
