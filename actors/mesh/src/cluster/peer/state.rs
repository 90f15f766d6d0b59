//! What to do about the link to one node: pure.
//!
//! Connections are known by their numbers. A connection that is dropped is `leaving` until the node
//! server has let go of its session: two sessions with one node at once would be settled by lot.

use std::collections::BTreeSet;

use odeon_model::NodeId;

use crate::cluster::handshake::Purpose;
use crate::{Incarnation, LinkEvent};

#[cfg(test)]
mod tests;

/// How a dial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialled {
    /// Nobody listens there.
    Refused,
    /// It says nothing about who is there.
    Failed,
    /// This life answered, but the connection becomes no link.
    Declined(Incarnation),
    /// This life took the connection as the link.
    Linked(Incarnation, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Where the node is reached.
    Learned(String),
    /// The dial has reached somebody.
    Connected(u64),
    /// A dial has ended.
    Dialled(u64, Dialled),
    /// The node has dialled this one, and proved who it is.
    Offered(u64, Incarnation),
    /// A connection broke.
    Broken(u64),
    /// The node server has let go of a connection.
    Gone(u64),
    /// The node server has a connection ready.
    Ready(u64),
    /// A connection took too long to become ready or to go.
    Expired(u64),
    /// It is time for the next dial.
    Due(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Dial {
        attempt: u64,
        address: String,
        purpose: Purpose,
    },
    /// Gives up the dial under way.
    Abort,
    /// Sends `Due` after the pause that so many failures in a row ask for.
    Later {
        attempt: u64,
        failures: u32,
    },
    /// Makes a connection the link: hands it to the node server.
    Admit(u64),
    /// Ends a connection, whatever became of it.
    Close(u64),
    /// Declines a connection that was offered.
    Refuse(u64),
    Tell(LinkEvent),
}

/// A life of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Life {
    incarnation: Incarnation,
    /// Where it has answered: a refusal there proves its end.
    seen_at: Option<String>,
    /// Whether its end was told.
    dead: bool,
}

#[derive(Debug)]
struct Dial {
    attempt: u64,
    address: String,
    purpose: Purpose,
    connected: bool,
}

#[derive(Debug)]
struct Held {
    number: u64,
    up: bool,
}

#[derive(Debug)]
pub(super) struct PeerState {
    me: NodeId,
    peer: NodeId,
    address: Option<String>,
    life: Option<Life>,
    dial: Option<Dial>,
    attempts: u64,
    failures: u32,
    link: Option<Held>,
    leaving: BTreeSet<u64>,
    /// Becomes the link when nothing is leaving any more.
    waiting: Option<u64>,
}

impl PeerState {
    pub(super) fn new(me: NodeId, peer: NodeId) -> Self {
        Self {
            me,
            peer,
            address: None,
            life: None,
            dial: None,
            attempts: 0,
            failures: 0,
            link: None,
            leaving: BTreeSet::new(),
            waiting: None,
        }
    }

    /// The number of the connection that is the link.
    pub(super) fn link(&self) -> Option<u64> {
        self.link.as_ref().map(|link| link.number)
    }

