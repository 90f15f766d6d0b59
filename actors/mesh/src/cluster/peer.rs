//! The supervisor of the link to one node: it dials until there is a link, settles which connection
//! is the link, keeps it alive, and tells when it is lost and when the node's life is over.
//!
//! Owned: the dial under way and the connections that are not handed over. A restart closes the
//! link and begins anew; only the address is kept.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon_kernel::TaskGuard;
use odeon_kernel::clock::timeout;
use odeon_kernel::supervisor::{Backoff, ChildSpec, Restart};
use odeon_model::NodeId;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::NodeServerMessage;
use tokio::net::TcpStream;

use super::gate::GateMessage;
use super::handshake::{Proved, Purpose};
use super::link::Link;
use super::stream::LinkStream;
use super::{Inner, Peer, lock, server};
use crate::{Incarnation, LinkEvent};

mod dial;
mod state;

use dial::Outcome;
use state::{Action, Dialled, Event, PeerState};

/// A connection that the node has made, proved but not decided on.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) stream: TcpStream,
    pub(super) proved: Proved,
}

#[derive(Debug)]
pub(super) enum PeerMessage {
    /// Where the node is reached.
    Learned(String),
    /// The dial has reached somebody.
    Connected(u64),
    /// A dial has ended.
    Dialled(u64, Box<Outcome>),
    /// The node has dialled this one.
    Offered(Box<Offer>),
    /// A connection's bytes have ended.
    Broken(u64),
    /// The node server has let go of a connection.
    Gone(u64),
    /// The node server has a connection ready, as this session of its own.
    Ready(u64, u64),
    /// A connection took too long to become ready, or to go.
    Expired(u64),
    /// It is time for a dial.
    Due(u64),
    /// It is time for a sign of life.
    Beat,
}

impl ractor::Message for PeerMessage {}

pub(super) fn spec(inner: &Arc<Inner>, node: NodeId, peer: &Peer) -> ChildSpec {
    let (inner, address) = (Arc::clone(inner), Arc::clone(&peer.address));
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    let name = format!("Link {node}");
    ChildSpec::actor(name, Restart::Permanent, &peer.actor, move || {
        let arguments = (Arc::clone(&inner), node, Arc::clone(&address));
        (LinkSupervisor, arguments)
    })
    .backoff(backoff)
}

#[derive(Debug)]
struct LinkSupervisor;

/// A connection whose fate is open.
enum Held {
    Dialled(TcpStream),
    Offered(Box<Offer>),
    /// With the node server.
    HandedOver,
}

struct Shell {
    inner: Arc<Inner>,
    node: NodeId,
    myself: ActorRef<PeerMessage>,
    state: PeerState,
    held: HashMap<u64, (Held, Incarnation)>,
    links: HashMap<u64, Arc<Link>>,
    dial: Option<TaskGuard<()>>,
    _beat: TaskGuard<()>,
}

#[async_trait::async_trait]
impl Actor for LinkSupervisor {
    type Msg = PeerMessage;
    type State = Box<Shell>;
    type Arguments = (Arc<Inner>, NodeId, Arc<Mutex<Option<String>>>);

    async fn pre_start(
        &self,
        myself: ActorRef<PeerMessage>,
        (inner, node, address): Self::Arguments,
    ) -> Result<Box<Shell>, ActorProcessingErr> {
        // What an earlier supervisor left.
        if let Some(link) = inner.link_to(node) {
            inner.tell(LinkEvent::Down(node, link.life), None);
        }
        lock(&inner.numbers).retain(|_, link| {
            let keep = link.peer != node;
            if !keep {
                link.close();
            }
            keep
        });
        let beat = {
            let (clock, every) = (inner.clock.clone(), inner.options.heartbeat);
            let myself = myself.clone();
            async move {
                loop {
                    clock.sleep(every).await;
                    if myself.cast(PeerMessage::Beat).is_err() {
                        return;
                    }
                }
            }
        };
        if let Some(address) = lock(&address).clone() {
            myself.cast(PeerMessage::Learned(address))?;
        }
        let state = PeerState::new(inner.options.node, node);
        Ok(Box::new(Shell {
            inner,
            node,
            myself,
            state,
            held: HashMap::new(),
            links: HashMap::new(),
            dial: None,
            _beat: TaskGuard::spawn(beat),
        }))
    }

    async fn handle(
        &self,
        _: ActorRef<PeerMessage>,
        message: PeerMessage,
        shell: &mut Box<Shell>,
    ) -> Result<(), ActorProcessingErr> {
        shell.handle(message);
        Ok(())
    }
}

impl Shell {
    fn handle(&mut self, message: PeerMessage) {
        let event = match message {
            PeerMessage::Learned(address) => Event::Learned(address),
            PeerMessage::Connected(attempt) => Event::Connected(attempt),
            PeerMessage::Dialled(attempt, outcome) => {
                Event::Dialled(attempt, self.dialled(*outcome))
            }
            PeerMessage::Offered(offer) => {
                let (number, life) = (offer.proved.link, offer.proved.peer.incarnation);
                self.held.insert(number, (Held::Offered(offer), life));
                Event::Offered(number, life)
            }
            PeerMessage::Broken(number) => Event::Broken(number),
            PeerMessage::Gone(number) => Event::Gone(number),
            PeerMessage::Ready(number, session) => {
                match self.links.get(&number) {
                    Some(link) if link.find_gate(session) => Event::Ready(number),
                    // Without a gate it is of no use.
                    _ => Event::Broken(number),
                }
            }
            PeerMessage::Expired(number) => Event::Expired(number),
            PeerMessage::Due(attempt) => Event::Due(attempt),
            PeerMessage::Beat => return self.beat(),
        };
        for action in self.state.on(event) {
            self.act(action);
        }
        if let Some(link) = self.state.link().and_then(|number| self.links.get(&number)) {
            link.seen.store(self.state.is_seen(), Ordering::Relaxed);
        }
    }

