//! One connection to one broker: requests are pipelined, answers come back in order.
//!
//! ```text
//! submit ─> writer task ─> socket        a request's waiter enters the queue before its bytes
//!              │ waiters, in order       leave, so the reader always knows whom a frame is for
//!              v
//! wait   <─ reader task <─ socket
//! ```
//!
//! Requests leave in the order of the `submit` calls. An answer that does not come in time ends the
//! connection, for all behind it would wait as well: the callers see the reason and connect anew.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::watch;
use odeon_kernel::{SharedClock, TaskGuard, clock};
use odeon_model::config::HostPort;
use odeon_protocol::{ApiKey, Message, Request, decode_response, encode_request};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::ClientError;

mod io;
mod versions;

pub use versions::BrokerVersions;

/// Most requests of one connection that may wait for their answers.
const MAX_IN_FLIGHT: usize = 1_000;

/// How connections are made and used.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionOptions {
    pub(crate) client_id: Arc<str>,
    pub(crate) clock: SharedClock,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_response_bytes: usize,
}

/// A connection to a broker. Clones are the same connection; it ends with the last of them.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    link: Arc<Link>,
    options: ConnectionOptions,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    next_correlation_id: AtomicI32,
    versions: OnceLock<BrokerVersions>,
    _tasks: [TaskGuard<()>; 2],
}

/// What the handle and the two tasks share.
struct Link {
    address: Arc<str>,
    in_flight: AtomicUsize,
    failure: OnceLock<ClientError>,
    closed: watch::Sender<bool>,
}

impl Link {
    /// Ends the connection; the first reason is the one that callers see.
    fn fail(&self, reason: impl Into<Arc<str>>) {
        let _ = self.failure.set(ClientError::Disconnected {
            address: Arc::clone(&self.address),
            reason: reason.into(),
        });
        self.closed.send_replace(true);
    }

    fn failure(&self) -> ClientError {
        self.failure.get().cloned().unwrap_or(ClientError::Closed)
    }

    async fn closed(&self) {
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

/// A request on its way to the socket.
struct Outgoing {
    segments: Vec<Bytes>,
    waiter: Option<Waiter>,
}

/// Who gets the next frame.
struct Waiter {
    correlation_id: i32,
    answer: oneshot::Sender<Bytes>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.inner.link.address)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects and asks which versions of which APIs the broker has.
    pub(crate) async fn open(
        address: &HostPort,
        options: &ConnectionOptions,
    ) -> Result<Self, ClientError> {
        let name: Arc<str> = address.to_string().into();
        let failed = |reason: String| ClientError::Connect {
            address: Arc::clone(&name),
            reason: reason.into(),
        };
        let dial = TcpStream::connect((address.host.as_str(), address.port));
        let stream = clock::timeout(&*options.clock, options.connect_timeout, dial)
            .await
            .map_err(|_| failed(format!("no answer within {:?}", options.connect_timeout)))?
            .map_err(|error| failed(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| failed(error.to_string()))?;
        let connection = Self::start(stream, name, options);
        let versions = versions::negotiate(&connection).await?;
        let _ = connection.inner.versions.set(versions);
        Ok(connection)
    }

    fn start(stream: TcpStream, address: Arc<str>, options: &ConnectionOptions) -> Self {
        let (read_half, write_half) = stream.into_split();
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (waiters_in, waiters) = mpsc::unbounded_channel();
        let link = Arc::new(Link {
            address,
            in_flight: AtomicUsize::new(0),
            failure: OnceLock::new(),
            closed: watch::Sender::new(false),
        });
        let writer = io::write_requests(write_half, queue, waiters_in, Arc::clone(&link));
        let limit = options.max_response_bytes;
        let reader = io::read_responses(read_half, waiters, limit, Arc::clone(&link));
        Self {
            inner: Arc::new(Inner {
                link,
                options: options.clone(),
                outgoing,
                next_correlation_id: AtomicI32::new(0),
                versions: OnceLock::new(),
                _tasks: [TaskGuard::spawn(writer), TaskGuard::spawn(reader)],
            }),
        }
    }

    /// The broker's address, for people.
    pub fn address(&self) -> &Arc<str> {
        &self.inner.link.address
    }

    /// Whether the connection has ended; requests fail then.
    pub fn is_closed(&self) -> bool {
        self.inner.link.failure.get().is_some()
    }

    /// The APIs and versions of the broker.
    pub fn versions(&self) -> &BrokerVersions {
        self.inner.versions.get_or_init(BrokerVersions::default)
    }

    /// The newest version of `R` that both sides have, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] when there is none.
    pub fn version_up_to<R: Request>(&self, limit: i16) -> Result<i16, ClientError> {
        let ours = R::KEY.stable_versions();
        let newest = limit.min(*ours.end());
        self.versions()
            .choose(R::KEY, *ours.start(), newest)
            .ok_or_else(|| ClientError::Unsupported {
                address: Arc::clone(self.address()),
                api: R::KEY,
            })
    }

    /// Queues a request; it leaves behind those queued before it.
    ///
    /// # Errors
    /// The connection has ended, too many requests wait, or `version` cannot carry the request.
    pub fn submit<R: Request>(&self, request: &R, version: i16) -> Result<Pending<R>, ClientError> {
        let answer = self.submit_frame(request, version)?;
        Ok(Pending {
            answer,
            version,
            connection: self.clone(),
            request: PhantomData,
        })
    }

    /// Queues a request that gets no answer, as `Produce` with acks 0 does.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub fn submit_unanswered<R: Request>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<(), ClientError> {
        let (_, segments) = self.encode(request, version)?;
        self.queue(Outgoing {
            segments,
            waiter: None,
        })
    }

    /// Sends a request in the newest version both sides have, and waits for its answer as long as
    /// the client's request timeout says.
    ///
    /// Cancel safe: the request is not taken back, its answer is ignored.
    ///
    /// # Errors
    /// No common version, no answer in time, a connection that ends, an answer that does not parse.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        let version = self.version_up_to::<R>(i16::MAX)?;
        self.call_at(request, version, self.inner.options.request_timeout)
            .await
    }

