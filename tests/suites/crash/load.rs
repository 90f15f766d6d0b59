//! The load and its judge: a Python process over librdkafka, see `load.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use odeon_tests::process::target_dir;

const CLIENT: &str = "confluent-kafka==2.16.1";

/// A running load. Dropping it ends it.
pub(super) struct Load {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Load {
    /// Makes the topic, with so many replicas and bytes to keep of each partition, and begins to produce
    /// and to consume.
    pub(super) fn start(
        bootstrap: &str,
        partitions: u32,
        replicas: u32,
        retention_bytes: u32,
    ) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/crash/load.py");
        let mut command = Command::new(python());
        command.arg(script).args([bootstrap, "kills"]);
        command.args([partitions, retention_bytes, replicas].map(|number| number.to_string()));
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
