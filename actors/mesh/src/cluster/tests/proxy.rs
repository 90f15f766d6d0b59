//! A node in another process, as a mesh of the test's process.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::task::catch_panic;
use odeon_kernel::{TaskGuard, watch};
use odeon_model::NodeId;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use super::control::{Event, Order, Payload, Report, event, receive, send};
use super::process;
use crate::cluster::link::lock;
use crate::services::Services;
use crate::{CallFuture, Handler, Incarnation, LinkEvent, LinkEvents, Mesh, MeshError};

pub(super) const SECRET: &str = "a-secret-of-the-test";

#[derive(Debug)]
pub(super) struct Proxy {
    node: NodeId,
    incarnation: Incarnation,
    pub(super) address: String,
    shared: Arc<Shared>,
    process: Mutex<Option<Child>>,
    _reports: TaskGuard<()>,
}

pub(super) struct Shared {
    orders: mpsc::UnboundedSender<Order>,
    services: Services,
    calls: Mutex<HashMap<u64, oneshot::Sender<Result<Bytes, MeshError>>>>,
    next_call: AtomicU64,
    /// Which lives of others it has links to.
    pub(super) links: watch::Sender<BTreeMap<NodeId, Incarnation>>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<LinkEvent>>>,
    /// Nodes whose services it calls: what the test has registered there is there first.
    peers: Mutex<BTreeMap<NodeId, Weak<Self>>>,
    /// Orders carried out.
    done: watch::Sender<u64>,
    given: AtomicU64,
    over: watch::Sender<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Proxy {
    pub(super) async fn start(node: NodeId, life: Incarnation, at: &str, secret: &str) -> Self {
        let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = control.local_addr().unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cluster::tests::process::a_node_of_a_testbed"])
            .args(["--nocapture", "--test-threads", "1"])
            .env(
                process::VARIABLE,
                format!("{address} {node} {life} {at} {secret}"),
            )
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stream, _) = control.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut reports, mut orders) = stream.into_split();
        let Report::Runs(incarnation, address) = receive(&mut reports).await.unwrap() else {
            panic!("it says first what it is");
        };
        let (give, mut given) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            orders: give,
            services: Services::default(),
            calls: Mutex::default(),
            next_call: AtomicU64::new(0),
            links: watch::Sender::new(Default::default()),
            listeners: Mutex::default(),
            peers: Mutex::default(),
            done: watch::Sender::new(Default::default()),
            given: AtomicU64::new(0),
            over: watch::Sender::new(Default::default()),
        });
        odeon_kernel::spawn(async move {
            while let Some(order) = given.recv().await {
                if send(&mut orders, &order).await.is_err() {
                    return;
                }
            }
        });
        let here = Arc::clone(&shared);
        let listens = TaskGuard::spawn(async move {
            while let Ok(report) = receive(&mut reports).await {
                here.hear(report);
            }
            here.end();
        });
        Self {
            node,
            incarnation,
            address,
            shared,
            process: Mutex::new(Some(process)),
            _reports: listens,
        }
    }

    /// `kill -9`.
    pub(super) async fn kill(&self) {
        let process = lock(&self.process).take();
        if let Some(mut process) = process {
            process.kill().await.unwrap();
        }
        self.shared.end();
    }

    /// Two nodes of a testbed call each other's services.
    pub(super) fn meet(&self, other: &Self) {
        for (one, other) in [(self, other), (other, self)] {
            let shared = Arc::downgrade(&other.shared);
            lock(&one.shared.peers).insert(other.node, shared);
            one.learn(other.node, &other.address);
        }
    }

    pub(super) async fn cut_off(&self, nodes: Vec<NodeId>) {
        self.shared.order(Order::CutOff(nodes));
        self.obeyed().await;
    }

    pub(super) async fn set_cluster(&self, id: &str) {
        self.shared.order(Order::SetCluster(id.to_owned()));
        self.obeyed().await;
    }

    /// Waits until another node has answered it at the address it knows.
    pub(super) async fn probed(&self, other: &Self) {
        self.shared.order(Order::AwaitSeen(other.node));
        self.obeyed().await;
    }

    /// Sends its process a signal.
    pub(super) async fn signal(&self, signal: &str) {
        let id = lock(&self.process).as_ref().and_then(Child::id).unwrap();
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &id.to_string()]);
        assert!(kill.status().await.unwrap().success());
    }

    /// Waits until all orders so far are carried out.
    pub(super) async fn obeyed(&self) {
        self.shared.obeyed().await;
    }

    /// Waits until it has a link to this life of another node.
    pub(super) async fn linked(&self, node: NodeId, life: Incarnation) {
        let mut links = self.shared.links.subscribe();
        links
            .wait_for(|links| links.get(&node) == Some(&life))
            .await
            .unwrap();
    }

    /// Waits until calls to another node pass.
    pub(super) async fn reaches(&self, node: NodeId) {
        let mut links = self.shared.links.subscribe();
        loop {
            links.borrow_and_update();
            let ping = self.call(node, "ping", Bytes::new(), Duration::from_secs(1));
            match ping.await {
                Ok(_) => return,
                // The link is not up: it will say so.
                Err(MeshError::Unreachable(_)) => links.changed().await.unwrap(),
                Err(_) => {}
            }
        }
    }
}

