//! A Kafka connection without opinions: it sends any request in any version, or any bytes, and
//! says what came back.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use odeon_protocol::{DecodeError, Request, decode_response, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a test waits for an answer before it fails.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The client id of every request.
pub const CLIENT_ID: &str = "odeon-tests";

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A frame, without its length.
    Frame(Bytes),
    /// The node closed the connection.
    Closed,
    /// Nothing within the time.
    Silence,
}

/// One connection.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    correlation_id: i32,
}

/// The bytes of a request, length included.
///
/// # Panics
/// The version cannot carry the request.
pub fn frame_of<R: Request>(correlation_id: i32, version: i16, request: &R) -> Vec<u8> {
    let segments = encode_request(correlation_id, Some(CLIENT_ID), version, request);
    let segments = segments.unwrap_or_else(|e| panic!("{} v{version}: {e}", R::NAME));
    segments.concat()
}

impl RawConnection {
    /// Connects.
    ///
    /// # Panics
    /// Nobody listens.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the node listens");
        stream.set_nodelay(true).expect("a socket has options");
        Self {
            stream,
            correlation_id: 0,
        }
    }

    /// The client's end.
    ///
    /// # Panics
    /// The socket is gone.
    pub fn local_address(&self) -> SocketAddr {
        self.stream
            .local_addr()
            .expect("a connected socket has an address")
    }

    /// Sends bytes as they are. A connection that the node closed swallows them.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Sends a request and returns its correlation id.
    ///
    /// # Panics
    /// The version cannot carry the request.
    pub async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation_id += 1;
        let frame = frame_of(self.correlation_id, version, request);
        self.send_bytes(&frame).await;
        self.correlation_id
    }

    /// Closes this end for writing: the node reads the end of the stream.
    pub async fn finish_sending(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next frame, the end, or silence.
    pub async fn receive(&mut self, limit: Duration) -> Reply {
        timeout(limit, self.read_frame())
            .await
            .unwrap_or(Reply::Silence)
    }

    async fn read_frame(&mut self) -> Reply {
        let Ok(length) = self.stream.read_i32().await else {
            return Reply::Closed;
        };
        let length = usize::try_from(length).expect("the length of a response is not negative");
        let mut bytes = BytesMut::zeroed(length);
        match self.stream.read_exact(&mut bytes).await {
            Ok(_) => Reply::Frame(bytes.freeze()),
            Err(_) => Reply::Closed,
        }
    }

    /// The next response, which must be `R`'s in this version.
    ///
    /// # Errors
    /// What came instead, in words.
    pub async fn try_answer<R: Request>(
        &mut self,
        version: i16,
    ) -> Result<(i32, R::Response), String> {
        match self.receive(ANSWER_LIMIT).await {
            Reply::Frame(frame) => decode::<R>(frame, version)
                .map_err(|error| format!("{} v{version}: {error}", R::NAME)),
            other => Err(format!("{} v{version}: {other:?}", R::NAME)),
        }
    }

    /// The next response, which must be `R`'s in this version, and its correlation id.
    ///
    /// # Panics
    /// Something else came.
    pub async fn answer<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        self.try_answer::<R>(version)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a request and awaits its answer.
    ///
    /// # Panics
    /// No answer, another's, or one that does not decode.
    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (correlation_id, response) = self.answer::<R>(version).await;
        assert_eq!(correlation_id, sent, "the answer to another request");
        response
    }

    /// As [`RawConnection::call`], for a failure that is counted instead of fatal.
    ///
    /// # Errors
    /// What came instead of the answer.
    pub async fn try_call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, String> {
        self.send(version, request).await;
        Ok(self.try_answer::<R>(version).await?.1)
    }

    /// Whether the node closes the connection, without any further frame.
    pub async fn is_closed_by_node(&mut self) -> bool {
        self.receive(ANSWER_LIMIT).await == Reply::Closed
    }

    /// The socket.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

fn decode<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let (header, response) = decode_response::<R>(frame, version)?;
    Ok((header.correlation_id, response))
}