    /// As [`Connection::call`], in a version and with a timeout of the caller's choice.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_at<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        self.submit(request, version)?.wait(timeout).await
    }

    fn submit_frame<R: Request>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<oneshot::Receiver<Bytes>, ClientError> {
        let (correlation_id, segments) = self.encode(request, version)?;
        let (answer, receiver) = oneshot::channel();
        let waiter = Some(Waiter {
            correlation_id,
            answer,
        });
        let link = &self.inner.link;
        if link.in_flight.fetch_add(1, Ordering::Relaxed) >= MAX_IN_FLIGHT {
            link.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(ClientError::Disconnected {
                address: Arc::clone(&link.address),
                reason: format!("{MAX_IN_FLIGHT} requests wait for answers already").into(),
            });
        }
        self.queue(Outgoing { segments, waiter })?;
        Ok(receiver)
    }

    fn encode<R: Request>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<(i32, Vec<Bytes>), ClientError> {
        let correlation_id = self
            .inner
            .next_correlation_id
            .fetch_add(1, Ordering::Relaxed);
        let client_id = Some(&*self.inner.options.client_id);
        let segments = encode_request(correlation_id, client_id, version, request)?;
        Ok((correlation_id, segments))
    }

    fn queue(&self, outgoing: Outgoing) -> Result<(), ClientError> {
        if let Some(failure) = self.inner.link.failure.get() {
            return Err(failure.clone());
        }
        let queued = self.inner.outgoing.send(outgoing);
        queued.map_err(|_| self.inner.link.failure())
    }

    async fn wait_frame(
        &self,
        api: ApiKey,
        answer: oneshot::Receiver<Bytes>,
        timeout: Duration,
    ) -> Result<Bytes, ClientError> {
        match clock::timeout(&*self.inner.options.clock, timeout, answer).await {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(_)) => Err(self.inner.link.failure()),
            Err(_) => {
                let what = format!("{api:?} at {}", self.address());
                self.inner
                    .link
                    .fail(format!("no answer to {api:?} in time"));
                Err(ClientError::Timeout {
                    what,
                    timeout_ms: timeout.as_millis(),
                })
            }
        }
    }
}

/// A request that was queued.
#[derive(Debug)]
pub struct Pending<R> {
    answer: oneshot::Receiver<Bytes>,
    version: i16,
    connection: Connection,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Pending<R> {
    /// The version that request and answer are in.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Waits for the answer.
    ///
    /// Cancel safe: the answer is ignored then.
    ///
    /// # Errors
    /// No answer in time, which ends the connection; a connection that ended; an answer that does
    /// not parse.
    pub async fn wait(self, timeout: Duration) -> Result<R::Response, ClientError> {
        let connection = &self.connection;
        let frame = connection.wait_frame(R::KEY, self.answer, timeout).await?;
        match decode_response::<R>(frame, self.version) {
            Ok((_, response)) => Ok(response),
            Err(error) => {
                let link = &connection.inner.link;
                link.fail(format!("{} does not parse", R::Response::NAME));
                Err(ClientError::malformed(&link.address, &error))
            }
        }
    }
}

#[cfg(test)]
mod tests;
