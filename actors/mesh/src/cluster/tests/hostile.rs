//! What strangers and broken peers can do to a node: nothing.

use std::time::Duration;

use bytes::Bytes;
use odeon_kernel::clock::timeout;
use odeon_kernel::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::proxy::{Proxy, SECRET};
use crate::cluster::handshake::{self, HandshakeError, Hello, PREAMBLE, Purpose};
use crate::cluster::{ClusterError, ClusterMesh, ClusterOptions, Secret};
use crate::{LinkEvent, Mesh, MeshError};

const AT_ANY_PORT: &str = "127.0.0.1:0";
const LONG: Duration = Duration::from_secs(30);

/// Two nodes that know each other.
async fn pair(secret_of_two: &str) -> (Proxy, Proxy) {
    let one = Proxy::start(1, 11, AT_ANY_PORT, SECRET).await;
    let two = Proxy::start(2, 22, AT_ANY_PORT, secret_of_two).await;
    one.learn(2, &two.address);
    two.learn(1, &one.address);
    (one, two)
}

async fn ping(from: &Proxy, to: i32) -> Result<Bytes, MeshError> {
    from.call(to, "ping", Bytes::from_static(b"x"), LONG).await
}

/// The test itself as a node, up to the verdict.
async fn shake(
    with: &Proxy,
    secret: &str,
    hello: &Hello,
) -> (TcpStream, Result<handshake::Answered, HandshakeError>) {
    let mut stream = TcpStream::connect(&with.address).await.unwrap();
    let answered = handshake::dial(&mut stream, &Secret::new(secret.as_bytes()), hello).await;
    (stream, answered)
}

fn hello(node: i32, cluster: &str, purpose: Purpose) -> Hello {
    Hello::new(node, 99, cluster.to_owned(), purpose)
}

#[tokio::test]
async fn a_node_with_another_secret_is_refused() {
    let (one, two) = pair("another-secret-of-16").await;
    let hello = hello(9, "", Purpose::Link);
    let (_, answered) = shake(&one, "another-secret-of-16", &hello).await;
    let refused = answered.expect_err("the secret is wrong");
    assert!(
        matches!(refused, HandshakeError::RefusedByStranger(_)),
        "{refused:?}"
    );
    // Each has tried: the one that knows the secret was answered nothing it could believe.
    assert_eq!(ping(&one, 2).await, Err(MeshError::Unreachable(2)));
    assert_eq!(ping(&two, 1).await, Err(MeshError::Unreachable(1)));
}

#[tokio::test]
async fn a_node_of_another_cluster_and_one_with_an_id_in_use_are_refused() {
    let one = Proxy::start(1, 11, AT_ANY_PORT, SECRET).await;
    let (_, answered) = shake(&one, SECRET, &hello(1, "", Purpose::Link)).await;
    let refused = answered
        .unwrap()
        .refused
        .expect("it is not the node's own life");
    assert!(refused.contains("node 1 is here"), "{refused}");
    one.set_cluster("ours").await;
    let (_, answered) = shake(&one, SECRET, &hello(9, "theirs", Purpose::Link)).await;
    let refused = answered.unwrap().refused.expect("it is another cluster's");
    assert!(refused.contains("the cluster here is ours"), "{refused}");
    for known in ["ours", ""] {
        let (_, answered) = shake(&one, SECRET, &hello(9, known, Purpose::Probe)).await;
        let answered = answered.unwrap();
        assert_eq!(answered.refused.as_deref(), Some("it was a probe"));
        assert_eq!((answered.peer.node, answered.peer.incarnation), (1, 11));
    }
}

