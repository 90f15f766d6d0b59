//! Any bytes from a client to a node that runs, through the connection's state machine, the
//! decoders and the handlers. A panic anywhere in the node is found.
//!
//! An input is requests one behind the other, each as key, version, length of the body (`u16`) and
//! body; frame and header are made here, so that more than the header's checks is reached. A key
//! with [`RAW`] set sends its body as it is.
#![no_main]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use odeon_gateway::authorizer::{Authorizer, Operation, Requester, Resource, ResourceKind};
use odeon_gateway::connection::{ConnectionLimits, serve};
use odeon_gateway::context::Peer;
use odeon_protocol::ApiKey;
use odeon_tests::{NodeBuilder, TestNode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const RAW: i16 = 0x4000;
/// How long a client waits for its answers; what waits longer is cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// Lets no client make things that stay: an input must not depend on the ones before it, and
/// memory that grows is then a leak.
#[derive(Debug)]
struct Bounded;

/// The node's own topics are there, strangers come.
static BOUNDED: AtomicBool = AtomicBool::new(false);

impl Authorizer for Bounded {
    fn allows(&self, _: Requester<'_>, operation: Operation, resource: Resource<'_>) -> bool {
        if !BOUNDED.load(Ordering::Relaxed) {
            return true;
        }
        match resource.kind {
            ResourceKind::Group => resource.name.len() <= 1,
            _ => !matches!(
                operation,
                Operation::Create
                    | Operation::Delete
                    | Operation::Alter
                    | Operation::AlterConfigs
                    | Operation::IdempotentWrite
            ),
        }
    }
}

static NODE: LazyLock<(Runtime, TestNode)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let node = runtime.block_on(async {
        let settings = [
            ("auto.create.topics.enable", "false"),
            ("group.max.size", "3"),
            ("group.min.session.timeout.ms", "1"),
            ("group.max.session.timeout.ms", "100"),
            ("log.retention.bytes", "1048576"),
            ("log.segment.bytes", "1048576"),
        ];
        let mut node = NodeBuilder::default().authorizer(Arc::new(Bounded));
        for (key, value) in settings {
            node = node.set(key, value);
        }
        let node = node.start().await;
        node.create_topic("plain", 2, &[]).await;
        node.create_group_coordinators().await;
        BOUNDED.store(true, Ordering::Relaxed);
        node
    });
    (runtime, node)
});

fuzz_target!(|data: &[u8]| {
    let (runtime, node) = &*NODE;
    let (bytes, requests) = frames(data);
    runtime.block_on(talk(node, bytes, requests));
});

/// Sends the bytes and goes when every request has its answer: one that goes earlier cancels those
/// that wait for an actor.
async fn talk(node: &TestNode, bytes: Vec<u8>, requests: usize) {
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let peer = Peer {
        principal: "User:ANONYMOUS".to_owned(),
        host: "127.0.0.1".to_owned(),
        listener: "PLAINTEXT".into(),
        security_protocol: "PLAINTEXT".into(),
    };
    let limits = ConnectionLimits {
        frame_bytes: 1 << 20,
        in_flight_bytes: 1 << 20,
        in_flight_requests: 8,
        idle: Duration::from_secs(1),
    };
    let serving = serve(server, node.node.gateway().clone(), peer, limits);
    let talking = async move {
        let _ = client.write_all(&bytes).await;
        for _ in 0..requests {
            let Ok(length) = client.read_u32().await else {
                break;
            };
            let mut answer = (&mut client).take(length.into());
            let _ = tokio::io::copy(&mut answer, &mut tokio::io::sink()).await;
        }
    };
    let _ = timeout(PATIENCE, async { tokio::join!(serving, talking) }).await;
}

/// What is sent, and how many requests that is.
fn frames(mut data: &[u8]) -> (Vec<u8>, usize) {
    let (mut sent, mut requests) = (Vec::new(), 0);
    while let Some((head, rest)) = data.split_first_chunk::<6>() {
        let key = i16::from_be_bytes([head[0], head[1]]);
        let version = i16::from_be_bytes([head[2], head[3]]);
        let length = usize::from(u16::from_be_bytes([head[4], head[5]])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        data = rest;
        if key & RAW != 0 {
            sent.extend_from_slice(body);
            continue;
        }
        requests += 1;
        let flexible =
            ApiKey::from_code(key).is_some_and(|api| api.request_header_version(version) >= 2);
        // Correlation id 7, client id "f", no tagged fields.
        let header: &[u8] = if flexible {
            &[0, 0, 0, 7, 0, 1, b'f', 0]
        } else {
            &[0, 0, 0, 7, 0, 1, b'f']
        };
        let size = 4 + header.len() + body.len();
        sent.extend_from_slice(&i32::try_from(size).unwrap_or(i32::MAX).to_be_bytes());
        sent.extend_from_slice(&head[..4]);
        sent.extend_from_slice(header);
        sent.extend_from_slice(body);
    }
    (sent, requests)
}
