//! Logs: to standard error, as `RUST_LOG` says.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::Failure;

/// A node tells what it does; a client command only what is wrong.
const NODE: &str = "warn,odeon=info,openraft=error";
const CLIENT: &str = "warn";
/// It writes the cluster's cookie at debug level, and calls every end of a link a warning.
const NEVER: &str = "ractor_cluster=error";

/// Starts logging for this process.
pub(super) fn start(is_node: bool) -> Result<(), Failure> {
    let wanted = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.trim().is_empty());
    let default = if is_node { NODE } else { CLIENT };
    let filter = filter(wanted.as_deref().unwrap_or(default))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

fn filter(text: &str) -> Result<EnvFilter, Failure> {
    let filter = EnvFilter::try_new(text)
        .map_err(|error| Failure::usage(format!("RUST_LOG is not valid: {error}")))?;
    let never = NEVER.parse().expect("a constant that parses");
    Ok(filter.add_directive(never))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_never_logged() {
        let shown = filter("trace").unwrap().to_string();
        assert!(shown.contains("ractor_cluster=error"), "{shown}");
        let shown = filter("ractor_cluster=debug,warn").unwrap().to_string();
        assert!(!shown.contains("ractor_cluster=debug"), "{shown}");
        assert!(filter("odeon=nonsense").is_err());
    }
}
