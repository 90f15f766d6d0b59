//! Connections by address: each is made once, by the first that needs it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use odeon_model::config::HostPort;

use crate::connection::ConnectionOptions;
use crate::{ClientError, Connection};

type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

/// Connections of one purpose. A broker answers a connection's requests one after the other, so
/// what may wait long (a fetch, a join) has a pool of its own.
pub(crate) struct Pool {
    options: ConnectionOptions,
    slots: Mutex<HashMap<HostPort, Slot>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn new(options: ConnectionOptions) -> Self {
        Self {
            options,
            slots: Mutex::default(),
        }
    }

    /// The connection to `address`, made now if there is none that lives.
    ///
    /// Cancel safe.
    pub(crate) async fn get(&self, address: &HostPort) -> Result<Connection, ClientError> {
        let slot = self.slot(address);
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        *slot = None;
        let connection = Connection::open(address, &self.options).await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Any connection that lives.
    pub(crate) fn any_open(&self) -> Option<Connection> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().find_map(|slot| {
            let slot = slot.try_lock().ok()?;
            slot.clone().filter(|connection| !connection.is_closed())
        })
    }

    fn slot(&self, address: &HostPort) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if !slots.contains_key(address) {
            // Addresses of brokers that are gone must not pile up.
            slots.retain(|_, slot| {
                slot.try_lock().map_or(true, |slot| {
                    slot.as_ref().is_some_and(|one| !one.is_closed())
                })
            });
        }
        Arc::clone(slots.entry(address.clone()).or_default())
    }
}
