//! What a node answers calls with.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use odeon_kernel::task::catch_panic;
use odeon_model::NodeId;

use crate::{Handler, MeshError};

/// The services of a node, by name.
#[derive(Default)]
pub(crate) struct Services(Mutex<HashMap<&'static str, Handler>>);

impl Services {
    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Handler>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, service: &'static str, handler: Handler) {
        self.lock().insert(service, handler);
    }

    pub(crate) fn unregister(&self, service: &'static str) {
        self.lock().remove(service);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn get(&self, service: &str) -> Option<Handler> {
        self.lock().get(service).cloned()
    }

    /// Runs a service; one that panics has failed.
    pub(crate) async fn run(
        &self,
        from: NodeId,
        service: &str,
        request: Bytes,
    ) -> Result<Bytes, MeshError> {
        let handler = self.get(service);
        let handler = handler.ok_or_else(|| MeshError::UnknownService(service.to_owned()))?;
        let reply = catch_panic(async move { handler(from, request).await }).await;
        reply
            .map_err(MeshError::Failed)?
            .map_err(MeshError::Refused)
    }
}
