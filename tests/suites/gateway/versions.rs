//! Every advertised API in every advertised version.

use std::collections::{BTreeMap, BTreeSet};

use odeon_protocol::ApiKey;
use odeon_protocol::messages::ApiVersionsRequest;
use odeon_tests::TestNode;
use odeon_tests::raw::{ANSWER_LIMIT, Reply};

use super::samples::{self, World};

mod content;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_in_every_version_is_answered_in_that_version() {
    let node = TestNode::start().await;
    let world = World::make(&node).await;
    let mut failures = Vec::new();
    let mut sent: BTreeMap<ApiKey, BTreeSet<i16>> = BTreeMap::new();
    let mut connection = node.connect().await;
    for sample in samples::all(&world) {
        sent.entry(sample.key).or_default().insert(sample.version);
        connection.send_bytes(&sample.frame).await;
        let problem = match connection.receive(ANSWER_LIMIT).await {
            Reply::Frame(frame) => (sample.decode)(frame, sample.version).err(),
            other => {
                connection = node.connect().await;
                Some(format!("{other:?}"))
            }
        };
        failures.extend(problem.map(|problem| format!("{sample}: {problem}")));
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );

    let advertised = connection.call(0, &ApiVersionsRequest::default()).await;
    for api in advertised.api_keys {
        let key = ApiKey::from_code(api.api_key).expect("a known key");
        // Versions 0 to 2 of Produce are advertised for librdkafka's sake and refused.
        let first = if key == ApiKey::Produce {
            3
        } else {
            api.min_version
        };
        let expected: BTreeSet<i16> = (first..=api.max_version).collect();
        assert_eq!(
            sent.get(&key),
            Some(&expected),
            "{} is sampled in other versions",
            key.name()
        );
    }
    node.stop().await;
}
