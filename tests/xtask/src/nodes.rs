//! One node or three of Apache Kafka, or of ours with the same settings, to measure them side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compat::broker::{CLUSTER_ID, Ports, free_ports, fresh, voters};
use crate::sh::{self, Result};

/// Whose nodes they are.
#[derive(Debug, Clone)]
pub(crate) enum Make {
    /// Apache Kafka's, from its jars.
    Kafka(PathBuf),
    /// Ours, from the binary.
    Odeon(PathBuf),
}

/// Nodes of one cluster, all ended when dropped.
#[derive(Debug)]
pub(crate) struct Nodes {
    folder: PathBuf,
    count: usize,
    /// Where they are, by their ids from 1 on: `host:port,host:port,...`.
    pub(crate) addresses: String,
}

impl Nodes {
    /// Starts a new cluster in a folder of `home`, and waits until every node serves.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(home: &Path, make: &Make, count: usize) -> Result<Self> {
        let nodes = Self::prepare(home, make, count)?;
        let mut starts = Vec::new();
        for id in 1..=count {
            starts.push(nodes.start_command(id).spawn()?);
        }
        for mut start in starts {
            if !start.wait()?.success() {
                let folder = nodes.folder.display();
                return Err(
                    format!("a node of {} did not start, see {folder}", make.name()).into(),
                );
            }
        }
        Ok(nodes)
    }

    /// The same without starting anything.
    pub(crate) fn prepare(home: &Path, make: &Make, count: usize) -> Result<Self> {
        // Never one that was there: for minutes after thousands of files are removed, a file system
        // without a journal is slow to make new ones.
        let folders = (1..).map(|number| home.join(format!("{}-{count}-{number}", make.folder())));
        let mut folders = folders.skip_while(|folder| folder.exists());
        let folder = fresh(&folders.next().ok_or("all numbers are taken")?)?;
        let ports = free_ports(count)?;
        let voters = voters(&ports);
        for (id, own) in (1..).zip(&ports) {
            let path = folder.join(format!("{id}.properties"));
            let own = properties(&folder, id, *own);
            fs::write(path, own + &voters + &replicas(count))?;
        }
        fs::write(folder.join("start"), script(make))?;
        let addresses = ports.iter().map(|[port, ..]| format!("127.0.0.1:{port}"));
        Ok(Self {
            addresses: addresses.collect::<Vec<_>>().join(","),
            folder,
            count,
        })
    }

    /// A file with a node's process id.
    pub(crate) fn pid_file(&self, id: &str) -> String {
        self.folder.join(format!("{id}.pid")).display().to_string()
    }

    /// What starts a node and waits until it serves, for a shell.
    pub(crate) fn start_line(&self, id: &str) -> String {
        format!("cd '{}' && sh ./start {id}", self.folder.display())
    }

    /// The same as a command.
    pub(crate) fn start_command(&self, id: usize) -> Command {
        let mut start = Command::new("sh");
        start.args(["-c", &self.start_line(&id.to_string())]);
        start
    }

    /// The process ids of those that were started.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let files = (1..=self.count).map(|id| self.pid_file(&id.to_string()));
        files
            .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
            .collect()
    }

    /// Whether a node has a folder of a topic's partition, deleted or not.
    ///
    /// # Errors
    /// A data directory cannot be listed.
    pub(crate) fn holds(&self, topic: &str) -> Result<bool> {
        let prefix = format!("{topic}-");
        for id in 1..=self.count {
            for entry in fs::read_dir(self.data(id))? {
                if entry?.file_name().to_string_lossy().starts_with(&prefix) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Where a node keeps its data.
    pub(crate) fn data(&self, id: usize) -> PathBuf {
        self.folder.join(format!("data-{id}"))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for pid in self.pids() {
            let _ = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status();
        }
    }
}

impl Make {
    /// As a person calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "Apache Kafka",
            Self::Odeon(_) => "Odeon",
        }
    }

    fn folder(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka-nodes",
            Self::Odeon(_) => "odeon-nodes",
        }
    }
}

fn properties(folder: &Path, id: i32, [port, controller, ..]: Ports) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         group.initial.rebalance.delay.ms=0\n\
         log.retention.check.interval.ms=10000\n\
         log.segment.delete.delay.ms=100\n\
         log.dirs={}/data-{id}\n",
        folder.display()
    )
}

/// What depends on the number of nodes.
fn replicas(count: usize) -> String {
    let in_sync = count / 2 + 1;
    format!(
        "default.replication.factor={count}\n\
         offsets.topic.replication.factor={count}\n\
         min.insync.replicas={in_sync}\n"
    )
}

/// Sets a node's directory up if it is new, starts it in the background, and waits for its word.
fn script(make: &Make) -> String {
    let (set_up, start, ready) = match make {
        Make::Kafka(jars) => {
            let log4j = sh::root().join("tests/compat/lib/log4j2-server.xml");
            let java = format!(
                "java -XX:+UseG1GC '-Dlog4j2.configurationFile={}' -cp '{}/*'",
                log4j.display(),
                jars.display()
            );
            (
                format!(
                    "{java} kafka.tools.StorageTool format -t {CLUSTER_ID} -c $1.properties > $1.format"
                ),
                format!("{java} -Xms1g -Xmx1g kafka.Kafka $1.properties"),
                "Kafka Server started",
            )
        }
        // It sets its directory up by itself.
        Make::Odeon(binary) => (
            "true".to_owned(),
            format!(
                "'{}' start --config $1.properties --console off --json",
                binary.display()
            ),
            "\"listeners\"",
        ),
    };
    format!(
        "set -e\n\
         [ -d data-$1 ] || {set_up}\n\
         : > $1.log\n\
         ulimit -n $(cat /proc/sys/fs/nr_open) 2> /dev/null || ulimit -n $(ulimit -Hn)\n\
         setsid {start} > $1.log 2>&1 < /dev/null &\n\
         echo $! > $1.pid\n\
         for _ in $(seq 900); do\n\
         \x20 grep -q '{ready}' $1.log && exit 0\n\
         \x20 sleep 0.1\n\
         done\n\
         exit 1\n",
    )
}