#[tokio::test]
async fn silent_connections_block_nobody() {
    let one = Proxy::start(1, 11, AT_ANY_PORT, SECRET).await;
    let mut silent = Vec::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(&one.address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(&PREAMBLE).await.unwrap();
        }
        silent.push(stream);
    }
    let two = Proxy::start(2, 22, AT_ANY_PORT, SECRET).await;
    two.learn(1, &one.address);
    two.linked(1, 11).await;
    ping(&two, 1).await.unwrap();
    // And each of them is ended in time.
    for stream in &mut silent {
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        let ended = timeout(&SystemClock::new(), LONG, end).await;
        drop(ended.expect("it is not kept"));
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn garbage_on_the_port_harms_nothing() {
    let (one, two) = pair(SECRET).await;
    two.linked(1, 11).await;
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xf5Odeon\0\x02 a later version",
        b"\xf5Odeon\0\x01\xff\xff too long",
        b"\xf5Odeon\0\x01\x00\x05\xc1\xc1\xc1\xc1\xc1",
        b"\0\0\0\x10\0\x12\0\0 a Kafka frame",
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(&one.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        let ended = timeout(&SystemClock::new(), LONG, end).await;
        drop(ended.expect("it is not kept"));
    }
    ping(&one, 2).await.unwrap();
    ping(&two, 1).await.unwrap();
}

#[tokio::test]
async fn a_frame_beyond_the_limit_ends_its_own_link_only() {
    let (one, two) = pair(SECRET).await;
    two.linked(1, 11).await;
    let mut events = one.links();
    assert_eq!(events.recv().await, Some(LinkEvent::Up(2, 22)));
    let (mut stream, answered) = shake(&one, SECRET, &hello(9, "", Purpose::Link)).await;
    assert_eq!(answered.unwrap().refused, None);
    stream.write_all(&u64::MAX.to_be_bytes()).await.unwrap();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    ping(&one, 2).await.unwrap();
    ping(&two, 1).await.unwrap();
    assert!(events.try_recv().is_err(), "the other link goes on");
}

#[tokio::test]
async fn a_peer_that_stops_is_told_lost_but_not_dead_until_it_dies() {
    let (one, two) = pair(SECRET).await;
    two.linked(1, 11).await;
    one.linked(2, 22).await;
    let mut events = one.links();
    assert_eq!(events.recv().await, Some(LinkEvent::Up(2, 22)));
    let clock = SystemClock::new();
    let before = clock.monotonic();
    two.signal("STOP").await;
    assert_eq!(events.recv().await, Some(LinkEvent::Down(2, 22)));
    let took = clock.monotonic() - before;
    assert!(took < Duration::from_secs(10), "{took:?}");
    two.signal("CONT").await;
    assert_eq!(events.recv().await, Some(LinkEvent::Up(2, 22)));
    ping(&one, 2).await.unwrap();
    two.kill().await;
    assert_eq!(events.recv().await, Some(LinkEvent::Down(2, 22)));
    assert_eq!(events.recv().await, Some(LinkEvent::Dead(2, 22)));
}

#[tokio::test]
async fn both_ends_of_a_link_find_out_that_the_other_has_died() {
    for (dies, other) in [(1, 2), (2, 1)] {
        let (one, two) = pair(SECRET).await;
        one.linked(2, 22).await;
        two.linked(1, 11).await;
        let (dying, observer) = if dies == 1 { (one, two) } else { (two, one) };
        assert_eq!(observer.node_id(), other);
        // The probe of whoever was dialled: without it, it could not know.
        observer.probed(&dying).await;
        let mut events = observer.links();
        let life = dying.incarnation();
        assert_eq!(events.recv().await, Some(LinkEvent::Up(dies, life)));
        dying.kill().await;
        assert_eq!(events.recv().await, Some(LinkEvent::Down(dies, life)));
        assert_eq!(events.recv().await, Some(LinkEvent::Dead(dies, life)));
    }
}

#[tokio::test]
async fn a_process_has_one_mesh_only() {
    let start = || {
        let options = ClusterOptions::new(1, 1, Secret::new(SECRET.as_bytes()));
        ClusterMesh::start(std::sync::Arc::new(SystemClock::new()), options)
    };
    let mesh = start().await.unwrap();
    let again = start().await.expect_err("it is the second");
    assert!(matches!(again, ClusterError::OneNodeOnly), "{again:?}");
    assert!(again.to_string().contains("one node only"), "{again}");
    drop(mesh);
}
