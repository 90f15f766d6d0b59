//! Three nodes of Apache Kafka, to measure beside ours.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compat::broker::{CLUSTER_ID, fresh, kafka_jars};
use crate::sh::{self, Result};

/// A cluster of Apache Kafka, ended when dropped.
#[derive(Debug)]
pub(crate) struct Kafka {
    folder: PathBuf,
    /// Where its nodes are, by their ids from 1 on: `host:port,host:port,...`.
    pub(crate) addresses: String,
}

impl Kafka {
    /// Starts a new cluster in `home`, where Kafka's classes are too or are fetched to.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(home: &Path) -> Result<Self> {
        let jars = kafka_jars(home)?;
        let folder = fresh(&home.join("kafka-nodes"))?;
        let mut holders = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..6 {
            let holder = TcpListener::bind("127.0.0.1:0")?;
            ports.push(holder.local_addr()?.port());
            holders.push(holder);
        }
        drop(holders);
        let pairs: Vec<[u16; 2]> = ports.chunks_exact(2).map(|two| [two[0], two[1]]).collect();
        let voters = (1..)
            .zip(&pairs)
            .map(|(id, [_, controller])| format!("{id}@127.0.0.1:{controller}"));
        let voters = voters.collect::<Vec<_>>().join(",");
        for (id, pair) in (1..).zip(&pairs) {
            let path = folder.join(format!("{id}.properties"));
            fs::write(path, properties(&folder, id, *pair, &voters))?;
        }
        fs::write(folder.join("start"), script(&jars))?;
        let addresses = pairs.iter().map(|[port, _]| format!("127.0.0.1:{port}"));
        let kafka = Self {
            addresses: addresses.collect::<Vec<_>>().join(","),
            folder,
        };
        let mut starts = Vec::new();
        for id in 1..=3 {
            let mut start = Command::new("sh");
            starts.push(
                start
                    .args(["-c", &kafka.start_command(&id.to_string())])
                    .spawn()?,
            );
        }
        for mut start in starts {
            if !start.wait()?.success() {
                let folder = kafka.folder.display();
                return Err(format!("a node of Apache Kafka did not start, see {folder}").into());
            }
        }
        Ok(kafka)
    }

    /// A file with a node's process id.
    pub(crate) fn pid_file(&self, id: &str) -> String {
        self.folder.join(format!("{id}.pid")).display().to_string()
    }

    /// What starts a node and waits until it serves.
    pub(crate) fn start_command(&self, id: &str) -> String {
        format!("cd '{}' && sh ./start {id}", self.folder.display())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        for id in 1..=3 {
            if let Ok(pid) = fs::read_to_string(self.pid_file(&id.to_string())) {
                let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
            }
        }
    }
}

fn properties(folder: &Path, id: i32, [port, controller]: [u16; 2], voters: &str) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.quorum.voters={voters}\n\
         offsets.topic.replication.factor=3\n\
         min.insync.replicas=2\n\
         group.initial.rebalance.delay.ms=0\n\
         log.dirs={}/data-{id}\n",
        folder.display()
    )
}

/// Formats a node's directory if it is new, starts it in the background, and waits for its word.
fn script(jars: &Path) -> String {
    let log4j = sh::root().join("tests/compat/lib/log4j2-server.xml");
    let java = format!(
        "java -XX:+UseG1GC '-Dlog4j2.configurationFile={}' -cp '{}/*'",
        log4j.display(),
        jars.display()
    );
    format!(
        "set -e\n\
         [ -d data-$1 ] || {java} kafka.tools.StorageTool format -t {CLUSTER_ID} -c $1.properties > $1.format\n\
         : > $1.log\n\
         setsid {java} -Xms1g -Xmx1g kafka.Kafka $1.properties > $1.log 2>&1 < /dev/null &\n\
         echo $! > $1.pid\n\
         for _ in $(seq 900); do\n\
         \x20 grep -q 'Kafka Server started' $1.log && exit 0\n\
         \x20 sleep 0.1\n\
         done\n\
         exit 1\n",
    )
}
