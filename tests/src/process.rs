//! A node in a process of its own: started from the binary, killed, stopped, started again.
//!
//! The binary is built first, into the target directory that the tests run from, unless
//! `ODEON_BINARY` names one.

// Processes are real, and so are their files and clocks.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod cluster;
mod faults;
mod network;
mod ports;
mod volume;

pub use cluster::{ClusterProcess, Surroundings};
pub use network::{CLIENTS, Network};
pub use ports::free_port_pairs;
use ports::free_ports;
use volume::Mount;
pub use volume::Volume;

/// How long a node may take to be ready.
pub const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a node may take to stop.
pub const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A node's directory, ports and settings, and its process while it runs. Dropping kills it; the
/// directory goes too, unless the test is failing.
#[derive(Debug)]
pub struct NodeProcess {
    id: i32,
    /// As in `controller.quorum.voters`.
    voters: String,
    home: Option<TempDir>,
    place: Place,
    ports: [u16; 2],
    settings: Vec<(String, String)>,
    child: Option<Child>,
    /// Its log directory's file system, if it has one of its own.
    mount: Option<Mount>,
}

/// The machine that a node is on.
#[derive(Debug, Clone)]
struct Place {
    host: Ipv4Addr,
    /// The network namespace, if it is not the test's.
    namespace: Option<String>,
}

impl Place {
    const LOOPBACK: Self = Self {
        host: Ipv4Addr::LOCALHOST,
        namespace: None,
    };
}

/// The target directory that the running test was built into.
///
/// # Panics
/// The test does not run from a target directory.
pub fn target_dir() -> PathBuf {
    let profile = profile_dir();
    profile
        .parent()
        .expect("a profile's directory has a parent")
        .to_owned()
}

fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own file");
    let dir = test
        .ancestors()
        .nth(2)
        .expect("tests lie in target/PROFILE/deps");
    dir.to_owned()
}

/// What a command of the binary says as JSON, or why it fails. It has two minutes.
///
/// # Errors
/// What it says on standard error when it fails.
///
/// # Panics
/// It cannot be started, or succeeds without JSON.
pub fn says(bootstrap: &str, command: &[&str]) -> Result<serde_json::Value, String> {
    let mut process = Command::new("timeout");
    process.arg("120").arg(binary()).args(command);
    process.args(["--json", "-b", bootstrap]);
    let output = process.output().expect("the binary starts");
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{command:?}, {}: {said}", output.status))
        }
    }
}

/// The node's binary, built when first asked for.
///
/// # Panics
/// It does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("ODEON_BINARY") {
            return PathBuf::from(given);
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--package", "odeon", "--target-dir"])
            .arg(target_dir());
        let profile = profile_dir();
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "{cargo:?}: {status}");
        profile.join("odeon")
    })
}

