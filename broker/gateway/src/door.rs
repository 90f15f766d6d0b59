//! A socket that more than Kafka's clients come to: connections of another kind are known by their
//! first bytes and given away before a [`Listener`](crate::Listener) sees them.
//!
//! It is open from the start, also while the listener still makes clients wait: other nodes must
//! be heard before this one can serve.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use odeon_kernel::clock::timeout;
use odeon_kernel::{SharedClock, TaskGuard, spawn};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, mpsc};

/// Connections that have not said what they are; more wait in the socket's queue.
const UNSORTED_MAX: usize = 256;
/// Clients that wait for the listener.
const CLIENTS_MAX: usize = 4096;
/// Whoever says nothing for so long is taken for a client.
const SILENCE: Duration = Duration::from_secs(1);

/// Takes over the connections that begin with its preamble.
pub trait Takeover: Send + Sync + Debug + 'static {
    /// How its connections begin. The first byte must not begin a Kafka frame: its highest bit is
    /// set.
    fn preamble(&self) -> [u8; 8];

    /// Takes over a connection; the preamble has been read. Returns at once.
    fn take(&self, stream: TcpStream);
}

/// The clients that are left. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    clients: Arc<Mutex<mpsc::Receiver<(TcpStream, SocketAddr)>>>,
    _sorting: Arc<TaskGuard<()>>,
}

impl Door {
    /// Opens it on the current runtime.
    pub(crate) fn open(
        socket: std::net::TcpListener,
        takeover: Arc<dyn Takeover>,
        clock: SharedClock,
    ) -> io::Result<Self> {
        let socket = TcpListener::from_std(socket)?;
        let (sender, clients) = mpsc::channel(CLIENTS_MAX);
        let sorting = TaskGuard::spawn(sort_all(socket, takeover, clock, sender));
        Ok(Self {
            clients: Arc::new(Mutex::new(clients)),
            _sorting: Arc::new(sorting),
        })
    }

    /// The next client. Cancel safe.
    pub(crate) async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let client = self.clients.lock().await.recv().await;
        client.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

type Clients = mpsc::Sender<(TcpStream, SocketAddr)>;

async fn sort_all(
    socket: TcpListener,
    takeover: Arc<dyn Takeover>,
    clock: SharedClock,
    clients: Clients,
) {
    let places = Arc::new(Semaphore::new(UNSORTED_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match socket.accept().await {
            Ok((stream, address)) => {
                let (takeover, clients) = (Arc::clone(&takeover), clients.clone());
                let clock = clock.clone();
                spawn(async move {
                    if let Some(stream) = sort(stream, &*takeover, clock).await {
                        // Without a listener there is nobody to serve it.
                        drop(clients.send((stream, address)).await);
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                clock.sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Gives a connection away or gives it back.
async fn sort(
    mut stream: TcpStream,
    takeover: &dyn Takeover,
    clock: SharedClock,
) -> Option<TcpStream> {
    let preamble = takeover.preamble();
    let mut first = [0; 1];
    match timeout(&*clock, SILENCE, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[..] == preamble[..1] => {}
        Ok(Ok(0) | Err(_)) => return None,
        _ => return Some(stream),
    }
    // No client begins so: what is not the preamble now is nothing that anybody understands.
    let mut begin = [0; 8];
    let read = timeout(&*clock, SILENCE, stream.read_exact(&mut begin)).await;
    if matches!(read, Ok(Ok(_))) && begin == preamble {
        takeover.take(stream);
    }
    None
}
