//! A native load program for any broker that speaks Kafka's protocol: librdkafka, as its users have
//! it, driven through its C API, and requests of our own where thousands of connections are wanted. `cargo xtask versus` runs it; each run prints one line of JSON.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod chart;
mod client;
mod consume;
mod curves;
mod figures;
mod flame;
mod latency;
mod many;
mod produce;
mod soak;

/// What can go wrong, in words.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Parser)]
#[command(name = "odeon-versus", about = "Loads a Kafka broker with librdkafka")]
struct Arguments {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Produce as fast as it goes, or at a rate
    Produce(produce::Arguments),
    /// One record into each partition: how long until all are acknowledged?
    First(produce::FirstArguments),
    /// Read every partition from the beginning
    Consume(consume::Arguments),
    /// A paced producer and a consumer: how old is a record when it is read?
    Latency(latency::Arguments),
    /// Small batches over many connections to many partitions
    Many(many::Arguments),
    /// Connections and groups that are only there, until standard input ends
    Idle(many::IdleArguments),
    /// Draw what `perf script` printed
    Flame(flame::Arguments),
    /// Draw the table of `cargo xtask versus`
    Chart,
    /// Draw what `cargo xtask versus --curves` measured
    Curves,
    /// Draw what `cargo xtask versus --soak` saw
    Soak,
}

/// What every load is told.
#[derive(Debug, Clone, Args)]
struct Target {
    /// Addresses of the broker
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    topic: String,
    /// Settings of librdkafka, as it names them
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> std::result::Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let done = match Arguments::parse().load {
        Load::Produce(arguments) => produce::run(&arguments),
        Load::First(arguments) => produce::first(&arguments),
        Load::Consume(arguments) => consume::run(&arguments),
        Load::Latency(arguments) => latency::run(&arguments),
        Load::Many(arguments) => many::run(&arguments),
        Load::Idle(arguments) => many::idle(&arguments),
        Load::Flame(arguments) => flame::run(&arguments),
        Load::Chart => chart::run(),
        Load::Curves => curves::run(),
        Load::Soak => soak::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("odeon-versus: {error}");
            ExitCode::FAILURE
        }
    }
}