impl NodeProcess {
    /// Starts a node in a new directory, on ports of its own, and waits until it serves.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let ports = free_ports();
        let voters = format!("1@127.0.0.1:{}", ports[1]);
        let mut node = Self::prepare(1, Place::LOOPBACK, ports, voters, settings);
        node.start_again();
        node
    }

    /// A node that does not run yet.
    fn prepare(
        id: i32,
        place: Place,
        ports: [u16; 2],
        voters: String,
        settings: &[(&str, &str)],
    ) -> Self {
        let home = TempDir::with_prefix("odeon-node-").expect("a temporary directory");
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Self {
            id,
            voters,
            home: Some(home),
            place,
            ports,
            settings: settings.iter().map(owned).collect(),
            child: None,
            mount: None,
        }
    }

    /// The node's id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Whether its process runs.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.place.host, self.ports[0]))
    }

    /// The node's directory: its log, its settings, `data`.
    ///
    /// # Panics
    /// Never.
    pub fn home(&self) -> &Path {
        self.home
            .as_ref()
            .expect("there until it is dropped")
            .path()
    }

    /// The log directory.
    pub fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    /// All that the node has logged, over all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home().join("node.log")).unwrap_or_default()
    }

    /// What the node has logged since its log was `before` bytes long.
    pub fn log_since(&self, before: usize) -> String {
        self.log().get(before..).unwrap_or_default().to_owned()
    }

    /// Starts the process again and waits until it serves; how long that took.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&mut self) -> Duration {
        let begun = Instant::now();
        self.launch();
        self.until_ready();
        begun.elapsed()
    }

    /// Waits until the process that was launched serves.
    ///
    /// # Panics
    /// It does not.
    pub fn until_ready(&mut self) {
        let child = self.child.as_mut().expect("the node runs");
        let stdout = child.stdout.take().expect("the output is piped");
        let (said, hear) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            let _ = said.send(read.map(|_| line));
        });
        let line = match hear.recv_timeout(READY_LIMIT) {
            Ok(Ok(line)) => line,
            other => panic!("the node is not ready: {other:?}\n{}", self.tail()),
        };
        let ready: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the node said {line:?}: {error}\n{}", self.tail()));
        let listens = ready["listeners"]["PLAINTEXT"].as_str();
        assert_eq!(listens, Some(&*self.address().to_string()), "{ready}");
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Panics
    /// It runs already, or cannot be started.
    pub fn launch(&mut self) -> &mut Child {
        assert!(self.child.is_none(), "the node runs already");
        let child = self
            .command(self.ports, &[])
            .spawn()
            .expect("the binary starts");
        self.child.insert(child)
    }

    /// The process id.
    ///
    /// # Panics
    /// It does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node runs").id()
    }

    /// Runs a second node that must not start: with these settings laid over this node's, on its
    /// ports or on others. What it said and how it ended.
    ///
    /// # Panics
    /// It starts.
    pub fn rival(&self, same_ports: bool, settings: &[(&str, &str)]) -> Output {
        let ports = if same_ports { self.ports } else { free_ports() };
        let mut command = self.command(ports, settings);
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let begun = Instant::now();
        while child
            .try_wait()
            .expect("a child can be waited for")
            .is_none()
        {
            if begun.elapsed() > READY_LIMIT {
                let _ = child.kill();
                panic!("the second node runs: {:?}", child.wait_with_output());
            }
            thread::sleep(Duration::from_millis(5));
        }
        child
            .wait_with_output()
            .expect("an ended process has an output")
    }

    fn command(&self, ports: [u16; 2], more: &[(&str, &str)]) -> Command {
        let [clients, controllers] = ports;
        let (home, host) = (self.home(), self.place.host);
        let config = home.join(format!("server-{clients}.properties"));
        let mut text = format!(
            "process.roles=broker,controller\nnode.id={}\n\
             controller.quorum.voters={}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://{host}:{clients},CONTROLLER://{host}:{controllers}\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             log.dirs={}\n",
            self.id,
            self.voters,
            self.data().display()
        );
        let settings = self.settings.iter().map(|(key, value)| (&**key, &**value));
        for (key, value) in settings.chain(more.iter().copied()) {
            text.push_str(&format!("{key}={value}\n"));
        }
        fs::write(&config, text).expect("a temporary directory is writable");
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("node.log"));
        let mut command = match &self.place.namespace {
            None => Command::new(binary()),
            Some(namespace) => {
                // It becomes the node's process itself.
                let mut ip = Command::new("ip");
                ip.args(["netns", "exec", namespace]).arg(binary());
                ip
            }
        };
        command
            .args(["start", "--json", "--config"])
            .arg(config)
            .current_dir(home);
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn,odeon=info,openraft=error");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(log.expect("a temporary directory is writable"));
        command
    }

    fn tail(&self) -> String {
        let log = self.log();
        let from = log.len().saturating_sub(4_000);
        let from = log.ceil_char_boundary(from);
        format!("... {}", &log[from..])
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if let Some(mount) = &mut self.mount {
            // Who waits for a blocked disk does not die either.
            let _ = mount.block(false);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(mount) = &mut self.mount
            && thread::panicking()
        {
            mount.keep();
        }
        self.mount = None;
        if thread::panicking()
            && let Some(home) = self.home.take()
        {
            let _ = writeln!(
                io::stderr(),
                "the node's directory is kept: {}",
                home.keep().display()
            );
        }
    }
}

/// Runs another program to its end.
fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {}", said.trim())))
}
