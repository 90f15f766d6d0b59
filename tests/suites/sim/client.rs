//! A client: real frames over a stream in memory, each noted in the history.

use bytes::{Bytes, BytesMut};
use odeon::Node;
use odeon_kernel::spawn;
use odeon_protocol::{Request, decode_response};
use odeon_tests::frame_of;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::end::End;
use super::history::{History, digest};

/// Why a client goes no further.
#[derive(Debug)]
pub enum Stop {
    /// The node has gone, or is about to.
    Gone,
    /// The node did what it must not.
    Wrong(String),
}

/// What something that a client does comes to.
pub type Done<T> = Result<T, Stop>;

/// Says that the node did what it must not.
pub fn wrong<T>(what: String) -> Done<T> {
    Err(Stop::Wrong(what))
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    pub name: &'static str,
    stream: DuplexStream,
    end: End,
    history: History,
    correlation_id: i32,
}

impl Client {
    pub fn connect(node: &Node, name: &'static str, end: &End, history: &History) -> Self {
        let (stream, far) = tokio::io::duplex(64 << 10);
        spawn(node.serve(far, name));
        Self {
            name,
            stream,
            end: end.clone(),
            history: history.clone(),
            correlation_id: 0,
        }
    }

    pub async fn send<R: Request>(&mut self, version: i16, request: &R) -> Done<()> {
        self.correlation_id += 1;
        let frame = frame_of(self.correlation_id, version, request);
        if self.end.has_come() {
            return Err(Stop::Gone);
        }
        let (name, sum) = (self.name, digest(&frame));
        self.history
            .note(format!("{name} asks {} {sum:x}", R::NAME));
        let sent = self.stream.write_all(&frame).await;
        sent.map_err(|_| Stop::Gone)
    }

    pub async fn answer<R: Request>(&mut self, version: i16) -> Done<R::Response> {
        let frame = self.read_frame().await.map_err(|_| Stop::Gone)?;
        // What is answered after the power went reaches nobody.
        if self.end.has_come() {
            return Err(Stop::Gone);
        }
        let (name, sum) = (self.name, digest(&frame));
        self.history
            .note(format!("{name} hears {} {sum:x}", R::NAME));
        match decode_response::<R>(frame, version) {
            Ok((_, response)) => Ok(response),
            Err(error) => wrong(format!("{} v{version}: {error}", R::NAME)),
        }
    }

    async fn read_frame(&mut self) -> std::io::Result<Bytes> {
        let length = self.stream.read_i32().await?;
        let mut bytes = BytesMut::zeroed(usize::try_from(length).unwrap());
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes.freeze())
    }

    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> Done<R::Response> {
        self.send(version, request).await?;
        self.answer::<R>(version).await
    }
}
