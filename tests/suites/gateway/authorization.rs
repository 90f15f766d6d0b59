//! Who is asked what, and what a refusal looks like.
//!
//! Every API passes [`Table::row`]: first an authorizer that denies everything, with names that exist and
//! names that do not (the answers must be the same, and nothing may change), then one that allows
//! everything and writes down what it was asked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use odeon_gateway::authorizer::Requester;
use odeon_gateway::dispatch::APIS;
use odeon_gateway::{Authorizer, Operation, Resource, ResourceKind};
use odeon_model::ErrorCode;
use odeon_protocol::{ApiKey, Request};
use odeon_tests::{NodeBuilder, RawConnection, TestNode};

use super::samples::{GROUP, MISSING, TOPIC, World};

mod rows;

/// A question: what to do to what.
type Question = (Operation, ResourceKind, String);

/// Allows everything or nothing, and writes down what it is asked.
#[derive(Debug, Default)]
struct Recorder {
    denies: AtomicBool,
    asked: Mutex<BTreeSet<Question>>,
}

impl Authorizer for Recorder {
    fn allows(
        &self,
        requester: Requester<'_>,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        assert_eq!(
            (requester.principal, requester.host),
            ("User:ANONYMOUS", "127.0.0.1")
        );
        let question = (operation, resource.kind, resource.name.to_owned());
        self.asked.lock().unwrap().insert(question);
        !self.denies.load(Ordering::SeqCst)
    }
}

/// The names that a request is made with.
#[derive(Debug, Clone, Copy)]
struct Names {
    topic: &'static str,
    group: &'static str,
}

const EXISTING: Names = Names {
    topic: TOPIC,
    group: GROUP,
};
const ABSENT: Names = Names {
    topic: MISSING,
    group: "absent",
};

/// A thing that is asked about, with the names of the request to come.
#[derive(Debug, Clone, Copy)]
enum On {
    Topic,
    Group,
    Cluster,
}

/// The node under test and what was covered.
struct Table {
    node: TestNode,
    recorder: Arc<Recorder>,
    connection: RawConnection,
    covered: BTreeSet<ApiKey>,
    failures: Vec<String>,
}

impl Table {
    async fn start() -> Self {
        let recorder = Arc::new(Recorder::default());
        let node = NodeBuilder::default()
            .set("auto.create.topics.enable", "false")
            .authorizer(recorder.clone())
            .start()
            .await;
        World::make(&node).await;
        let connection = node.connect().await;
        Self {
            node,
            recorder,
            connection,
            covered: BTreeSet::new(),
            failures: Vec::new(),
        }
    }

    /// One API: denied, its answer has these codes; allowed, exactly these questions were asked.
    /// What would change something is allowed for names that do not exist only.
    async fn row<R: Request>(
        &mut self,
        (version, changes): (i16, bool),
        make: impl Fn(Names) -> R,
        codes: impl Fn(&R::Response) -> Vec<i16>,
        expected: ErrorCode,
        questions: &[(Operation, On)],
    ) {
        self.covered.insert(R::KEY);
        self.recorder.denies.store(true, Ordering::SeqCst);
        for names in [EXISTING, ABSENT] {
            let answer = self.connection.call(version, &make(names)).await;
            let found: Vec<ErrorCode> = codes(&answer)
                .into_iter()
                .map(ErrorCode::from_code)
                .collect();
            if found.is_empty() || found.iter().any(|code| *code != expected) {
                let problem = format!("{} {names:?}: {found:?}, not {expected:?}", R::NAME);
                self.failures.push(problem);
            }
        }
        let names = if changes { ABSENT } else { EXISTING };
        self.recorder.denies.store(false, Ordering::SeqCst);
        self.recorder.asked.lock().unwrap().clear();
        self.connection.call(version, &make(names)).await;
        let asked = std::mem::take(&mut *self.recorder.asked.lock().unwrap());
        let wanted: BTreeSet<Question> = questions
            .iter()
            .map(|(operation, on)| question(*operation, *on, names))
            .collect();
        if asked != wanted {
            self.failures
                .push(format!("{}: asked {asked:?}, not {wanted:?}", R::NAME));
        }
    }
}

fn question(operation: Operation, on: On, names: Names) -> Question {
    let (kind, name) = match on {
        On::Topic => (ResourceKind::Topic, names.topic),
        On::Group => (ResourceKind::Group, names.group),
        On::Cluster => (ResourceKind::Cluster, "kafka-cluster"),
    };
    (operation, kind, name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_api_asks_the_authorizer_and_refuses_in_its_own_words() {
    let mut table = Table::start().await;
    let image = table.node.node.handle().image.clone();
    let topics = || -> Vec<String> {
        image
            .get()
            .topics()
            .map(|topic| format!("{topic:?}"))
            .collect()
    };
    let before = topics();
    let position = image.get().position().index;

    rows::data(&mut table).await;
    rows::groups(&mut table).await;
    rows::admin(&mut table).await;
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));
    assert_eq!(topics(), before, "nothing that was refused was done");
    assert_eq!(
        rows::end_offset(&mut table).await,
        9,
        "nothing was written, nothing deleted"
    );
    let position_moved = image.get().position().index - position;
    assert!(
        position_moved <= 4,
        "{position_moved} changes of the metadata by refused requests"
    );

    // Last, because it is the one that is allowed to make something.
    rows::creation(&mut table).await;
    assert!(table.failures.is_empty(), "{}", table.failures.join("\n"));

    let free = [ApiKey::ApiVersions, ApiKey::DescribeCluster];
    for (key, _) in APIS.iter().filter(|(key, _)| !free.contains(key)) {
        assert!(table.covered.contains(key), "{} has no row", key.name());
    }
    table.node.stop().await;
}
