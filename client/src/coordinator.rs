//! A group's coordinator: found, asked, and found again when it has moved.

use std::sync::Arc;
use std::time::Duration;

use odeon_model::ErrorCode;
use odeon_model::config::HostPort;
use odeon_protocol::Request;

use crate::pool::Pool;
use crate::retry::Deadline;
use crate::{Client, ClientError, Connection};

/// The way to the coordinator of one group.
#[derive(Debug, Clone)]
pub(crate) struct Coordinator {
    pub(crate) client: Client,
    pub(crate) group: Arc<str>,
    pool: Arc<Pool>,
    address: Option<HostPort>,
}

impl Coordinator {
    pub(crate) fn new(client: Client, group: &str) -> Self {
        Self {
            pool: Arc::new(client.new_pool()),
            client,
            group: group.into(),
            address: None,
        }
    }

    /// A connection to the coordinator.
    pub(crate) async fn connection(&mut self) -> Result<Connection, ClientError> {
        let address = match &self.address {
            Some(address) => address.clone(),
            None => {
                let found = self.client.find_group_coordinator(&self.group).await?;
                self.address.insert(found).clone()
            }
        };
        let connection = self.pool.get(&address).await;
        connection.inspect_err(|_| self.address = None)
    }

    /// The coordinator is another broker by now, perhaps.
    pub(crate) fn forget(&mut self) {
        self.address = None;
    }

    /// Asks the coordinator, again while it moves, loads or cannot be reached. `request` makes the
    /// request for a version of at most `newest`; `code` finds the code in the answer, which is the
    /// caller's to judge unless it is about the coordinator.
    pub(crate) async fn call<R: Request>(
        &mut self,
        newest: i16,
        timeout: Duration,
        request: impl Fn(i16) -> R,
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        let deadline = Deadline::after(self.client.clock(), self.client.config().api_timeout);
        let mut backoff = self.client.backoff();
        loop {
            let result = self.call_once(newest, timeout, &request).await;
            let error = match result {
                Ok(response) => match moved(code(&response)) {
                    None => return Ok(response),
                    Some(code) => {
                        let what = format!("ask the coordinator of group '{}'", self.group);
                        ClientError::refused(what, code.code(), None)
                    }
                },
                Err(error) => error,
            };
            self.forget();
            let retriable = error.is_retriable();
            if !retriable || !self.client.pause(&mut backoff, &deadline).await {
                return Err(error);
            }
        }
    }

    async fn call_once<R: Request>(
        &mut self,
        newest: i16,
        timeout: Duration,
        request: impl Fn(i16) -> R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.connection().await?;
        let version = connection.version_up_to::<R>(newest)?;
        connection
            .call_at(&request(version), version, timeout)
            .await
    }
}

/// The codes that say: ask again, perhaps elsewhere.
fn moved(code: i16) -> Option<ErrorCode> {
    let code = ErrorCode::from_code(code);
    matches!(
        code,
        ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
    )
    .then_some(code)
}
