//! A node of a testbed, in a process of its own: the test binary runs itself with the one test
//! below.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::{Clock, SystemClock, TaskGuard};
use odeon_model::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::control::{Order, Payload, Report, receive, report, send};
use crate::cluster::link::lock;
use crate::{ClusterMesh, ClusterOptions, Mesh, Secret, handler};

/// Set in a node's process: where the test listens, the node's id, its life, its address, its
/// secret.
pub(super) const VARIABLE: &str = "ODEON_MESH_TEST_NODE";

#[test]
fn a_node_of_a_testbed() {
    let Ok(orders) = std::env::var(VARIABLE) else {
        return;
    };
    let parts: Vec<&str> = orders.split(' ').collect();
    let [control, node, incarnation, address, secret] = parts[..] else {
        panic!("{VARIABLE}={orders}");
    };
    let secret = Secret::new(secret.as_bytes());
    let options = ClusterOptions::new(node.parse().unwrap(), incarnation.parse().unwrap(), secret);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(control, address, options));
}

type Handled = Result<Result<Payload, String>, String>;

async fn run(control: &str, address: &str, options: ClusterOptions) {
    let control = TcpStream::connect(control).await.unwrap();
    control.set_nodelay(true).unwrap();
    let (mut orders, mut reports) = control.into_split();
    let incarnation = options.incarnation;
    let mesh = ClusterMesh::start(Arc::new(SystemClock::new()), options)
        .await
        .unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _accepts = {
        let mesh = mesh.clone();
        TaskGuard::spawn(async move { mesh.serve(listener).await })
    };
    mesh.register("ping", handler(|_, request| async { Ok(request) }));
    let (say, mut said) = mpsc::unbounded_channel();
    say.send(Report::Runs(incarnation, address)).unwrap();
    let _writes = TaskGuard::spawn(async move {
        while let Some(report) = said.recv().await {
            send(&mut reports, &report).await.unwrap();
        }
    });
    let _events = {
        let (mut links, say) = (mesh.links(), say.clone());
        TaskGuard::spawn(async move {
            while let Some(event) = links.recv().await {
                let _ = say.send(report(event));
            }
        })
    };
    let mut node = Node {
        mesh,
        say,
        handling: Arc::default(),
        calls: HashMap::new(),
    };
    // Ends with the test.
    while let Ok(order) = receive(&mut orders).await {
        node.obey(order);
    }
}

struct Node {
    mesh: ClusterMesh,
    say: mpsc::UnboundedSender<Report>,
    handling: Arc<Mutex<HashMap<u64, oneshot::Sender<Handled>>>>,
    calls: HashMap<u64, TaskGuard<()>>,
}

impl Node {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Learn(node, address) => self.mesh.learn(node, &address),
            Order::Register(service) => self.register(service),
            Order::Unregister(service) => self.mesh.unregister(service.leak()),
            Order::SetCluster(id) => self.mesh.set_cluster_id(&id),
            Order::AwaitSeen(node) => return self.await_seen(node),
            Order::CutOff(nodes) => self.mesh.cut_off(&nodes),
            Order::Handled(request, answer) => {
                if let Some(reply) = lock(&self.handling).remove(&request) {
                    let _ = reply.send(answer);
                }
                return;
            }
            Order::Forget(call) => {
                self.calls.remove(&call);
                return;
            }
            Order::Call {
                call,
                to,
                service,
                request,
                deadline,
            } => {
                let answer = self.mesh.call(to, service.leak(), request.0, deadline);
                let say = self.say.clone();
                let task = TaskGuard::spawn(async move {
                    let answer = answer.await.map(Payload).map_err(Into::into);
                    let _ = say.send(Report::Called(call, answer));
                });
                self.calls.insert(call, task);
                return;
            }
        }
        self.say.send(Report::Done).unwrap();
    }

    fn await_seen(&self, node: NodeId) {
        let (mesh, say) = (self.mesh.clone(), self.say.clone());
        odeon_kernel::spawn(async move {
            let seen = || {
                mesh.status()
                    .iter()
                    .any(|link| link.node == node && link.seen)
            };
            while !seen() {
                SystemClock::new().sleep(Duration::from_millis(5)).await;
            }
            let _ = say.send(Report::Done);
        });
    }

    fn register(&self, service: String) {
        let (handling, say) = (Arc::clone(&self.handling), self.say.clone());
        let name = service.clone();
        let forward = handler(move |from, request: Bytes| {
            static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (reply, answer) = oneshot::channel();
            lock(&handling).insert(number, reply);
            let _ = say.send(Report::Handle {
                request: number,
                service: name.clone(),
                from,
                body: Payload(request),
            });
            async move {
                match answer.await.expect("the test answers") {
                    Ok(answer) => answer.map(|reply| reply.0),
                    Err(panic) => panic!("{panic}"),
                }
            }
        });
        self.mesh.register(service.leak(), forward);
    }
}
