//! The console: health, metrics and the live tree of actors over HTTP.
//!
//! | path | what |
//! |---|---|
//! | `/` | what is here |
//! | `/health` | 200 once the node serves, 503 before and after |
//! | `/metrics` | Prometheus text |
//! | `/tree` | the supervision tree as JSON |
//! | `POST /kill` | kills the actor that `{"actor": "Roles/Broker/..."}` names; for developers |
//!
//! The console reads views and changes nothing, except that it kills actors where
//! `odeon.developer.kill.actors` allows it: whoever kills one sees what its supervisor makes of it. The
//! body must say that it is JSON, which no web page of another site can have a browser do.
//!
//! actix-web runs on an actix-rt system of its own thread, so that a slow reader of `/metrics` stalls
//! nobody.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use odeon_kernel::supervisor::{SupervisionNode, SupervisorHandle};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::{Value, json};

mod kill;

/// How many children of one supervisor `/tree` shows.
const CHILDREN_SHOWN: usize = 1_000;
/// How long `/tree` waits for the supervisors.
const TREE_LIMIT: Duration = Duration::from_secs(2);

/// What the console shows.
#[derive(Clone)]
pub struct Sources {
    /// The metrics in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the node serves.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The top of the tree.
    pub tree: SupervisorHandle,
    /// Whether `/kill` kills.
    pub may_kill: bool,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The actor. See the crate.
#[derive(Debug)]
pub struct Console;

/// What a console is started with.
#[derive(Debug, Clone)]
pub struct ConsoleArguments {
    /// Its socket, bound before any actor runs.
    pub socket: Arc<std::net::TcpListener>,
    /// What it shows.
    pub sources: Sources,
}

/// A console gets no messages but its server's end.
#[derive(Debug)]
pub enum ConsoleMsg {
    /// The server ended by itself.
    Ended(String),
}

impl ractor::Message for ConsoleMsg {}

/// A running console; dropping it stops the server.
#[derive(Debug)]
pub struct ConsoleState {
    server: ServerHandle,
}

impl Drop for ConsoleState {
    fn drop(&mut self) {
        // The command is sent when `stop` is called; the future only waits for its effect.
        drop(self.server.stop(false));
    }
}

#[ractor::async_trait]
impl Actor for Console {
    type Msg = ConsoleMsg;
    type State = ConsoleState;
    type Arguments = ConsoleArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ConsoleMsg>,
        arguments: ConsoleArguments,
    ) -> Result<ConsoleState, ActorProcessingErr> {
        let socket = arguments.socket.try_clone()?;
        let (started, starting) = mpsc::channel();
        let sources = arguments.sources;
        std::thread::Builder::new()
            .name("odeon-console".to_owned())
            .spawn(move || {
                let outcome = actix_rt::System::new().block_on(serve(socket, sources, started));
                let text = outcome
                    .err()
                    .map_or_else(|| "stopped".to_owned(), |e| e.to_string());
                let _ = myself.cast(ConsoleMsg::Ended(text));
            })?;
        let server = odeon_kernel::Blocking::Pool
            .run(move || starting.recv())
            .await??;
        Ok(ConsoleState { server })
    }

    async fn handle(
        &self,
        _: ActorRef<ConsoleMsg>,
        ConsoleMsg::Ended(reason): ConsoleMsg,
        _: &mut ConsoleState,
    ) -> Result<(), ActorProcessingErr> {
        Err(format!("the HTTP server ended: {reason}").into())
    }
}

async fn serve(
    socket: std::net::TcpListener,
    sources: Sources,
    started: mpsc::Sender<std::io::Result<ServerHandle>>,
) -> std::io::Result<()> {
    let bound = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(sources.clone()))
            .route("/", web::get().to(index))
            .route("/health", web::get().to(health))
            .route("/metrics", web::get().to(metrics))
            .route("/tree", web::get().to(tree))
            .route("/kill", web::post().to(kill::kill))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(socket);
    match bound {
        Ok(server) => {
            let server = server.run();
            let _ = started.send(Ok(server.handle()));
            server.await
        }
        Err(error) => {
            let _ = started.send(Err(error));
            Ok(())
        }
    }
}

async fn index() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::plaintext())
        .body("Odeon\n\n/health\n/metrics\n/tree\n")
}

async fn health(sources: web::Data<Sources>) -> HttpResponse {
    if (sources.ready)() {
        HttpResponse::Ok().json(json!({"status": "ready"}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "not ready"}))
    }
}

async fn metrics(sources: web::Data<Sources>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("content-type", "text/plain; version=0.0.4"))
        .body((sources.metrics)())
}

async fn tree(sources: web::Data<Sources>) -> HttpResponse {
    match sources.tree.tree(CHILDREN_SHOWN, TREE_LIMIT).await {
        Ok(node) => HttpResponse::Ok().json(node_json(&node)),
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({"error": error.to_string()})),
    }
}

fn node_json(node: &SupervisionNode) -> Value {
    let children: Vec<Value> = node.children.iter().map(node_json).collect();
    json!({
        "name": &*node.name,
        "state": format!("{:?}", node.state),
        "restarts": node.restarts,
        "last_failure": node.last_exit,
        "children": children,
        "left_out": node.omitted,
    })
}
