//! The load and its judge: a Python process over librdkafka, see `load.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use odeon_tests::process::target_dir;

const CLIENT: &str = "confluent-kafka==2.16.1";

/// What a load does; the fields are told to `load.py` by their names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) partitions: u32,
    pub(super) replicas: u32,
    /// Bytes to keep of each partition.
    pub(super) retention_bytes: u32,
    /// Records a second, of all producers.
    pub(super) rate: u32,
    /// Whether to count batches that a kill hit in flight.
    pub(super) torn: bool,
    /// Whether producers are as librdkafka makes them, and not in a hurry.
    pub(super) defaults: bool,
    /// How many groups read along.
    pub(super) groups: u32,
}

impl Shape {
    /// Idempotent producers against one node.
    pub(super) const ONE_NODE: Self = Self {
        partitions: 12,
        replicas: 1,
        retention_bytes: 130_000,
        rate: 4_000,
        torn: false,
        defaults: false,
        groups: 0,
    };

    fn json(&self, bootstrap: &str) -> Value {
        serde_json::json!({
            "bootstrap": bootstrap,
            "topic": "kills",
            "partitions": self.partitions,
            "replicas": self.replicas,
            "retention_bytes": self.retention_bytes,
            "rate": self.rate,
            "torn": self.torn,
            "defaults": self.defaults,
            "groups": self.groups,
        })
    }
}

/// A running load. Dropping it ends it.
pub(super) struct Load {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Load {
    /// Makes the topic, and begins to produce and to consume.
    pub(super) fn start(bootstrap: &str, shape: Shape) -> Self {
        Self::script("load.py", &shape.json(bootstrap))
    }

    /// Runs one of the scripts that are here.
    pub(super) fn script(name: &str, shape: &Value) -> Self {
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/crash");
        let mut command = Command::new(python());
        command
            .arg(Path::new(scripts).join(name))
            .arg(shape.to_string());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python runs");
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut load = Self {
            child,
            commands,
            answers,
        };
        load.ask("status");
        load
    }

    /// Sends a command and waits for its answer.
    pub(super) fn ask(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").expect("the load listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the load answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{command}: {line:?}: {error}"))
    }

    /// Ends the load and demands that its judge has nothing to say; the report.
    pub(super) fn finish(mut self) -> Value {
        let report = self.ask("finish");
        assert_eq!(report["fault_count"], 0, "{report}");
        let missed = &report["missed_plants"];
        assert_eq!(*missed, serde_json::json!([]), "the judge is blind");
        assert_eq!(report["produced"], report["acked"], "{report}");
        report
    }

    /// A count of the load's.
    pub(super) fn count(&mut self, name: &str) -> u64 {
        self.ask("status")[name]
            .as_u64()
            .expect("counts are numbers")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python with the client installed, below the target directory; made when first asked for.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = target_dir().join("crash-client");
        let (python, done) = (home.join("bin/python"), home.join(".done"));
        if std::fs::read_to_string(&done).is_ok_and(|made| made == CLIENT) {
            return python;
        }
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&home));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", CLIENT]));
        std::fs::write(done, CLIENT).expect("the target directory is writable");
        python
    })
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "{command:?}: {status:?}"
    );
}
