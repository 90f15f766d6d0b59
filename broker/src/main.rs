//! The one binary.

use std::process::ExitCode;

use odeon::{Node, NodeOptions};
use odeon_model::config::BrokerConfig;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,odeon=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().collect();
    let file = arguments.iter().position(|a| a == "--config").and_then(|at| arguments.get(at + 1));
    let Some(file) = file else {
        eprintln!("usage: odeon start --config FILE");
        return ExitCode::from(2);
    };
    match run(file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file the user names, not the data directory")]
fn run(file: &str) -> Result<(), Box<dyn std::error::Error>> {
    let properties = odeon_model::parse_properties(&std::fs::read_to_string(file)?)?;
    let (config, unknown) = BrokerConfig::from_properties(&properties)?;
    if !unknown.is_empty() {
        tracing::warn!(keys = unknown.join(", "), "unknown settings");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let request_log = std::env::var_os("ODEON_REQUEST_LOG").is_some();
        let options = NodeOptions { config, console: None, request_log };
        let node = Node::start(options).await?;
        let listeners: std::collections::BTreeMap<_, _> = node.listeners().into_iter().collect();
        println!(
            "{}",
            serde_json::json!({"listeners": listeners, "pid": std::process::id(), "data": node.data_dirs()})
        );
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        node.stop().await;
        Ok(())
    })
}
