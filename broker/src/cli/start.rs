//! `odeon start`: a node, from its settings to its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use odeon_client::{parse_address, parse_addresses};
use odeon_kernel::{Disk, RealDisk};
use odeon_log::LogError;
use odeon_model::config::{BrokerConfig, ConfigMap, Durability, HostPort, TopicConfig};
use odeon_model::parse_properties;
use serde_json::json;

use super::signal::Interrupts;
use super::topic::parse_pair;
use super::{Failure, output};
use crate::defaults::is_every_interface;
use crate::{MeshSource, Node, NodeError, NodeOptions, cluster_properties, default_properties};

mod settings;

use settings::settings;

/// Where a node listens unless it is told otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:9092";
/// Where its console listens.
pub(super) const DEFAULT_CONSOLE: &str = "127.0.0.1:9644";
/// What the node calls the console when it cannot listen there.
const CONSOLE: &str = "console";
/// Where its data is.
const DEFAULT_DATA: &str = "odeon-data";

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Read the settings from a Kafka server.properties, of a node that is broker and controller.
    #[arg(long, short = 'c', value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the data is (log.dirs); an empty or missing directory is set up [default: ./odeon-data,
    /// with --node 1 ./odeon-data-1].
    #[arg(long, short = 'd', value_name = "DIR")]
    data: Option<String>,
    /// Where clients connect; port 0 takes any free port [default: 127.0.0.1:9092].
    #[arg(long, short = 'l', value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Be one of several nodes, which serve clients at these addresses; controllers talk at the port
    /// above each. The same on all nodes. Beyond one machine they need a common secret: see
    /// `odeon.cluster.secret.file`.
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        requires = "node",
        conflicts_with_all = ["config", "listen"]
    )]
    cluster: Option<String>,
    /// Which of them this node is, from 1 on.
    #[arg(long, short = 'n', value_name = "NUMBER", requires = "cluster")]
    node: Option<u32>,
    /// Where the console (health, metrics) listens, or `off` [default: 127.0.0.1:9644, or any free
    /// port when --listen has port 0].
    #[arg(long, value_name = "HOST:PORT|off")]
    console: Option<String>,
    /// Set a key of the configuration; goes before the file; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
    /// Log every request.
    #[arg(long)]
    request_log: bool,
    /// When the node is ready, print one line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The settings of a node that a command works on without serving clients.
pub(super) fn node_config(
    file: Option<PathBuf>,
    data: Option<String>,
    set: Vec<(String, String)>,
) -> Result<BrokerConfig, Failure> {
    let args = StartArgs {
        config: file,
        data,
        listen: None,
        cluster: None,
        node: None,
        console: None,
        set,
        request_log: false,
        json: false,
    };
    Ok(settings(&args)?.config)
}

/// Runs a node until it is told to stop, or fails.
pub(super) async fn run(args: StartArgs) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new()?;
    let settings = settings(&args)?;
    if !settings.unknown.is_empty() {
        let keys = settings.unknown.join(", ");
        tracing::warn!("unknown keys of the configuration are ignored: {keys}");
    }
    let durability = durability(&settings.config);
    let options = NodeOptions {
        mesh: MeshSource::of_process(&settings.config),
        console: settings.console.map(|one| (one.host, one.port)),
        request_log: args.request_log,
        ..NodeOptions::new(settings.config)
    };
    let mut node = tokio::select! {
        node = Box::pin(start(options, args.console.is_some())) => node.map_err(failed_start)?,
        signal = interrupts.next() => {
            tracing::info!(signal, "stopped before the node was ready");
            return Err(Failure::interrupted());
        }
    };
    if args.json {
        output::json(&ready_json(&node))?;
    } else {
        output::line(&ready_text(&node, durability))?;
    }
    let signal = tokio::select! {
        ended = node.ended() => {
            return ended.map_err(|error| Failure::new(format!("the node ended: {error}")));
        }
        signal = interrupts.next() => signal,
    };
    tracing::info!(signal, "stopping; a second signal aborts");
    tokio::select! {
        _ = node.stop() => {
            tracing::info!("stopped");
            Ok(())
        }
        _ = interrupts.next() => Err(Failure::new("aborted by a second signal")),
    }
}

/// Starts the node. A port of the console that nobody chose is no reason to fail: another node on
/// this machine has it, and any other port will do.
async fn start(mut options: NodeOptions, console_was_chosen: bool) -> Result<Node, NodeError> {
    match Node::start(options.clone()).await {
        Err(NodeError::Listen {
            listener, source, ..
        }) if listener == CONSOLE && is_taken(&source) && !console_was_chosen => {
            if let Some((host, port)) = &mut options.console {
                tracing::warn!("the console's port {port} is taken: it gets any other on {host}");
                *port = 0;
            }
            Node::start(options).await
        }
        result => result,
    }
}

fn is_taken(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::AddrInUse
}

/// What `acks=all` means on this node, unless a topic says otherwise.
fn durability(config: &BrokerConfig) -> Durability {
    TopicConfig::resolve(&ConfigMap::new(), config.layers()).durability
}

pub(super) fn failed_start(error: NodeError) -> Failure {
    let text = error.to_string();
    let failure = Failure::new(format!("the node cannot start: {text}"));
    match error {
        NodeError::Listen { source, .. } if is_taken(&source) => {
            failure.hint("Another program listens there; --listen or --console names another port.")
        }
        NodeError::Log(LogError::Locked { .. }) => {
            failure.hint("Another node runs on it; stop that one, or name another by --data.")
        }
        NodeError::Log(LogError::WrongOwner { .. }) => failure.hint(
            "The directory belongs to another node or cluster; name another by --data, or the \
             right node.id and cluster id.",
        ),
        NodeError::Unsupported(_) => Failure::usage(text),
        _ => failure,
    }
}

fn ready_json(node: &Node) -> serde_json::Value {
    let listeners = node.listeners().into_iter();
    let listeners: BTreeMap<_, _> = listeners
        .map(|(name, address)| (name, address.to_string()))
        .collect();
    let data = node.data_dirs();
    let data: Vec<_> = data.iter().map(|dir| dir.to_string_lossy()).collect();
    json!({
        "listeners": listeners,
        "console": node.console().map(|address| address.to_string()),
        "data": data,
        "pid": std::process::id(),
    })
}

fn ready_text(node: &Node, durability: Durability) -> String {
    let mut text = format!("Odeon {} is ready.\n", env!("CARGO_PKG_VERSION"));
    let listeners = node.listeners();
    for (name, address) in &listeners {
        text.push_str(&format!("  listening  {address} ({name})\n"));
    }
    if let Some(console) = node.console() {
        text.push_str(&format!("  console    http://{console}/\n"));
    }
    for dir in node.data_dirs() {
        text.push_str(&format!("  data       {}\n", absolute(&dir).display()));
    }
    let durability = match durability {
        Durability::Fsync => "fsync: acks=all waits until records are on disk",
        Durability::PageCache => "page cache: acks=all waits until records are written, not synced",
    };
    text.push_str(&format!("  durability {durability}\n"));
    if let Some((_, address)) = listeners.first() {
        let bootstrap = match reachable(*address) {
            address if address.to_string() == DEFAULT_LISTEN => String::new(),
            address => format!(" -b {address}"),
        };
        text.push_str(&format!(
            "Try:  echo hello | odeon produce greetings{bootstrap} && odeon consume greetings \
             --from beginning --until-end{bootstrap}"
        ));
    }
    text
}

/// An address that this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