    fn dialled(&mut self, outcome: Outcome) -> Dialled {
        match outcome {
            Outcome::Refused => Dialled::Refused,
            Outcome::Failed => Dialled::Failed,
            Outcome::Declined(life) => Dialled::Declined(life),
            Outcome::Linked(life, number, stream) => {
                self.held.insert(number, (Held::Dialled(stream), life));
                Dialled::Linked(life, number)
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial {
                attempt,
                address,
                purpose,
            } => self.dial(attempt, address, purpose),
            Action::Abort => self.dial = None,
            Action::Later { attempt, failures } => {
                let pause = self.pause(failures);
                self.after(pause, PeerMessage::Due(attempt));
            }
            Action::Admit(number) => self.admit(number),
            Action::Close(number) => self.close(number),
            Action::Refuse(number) => {
                if let Some((Held::Offered(offer), _)) = self.held.remove(&number) {
                    let reason = "a connection the other way is being made".to_owned();
                    decide(&self.inner, *offer, Err(reason), |_| ());
                }
            }
            Action::Tell(event) => {
                let link = self.state.link().and_then(|number| self.links.get(&number));
                self.inner.tell(event, link);
            }
        }
    }

    fn dial(&mut self, attempt: u64, address: String, purpose: Purpose) {
        let (inner, myself, node) = (Arc::clone(&self.inner), self.myself.clone(), self.node);
        self.dial = Some(TaskGuard::spawn(async move {
            let connected = || drop(myself.cast(PeerMessage::Connected(attempt)));
            let outcome = dial::dial(&inner, node, &address, purpose, connected).await;
            let _ = myself.cast(PeerMessage::Dialled(attempt, Box::new(outcome)));
        }));
    }

    /// Doubled with each failure, and drawn between a half and the whole.
    fn pause(&self, failures: u32) -> Duration {
        let (first, longest) = self.inner.options.redial;
        let pause = first.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        let half_us = u64::try_from(pause.min(longest).as_micros() / 2).unwrap_or(u64::MAX);
        Duration::from_micros(half_us + self.inner.rng.below(half_us + 1))
    }

    fn after(&self, pause: Duration, message: PeerMessage) {
        let (clock, myself) = (self.inner.clock.clone(), self.myself.clone());
        odeon_kernel::spawn(async move {
            clock.sleep(pause).await;
            let _ = myself.cast(message);
        });
    }

    fn admit(&mut self, number: u64) {
        let Some((held, life)) = self.held.get_mut(&number) else {
            return;
        };
        let (held, life) = (std::mem::replace(held, Held::HandedOver), *life);
        let link = Arc::new(Link::new(number, self.node, life, &self.inner.options));
        link.stall(self.inner.is_cut_off(self.node));
        self.links.insert(number, Arc::clone(&link));
        lock(&self.inner.numbers).insert(number, Arc::clone(&link));
        self.after(
            self.inner.options.handshake_limit,
            PeerMessage::Expired(number),
        );
        let over = self.hand_over(link);
        match held {
            Held::Dialled(stream) => over(Some((stream, false))),
            Held::Offered(offer) => decide(&self.inner, *offer, Ok(()), move |stream| {
                over(stream.map(|stream| (stream, true)));
            }),
            Held::HandedOver => {}
        }
    }

    /// Gives a stream to the node server; `None` is a stream that broke first.
    fn hand_over(&self, link: Arc<Link>) -> impl FnOnce(Option<(TcpStream, bool)>) + Send + use<> {
        let (inner, myself) = (Arc::clone(&self.inner), self.myself.clone());
        move |stream| {
            let number = link.number;
            let broken = {
                let myself = myself.clone();
                move || drop(myself.cast(PeerMessage::Broken(number)))
            };
            let Some((tcp, is_server)) = stream else {
                broken();
                drop(myself.cast(PeerMessage::Gone(number)));
                return;
            };
            let stream = Box::new(LinkStream {
                tcp,
                label: server::label(link.peer, link.life, number),
                link,
                clock: inner.clock.clone(),
                idle_limit: inner.options.idle_limit,
                on_end: Box::new(broken),
            });
            let message = NodeServerMessage::ConnectionOpenedExternal { stream, is_server };
            if inner.server.cast(message).is_err() {
                drop(myself.cast(PeerMessage::Gone(number)));
            }
        }
    }

    fn close(&mut self, number: u64) {
        self.held.remove(&number);
        lock(&self.inner.numbers).remove(&number);
        if let Some(link) = self.links.remove(&number) {
            link.close();
            self.after(
                self.inner.options.handshake_limit,
                PeerMessage::Expired(number),
            );
        }
    }

    fn beat(&mut self) {
        if let Some(link) = self.inner.link_to(self.node) {
            link.tidy(self.inner.clock.monotonic());
            if let Some(gate) = link.gate() {
                let _ = gate.cast(GateMessage::Beat);
            }
        }
    }
}

/// Sends the verdict on an offer, then gives the stream on if it is still good.
fn decide(
    inner: &Arc<Inner>,
    offer: Offer,
    verdict: Result<(), String>,
    then: impl FnOnce(Option<TcpStream>) + Send + 'static,
) {
    let (clock, limit) = (inner.clock.clone(), inner.options.handshake_limit);
    odeon_kernel::spawn(async move {
        let Offer { mut stream, proved } = offer;
        let sent = timeout(&*clock, limit, proved.decide(&mut stream, verdict)).await;
        then(matches!(sent, Ok(Ok(()))).then_some(stream));
    });
}

/// Whether an address refuses connections: nobody listens there.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}