impl Shared {
    fn order(&self, order: Order) {
        self.given.fetch_add(1, Ordering::SeqCst);
        let _ = self.orders.send(order);
    }

    /// Waits until all orders so far are carried out, or it is over.
    async fn obeyed(&self) {
        let given = self.given.load(Ordering::SeqCst);
        let (mut done, mut over) = (self.done.subscribe(), self.over.subscribe());
        tokio::select! {
            biased;
            done = done.wait_for(|done| *done >= given) => drop(done.unwrap()),
            over = over.wait_for(|over| *over) => drop(over.unwrap()),
        }
    }

    fn end(&self) {
        self.over.send_replace(true);
        lock(&self.calls).clear();
    }

    fn hear(self: &Arc<Self>, report: Report) {
        match report {
            Report::Runs(..) => unreachable!("it starts once"),
            Report::Done => self.done.send_modify(|done| *done += 1),
            Report::Called(call, answer) => {
                if let Some(reply) = lock(&self.calls).remove(&call) {
                    let _ = reply.send(answer.map(|reply| reply.0).map_err(Into::into));
                }
            }
            Report::Handle {
                request,
                service,
                from,
                body,
            } => {
                let handler = self.services.get(&service).unwrap();
                let here = Arc::clone(self);
                odeon_kernel::spawn(async move {
                    let answer = catch_panic(async move { handler(from, body.0).await }).await;
                    let answer = answer.map(|answer| answer.map(Payload));
                    let _ = here.orders.send(Order::Handled(request, answer));
                });
            }
            Report::Link(kind, node, life) => {
                let mut listeners = lock(&self.listeners);
                self.links.send_modify(|links| match kind {
                    Event::Up => drop(links.insert(node, life)),
                    Event::Down | Event::Dead => drop(links.remove(&node)),
                });
                let event = event(kind, node, life);
                listeners.retain(|listener| listener.send(event).is_ok());
            }
        }
    }
}

/// Tells the node's process when the caller gives up.
struct Waiting(Arc<Shared>, u64);

impl Drop for Waiting {
    fn drop(&mut self) {
        if lock(&self.0.calls).remove(&self.1).is_some() {
            let _ = self.0.orders.send(Order::Forget(self.1));
        }
    }
}

impl Mesh for Proxy {
    fn node_id(&self) -> NodeId {
        self.node
    }

    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn call(
        &self,
        to: NodeId,
        service: &'static str,
        request: Bytes,
        deadline: Duration,
    ) -> CallFuture {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if *shared.over.borrow() {
                return Err(MeshError::Unreachable(to));
            }
            let peer = lock(&shared.peers).get(&to).and_then(Weak::upgrade);
            if let Some(peer) = peer {
                peer.obeyed().await;
            }
            let call = shared.next_call.fetch_add(1, Ordering::Relaxed);
            let (reply, answer) = oneshot::channel();
            lock(&shared.calls).insert(call, reply);
            let _waiting = Waiting(Arc::clone(&shared), call);
            let _ = shared.orders.send(Order::Call {
                call,
                to,
                service: service.to_owned(),
                request: Payload(request),
                deadline,
            });
            answer.await.unwrap_or(Err(MeshError::LinkLost(to)))
        })
    }

    fn register(&self, service: &'static str, handler: Handler) {
        self.shared.services.register(service, handler);
        self.shared.order(Order::Register(service.to_owned()));
    }

    fn unregister(&self, service: &'static str) {
        self.shared.order(Order::Unregister(service.to_owned()));
    }

    fn links(&self) -> LinkEvents {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut listeners = lock(&self.shared.listeners);
        for (node, life) in self.shared.links.borrow().iter() {
            sender.send(LinkEvent::Up(*node, *life)).unwrap();
        }
        listeners.push(sender);
        receiver
    }

    fn learn(&self, node: NodeId, address: &str) {
        self.shared.order(Order::Learn(node, address.to_owned()));
    }
}
