//! `odeon node kill-actor`: asks a node's console to end an actor.

use std::time::Duration;

use clap::Args;
use odeon_kernel::Blocking;
use serde_json::{Value, json};

use super::super::start::DEFAULT_CONSOLE;
use super::super::{Failure, output};

const AFTER_HELP: &str = "\
The console's /tree shows all actors. Examples:
  odeon node kill-actor Roles/Broker/Replicas/orders-0
  odeon node kill-actor Roles/ClusterController --console 127.0.0.1:9644";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct KillActorArgs {
    /// The names of its supervisors from below the top, and its own, with / between them.
    #[arg(value_name = "PATH")]
    path: String,
    /// Where the console of the node listens.
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_CONSOLE)]
    console: String,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// How long the node may take.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn run(args: KillActorArgs) -> Result<(), Failure> {
    let (console, path) = (args.console.clone(), args.path);
    let (status, answer) = Blocking::Pool.run(move || ask(&console, &path)).await?;
    if status == 200 {
        let killed = answer["killed"].as_str().unwrap_or_default();
        return match args.json {
            true => output::json(&answer),
            false => output::line(&format!("killed {killed}")),
        };
    }
    let error = answer["error"].as_str();
    let failure = Failure::new(match error {
        Some(error) => error.to_owned(),
        None => format!("{} answers {status}: is it a console?", args.console),
    });
    Err(match status {
        403 => failure.hint("Start the node with --set odeon.developer.kill.actors=true."),
        404 if error.is_some() => failure.hint(format!(
            "http://{}/tree shows which actors there are.",
            args.console
        )),
        _ => failure,
    })
}

/// Sends the request; the answer's status and body.
fn ask(console: &str, path: &str) -> Result<(u16, Value), Failure> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .build();
    let failed = |error: ureq::Error| {
        Failure::new(format!("the console at {console} does not answer: {error}"))
            .hint("A node says where its console listens when it is ready; --console names it.")
    };
    let mut answer = ureq::Agent::new_with_config(config)
        .post(format!("http://{console}/kill"))
        .send_json(json!({"actor": path}))
        .map_err(failed)?;
    let body = answer.body_mut().read_json().unwrap_or_default();
    Ok((answer.status().as_u16(), body))
}