    /// Whether the current life has answered at the address that is known.
    pub(super) fn is_seen(&self) -> bool {
        let seen_at = self.life.as_ref().and_then(|life| life.seen_at.as_ref());
        seen_at.is_some() && seen_at == self.address.as_ref()
    }

    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Learned(address) => {
                self.address = Some(address);
                self.reach(&mut out);
            }
            Event::Connected(attempt) => {
                if let Some(dial) = self.dial.as_mut().filter(|dial| dial.attempt == attempt) {
                    dial.connected = true;
                }
            }
            Event::Dialled(attempt, outcome) => self.dialled(attempt, outcome, &mut out),
            Event::Offered(number, life) => self.offered(number, life, &mut out),
            Event::Broken(number) => self.lost(number, &mut out),
            Event::Gone(number) => {
                self.lost(number, &mut out);
                self.leaving.remove(&number);
                self.admit(&mut out);
            }
            Event::Ready(number) => self.ready(number, &mut out),
            Event::Expired(number) => {
                if self.link.as_ref().is_some_and(|link| !link.up) {
                    self.lost(number, &mut out);
                } else if self.leaving.remove(&number) {
                    self.admit(&mut out);
                }
            }
            Event::Due(attempt) => {
                if attempt == self.attempts {
                    self.reach(&mut out);
                }
            }
        }
        out
    }

    /// Dials if there is a reason to and a place.
    fn reach(&mut self, out: &mut Vec<Action>) {
        let Some(address) = self.address.clone().filter(|_| self.dial.is_none()) else {
            return;
        };
        let purpose = match &self.link {
            None if self.waiting.is_none() => Purpose::Link,
            // Whoever was dialled looks once whether the address it knows is the right one: only
            // then does a refusal there prove anything.
            Some(link) if link.up && !self.is_seen() => Purpose::Probe,
            _ => return,
        };
        self.attempts += 1;
        let attempt = self.attempts;
        self.dial = Some(Dial {
            attempt,
            address: address.clone(),
            purpose,
            connected: false,
        });
        out.push(Action::Dial {
            attempt,
            address,
            purpose,
        });
    }

    fn dialled(&mut self, attempt: u64, outcome: Dialled, out: &mut Vec<Action>) {
        let Some(dial) = self.dial.take_if(|dial| dial.attempt == attempt) else {
            if let Dialled::Linked(_, number) = outcome {
                out.push(Action::Close(number));
            }
            return;
        };
        match outcome {
            Dialled::Linked(life, number) => {
                self.take(number, life, out);
                self.seen_at(life, dial.address);
                self.admit(out);
                return;
            }
            Dialled::Declined(life) => {
                self.succeeded_by(life, out);
                self.seen_at(life, dial.address);
            }
            Dialled::Refused => {
                let proof = |life: &&mut Life| !life.dead && life.seen_at == Some(dial.address);
                if self.link.is_none()
                    && dial.purpose == Purpose::Link
                    && let Some(life) = self.life.as_mut().filter(proof)
                {
                    life.dead = true;
                    out.push(Action::Tell(LinkEvent::Dead(self.peer, life.incarnation)));
                }
            }
            Dialled::Failed => {}
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        out.push(Action::Later { attempt, failures });
    }

    fn seen_at(&mut self, incarnation: Incarnation, address: String) {
        if let Some(life) = &mut self.life
            && life.incarnation == incarnation
        {
            life.seen_at = Some(address);
        }
    }

    fn offered(&mut self, number: u64, life: Incarnation, out: &mut Vec<Action>) {
        // Both dial at once: the lower id's connection counts.
        let own = self.dial.as_ref();
        if self.me < self.peer
            && own.is_some_and(|dial| dial.connected && dial.purpose == Purpose::Link)
        {
            out.push(Action::Refuse(number));
            return;
        }
        if self.dial.take().is_some() {
            out.push(Action::Abort);
        }
        self.take(number, life, out);
        self.admit(out);
    }

    /// A connection that shall be the link. It replaces what there is: its other end would not have
    /// made it if it had a link.
    fn take(&mut self, number: u64, life: Incarnation, out: &mut Vec<Action>) {
        self.succeeded_by(life, out);
        self.drop_link(out);
        match &mut self.life {
            Some(known) if known.incarnation == life => known.dead = false,
            _ => {
                self.life = Some(Life {
                    incarnation: life,
                    seen_at: None,
                    dead: false,
                });
            }
        }
        if let Some(earlier) = self.waiting.replace(number) {
            out.push(Action::Close(earlier));
        }
    }

    /// `life` is the node's life now: an earlier one is over.
    fn succeeded_by(&mut self, life: Incarnation, out: &mut Vec<Action>) {
        let Some(earlier) = self.life.as_ref().filter(|known| known.incarnation != life) else {
            return;
        };
        let (incarnation, dead) = (earlier.incarnation, earlier.dead);
        self.drop_link(out);
        if !dead {
            out.push(Action::Tell(LinkEvent::Dead(self.peer, incarnation)));
        }
        if let Some(earlier) = &mut self.life {
            earlier.dead = true;
        }
    }

    fn drop_link(&mut self, out: &mut Vec<Action>) {
        if let Some(link) = self.link.take() {
            self.leaving.insert(link.number);
            out.push(Action::Close(link.number));
            if let Some(life) = self.life.as_ref().filter(|_| link.up) {
                out.push(Action::Tell(LinkEvent::Down(self.peer, life.incarnation)));
            }
        }
    }

    fn admit(&mut self, out: &mut Vec<Action>) {
        if self.leaving.is_empty()
            && let Some(number) = self.waiting.take()
        {
            self.link = Some(Held { number, up: false });
            out.push(Action::Admit(number));
        }
    }

    fn lost(&mut self, number: u64, out: &mut Vec<Action>) {
        if self.link() == Some(number) {
            let was_up = self.link.as_ref().is_some_and(|link| link.up);
            self.drop_link(out);
            if was_up {
                self.reach(out);
            } else {
                self.later(out);
            }
        } else if self.waiting == Some(number) {
            self.waiting = None;
            out.push(Action::Close(number));
            self.later(out);
        }
    }

    fn later(&mut self, out: &mut Vec<Action>) {
        if self.dial.is_none() {
            let (attempt, failures) = (self.attempts, self.failures);
            self.failures = failures.saturating_add(1);
            out.push(Action::Later { attempt, failures });
        }
    }

    fn ready(&mut self, number: u64, out: &mut Vec<Action>) {
        let Some(link) = self.link.as_mut().filter(|link| link.number == number) else {
            return;
        };
        if !link.up
            && let Some(life) = &self.life
        {
            link.up = true;
            self.failures = 0;
            out.push(Action::Tell(LinkEvent::Up(self.peer, life.incarnation)));
            self.reach(out);
        }
    }
}
