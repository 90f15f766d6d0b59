//! The command line: `odeon` runs a node, its subcommands are a client for people.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 all went well,
//! 1 something failed, 2 the command line or the configuration is not valid, 130 interrupted.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use odeon_client::{Client, ClientConfig, parse_addresses};

mod cluster;
mod consume;
mod dump_log;
mod failure;
mod format;
mod group;
mod input;
mod logging;
mod node;
mod output;
mod produce;
mod signal;
mod start;
mod topic;
mod when;

use failure::Failure;

const EXAMPLES: &str = "\
Examples:
  odeon                                        a node on 127.0.0.1:9092, data in ./odeon-data
  odeon --config server.properties             a node as a Kafka configuration file says
  odeon --cluster a:9092,b:9092,c:9092 --node 1   a node of three
  odeon topic create orders --partitions 12
  seq 1000 | odeon produce orders
  odeon consume orders --from beginning --until-end
  odeon group describe billing";

/// A Kafka-compatible broker, and a client for it and any other Kafka.
///
/// Without a subcommand a node is started, as by `odeon start`.
#[derive(Debug, Parser)]
#[command(
    name = "odeon",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    start: start::StartArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a node (the default).
    Start(start::StartArgs),
    /// Create, list, describe, change and delete topics.
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Write lines of standard input or a file to a topic, a record each.
    Produce(produce::ProduceArgs),
    /// Print the records of topics.
    Consume(consume::ConsumeArgs),
    /// List, describe and delete groups, and set their offsets.
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Show how the cluster is.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// List nodes, take the load off one, take one out, kill an actor.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Show and check what is in the files of partitions.
    DumpLog(dump_log::DumpLogArgs),
}

/// How to reach the cluster, for all client commands.
#[derive(Debug, Clone, Args)]
struct ClusterArgs {
    /// Brokers to begin with; the others are learned from them.
    #[arg(
        long,
        short = 'b',
        value_name = "HOST:PORT,...",
        default_value = "127.0.0.1:9092"
    )]
    bootstrap: String,
    /// How long to try before giving up, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    timeout: u64,
}

impl ClusterArgs {
    async fn connect(&self) -> Result<Client, Failure> {
        let mut config = ClientConfig::new(parse_addresses(&self.bootstrap)?);
        let timeout = Duration::from_secs(self.timeout);
        config.client_id = "odeon-cli".to_owned();
        config.api_timeout = timeout;
        config.request_timeout = timeout;
        config.connect_timeout = config.connect_timeout.min(timeout);
        Ok(Client::with_config(config).await?)
    }
}

/// Runs the command line of this process to its end.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // The one place it could go to is closed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let command = cli.command.unwrap_or(Command::Start(cli.start));
    let is_node = matches!(command, Command::Start(_));
    if let Err(failure) = logging::start(is_node) {
        return failure.report();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("no threads: {error}")).report(),
    };
    let result = runtime.block_on(execute(command));
    // A read of standard input cannot be taken back: do not wait for it.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Start(args) => Box::pin(start::run(args)).await,
        Command::Topic(command) => interruptible(topic::run(command)).await,
        Command::Produce(args) => Box::pin(produce::run(args)).await,
        Command::Consume(args) => Box::pin(consume::run(args)).await,
        Command::Group(command) => interruptible(group::run(command)).await,
        Command::Cluster(command) => interruptible(cluster::run(command)).await,
        Command::Node(command) => interruptible(node::run(command)).await,
        Command::DumpLog(args) => dump_log::run(&args),
    }
}

/// A command that may simply stop in the middle.
async fn interruptible(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut interrupts = signal::Interrupts::new()?;
    tokio::select! {
        result = work => result,
        _ = interrupts.next() => Err(Failure::interrupted()),
    }
}

#[cfg(test)]
mod tests;
