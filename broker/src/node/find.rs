//! Finding the voters by the addresses of some of them: `controller.quorum.bootstrap.servers`.

use std::time::Duration;

use odeon_client::{Client, ClientConfig};
use odeon_kernel::SharedClock;
use odeon_model::config::{BrokerConfig, Voter};

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(3);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Attempts between two lines in the log.
const ATTEMPTS_A_WORD: u64 = 50;

/// Whether a node has to ask who votes: it is not told, and is none that could be alone.
pub(super) fn must_ask(config: &BrokerConfig) -> bool {
    let quorum = &config.quorum;
    // A controller's only bootstrap server is itself: so Kafka's file for one node has it.
    let joins = !config.roles.controller || quorum.auto_join || quorum.bootstrap_servers.len() > 1;
    quorum.voters.is_empty() && !quorum.bootstrap_servers.is_empty() && joins
}

/// Asks the bootstrap servers who votes, for as long as it takes. Any node of the cluster may answer.
pub(super) async fn voters(config: &BrokerConfig, clock: &SharedClock) -> Vec<Voter> {
    let mut attempts: u64 = 0;
    loop {
        match ask(config, clock).await {
            Ok(voters) if !voters.is_empty() => {
                tracing::info!(?voters, "found the voters");
                return voters;
            }
            outcome => {
                attempts += 1;
                if attempts % ATTEMPTS_A_WORD == 1 {
                    let servers = &config.quorum.bootstrap_servers;
                    tracing::warn!(
                        ?servers,
                        ?outcome,
                        "waiting for a node that knows the voters"
                    );
                }
            }
        }
        clock.sleep(PAUSE).await;
    }
}

async fn ask(
    config: &BrokerConfig,
    clock: &SharedClock,
) -> Result<Vec<Voter>, odeon_client::ClientError> {
    let mut client = ClientConfig::new(config.quorum.bootstrap_servers.clone());
    client.client_id = format!("node-{}", config.node_id);
    client.clock = clock.clone();
    client.connect_timeout = LIMIT;
    client.request_timeout = LIMIT;
    client.api_timeout = LIMIT;
    let client = Client::with_config(client).await?;
    let quorum = client.admin().quorum().await?;
    let known = quorum.addresses.into_iter();
    Ok(known.map(|(id, address)| Voter { id, address }).collect())
}
