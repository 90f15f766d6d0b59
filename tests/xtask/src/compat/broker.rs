//! The broker under test: a node of ours, Apache Kafka, or one that runs already.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::sh::{self, Result};

/// How long a broker may take to start.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How long a broker may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The cluster's id, where Apache Kafka wants one given.
pub(crate) const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A broker or a cluster, and the processes behind it if they are ours; dropping it stops them.
#[derive(Debug)]
pub(crate) struct Broker {
    /// `host:port` for clients.
    pub(crate) bootstrap: String,
    /// What clients call it, for a person.
    pub(crate) name: &'static str,
    /// The directory with the partitions' logs, where it is known.
    pub(crate) data: Option<PathBuf>,
    /// Where its output goes, request log included.
    pub(crate) log: Option<PathBuf>,
    /// What more a suite may be told: its listeners with security protocols.
    pub(crate) environment: Vec<(&'static str, String)>,
    children: Vec<Child>,
}

impl Broker {
    /// One that somebody else has started.
    pub(crate) fn running(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            name: "the broker given",
            data: None,
            log: None,
            environment: Vec::new(),
            children: Vec::new(),
        }
    }

    /// New nodes of ours in a fresh directory, one or a cluster, with their request log on.
    pub(crate) fn odeon(binary: &Path, home: &Path, suite: &str, nodes: usize) -> Result<Self> {
        Self::odeon_on(binary, home, suite, None, nodes)
    }

    /// The same on data that is there already.
    pub(crate) fn odeon_on(
        binary: &Path,
        home: &Path,
        suite: &str,
        data: Option<&Path>,
        nodes: usize,
    ) -> Result<Self> {
        let folder = fresh(&home.join(format!("node-{suite}")))?;
        let ports = free_ports(nodes)?;
        let log = folder.join("node.log");
        let mut broker = Self {
            bootstrap: format!("127.0.0.1:{}", ports[0][0]),
            name: "Odeon",
            data: Some(data.map_or_else(|| folder.join("data1"), Path::to_owned)),
            log: Some(log.clone()),
            environment: vec![("NODES", nodes.to_string())],
            children: Vec::new(),
        };
        let mut more = voters(&ports);
        if nodes > 1 {
            more.push_str(CLUSTER);
        }
        for (id, own) in (1..).zip(&ports) {
            let data = data.map_or_else(|| folder.join(format!("data{id}")), Path::to_owned);
            let more = format!("{more}node.id={id}\nlog.dirs={}\n", data.display());
            let config = write_config(&folder, *own, &more)?;
            let own_config = folder.join(format!("server{id}.properties"));
            fs::rename(config, &own_config)?;
            let mut command = Command::new(binary);
            command.args(["start", "--json", "--request-log", "--console", "off"]);
            command.arg("--config").arg(&own_config);
            command.env("RUST_LOG", "info,openraft=error");
            command.current_dir(&folder).stdin(Stdio::null());
            let log = File::options().create(true).append(true).open(&log)?;
            command.stdout(Stdio::piped()).stderr(log);
            let child = command.spawn();
            let child = child.map_err(|error| format!("{}: {error}", binary.display()))?;
            broker.children.push(child);
        }
        for (child, own) in broker.children.iter_mut().zip(&ports) {
            let stdout = child.stdout.take().ok_or("the node has no output")?;
            until_ready(stdout, own[0], &log)?;
        }
        broker.wait()?;
        Ok(broker)
    }

    /// Apache Kafka, one combined node in a fresh directory, with the same settings.
    pub(crate) fn kafka(home: &Path) -> Result<Self> {
        let jars = kafka_jars(home)?;
        let folder = fresh(&home.join("node-kafka"))?;
        let ports = free_ports(1)?[0];
        let (secure, environment) = secure_listeners(&folder, ports)?;
        let config = write_config(&folder, ports, &(secure + KAFKA_ONLY))?;
        let log4j = sh::root().join("tests/compat/lib/log4j2-server.xml");
        let java = |class: &str| {
            let mut java = Command::new("java");
            java.args(["-Xmx700m", "-XX:+UseG1GC"]).current_dir(&folder);
            java.arg(format!("-Dlog4j2.configurationFile={}", log4j.display()));
            java.arg("-cp").arg(jars.join("*")).arg(class);
            java
        };
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&config);
        sh::run(format.stdout(File::create(folder.join("format.log"))?))?;
        let log = folder.join("node.log");
        let mut command = java("kafka.Kafka");
        command.arg(&config).stdin(Stdio::null());
        command
            .stdout(File::create(&log)?)
            .stderr(File::create(folder.join("node.err"))?);
        let broker = Self {
            bootstrap: format!("127.0.0.1:{}", ports[0]),
            name: "Apache Kafka",
            data: Some(folder.join("data")),
            log: Some(log),
            environment,
            children: vec![command.spawn()?],
        };
        broker.wait()?;
        Ok(broker)
    }

    /// The keys of the APIs that the broker says it serves.
    pub(crate) fn advertised(&self) -> Result<BTreeSet<i16>> {
        let mut stream = TcpStream::connect(&self.bootstrap)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        // ApiVersions, version 0: length, key, version, correlation id, a null client id.
        stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff])?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        let mut body = vec![0; length.min(1 << 16)];
        stream.read_exact(&mut body)?;
        // Correlation id, error code, count; then key, minimum, maximum.
        let entries = body.get(10..).unwrap_or_default().chunks_exact(6);
        Ok(entries
            .map(|entry| i16::from_be_bytes([entry[0], entry[1]]))
            .collect())
    }

    /// Stops the processes as a person would, one after the other; says what was wrong with that, if
    /// anything.
    pub(crate) fn stop(mut self) -> Option<String> {
        let children = std::mem::take(&mut self.children);
        children.into_iter().filter_map(stop).next_back()
    }

    /// Ends the process with SIGKILL.
    pub(crate) fn kill(self) {
        // Dropping does it.
    }

    fn wait(&self) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        while self.advertised().is_err() {
            if Instant::now() > end {
                let log = self.log.as_deref().unwrap_or(Path::new("its log"));
                return Err(format!("{} did not start, see {}", self.name, log.display()).into());
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn stop(mut child: Child) -> Option<String> {
    if let Ok(Some(status)) = child.try_wait() {
        return Some(format!("the node ended by itself: {status}"));
    }
    let asked = Command::new("kill").arg(child.id().to_string()).status();
    let end = Instant::now() + STOP_LIMIT;
    while asked.is_ok() && Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return None,
            Ok(Some(status)) => return Some(format!("the node stopped with {status}")),
            _ => sleep(Duration::from_millis(50)),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Some(format!("the node did not stop within {STOP_LIMIT:?}"))
}

/// Waits for a node's word that it serves, on the port it was told.
fn until_ready(stdout: ChildStdout, port: u16, log: &Path) -> Result<()> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let ready: serde_json::Value = serde_json::from_str(&line)
        .map_err(|error| format!("the node said '{line}': {error}; see {}", log.display()))?;
    if ready["listeners"]["PLAINTEXT"].as_str() != Some(&format!("127.0.0.1:{port}")) {
        return Err(format!("the node listens on {ready}, not on port {port}").into());
    }
    Ok(())
}

/// The line of a properties file that names all of them.
pub(crate) fn voters(ports: &[Ports]) -> String {
    let voters = (1..)
        .zip(ports)
        .map(|(id, [_, controller, ..])| format!("{id}@127.0.0.1:{controller}"));
    let voters: Vec<String> = voters.collect();
    format!("controller.quorum.voters={}\n", voters.join(","))
}

/// Fetches Kafka's broker and tools through Maven, unless they are there.
pub(crate) fn kafka_jars(home: &Path) -> Result<PathBuf> {
    let libs = home.join("kafka/libs");
    let done = libs.join(".done");
    if !done.exists() {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy-dependencies", "-f"]);
        maven.arg(sh::root().join("tests/compat/lib/kafka-pom.xml"));
        maven.arg(format!("-DoutputDirectory={}", libs.display()));
        sh::run(&mut maven)?;
        File::create(done)?;
    }
    Ok(libs)
}

pub(crate) fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.to_owned())
}

/// The ports of a node: for clients, for the controller, for SASL, for TLS.
pub(crate) type Ports = [u16; 4];

/// For each node, ports that nobody uses.
pub(crate) fn free_ports(nodes: usize) -> Result<Vec<Ports>> {
    let mut ports = vec![[0; 4]; nodes];
    // Held until all are known, so that none comes twice.
    let mut holders = Vec::new();
    for port in ports.iter_mut().flatten() {
        let holder = TcpListener::bind("127.0.0.1:0")?;
        *port = holder.local_addr()?.port();
        holders.push(holder);
    }
    Ok(ports)
}

/// Listeners with SASL and with TLS for Apache Kafka, and what the suites are told of them.
fn secure_listeners(
    folder: &Path,
    [port, controller, sasl, tls]: Ports,
) -> Result<(String, Vec<(&'static str, String)>)> {
    let store = folder.join("keystore.p12");
    let authority = folder.join("ca.pem");
    let keytool = |arguments: &[&str]| {
        let mut keytool = Command::new("keytool");
        keytool.args(arguments).arg("-keystore").arg(&store);
        keytool.args(["-storepass", "changeit", "-alias", "b"]);
        sh::run(keytool.stdout(Stdio::null()).stderr(Stdio::null()))
    };
    keytool(&[
        "-genkeypair",
        "-keyalg",
        "RSA",
        "-dname",
        "CN=localhost",
        "-ext",
        "san=dns:localhost,ip:127.0.0.1",
        "-validity",
        "30",
        "-storetype",
        "PKCS12",
    ])?;
    keytool(&[
        "-exportcert",
        "-rfc",
        "-file",
        &authority.display().to_string(),
    ])?;
    let clients =
        format!("PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}");
    let text = format!(
        "listeners={clients},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners={clients}\n\
         ssl.keystore.location={}\n{SECURE}",
        store.display()
    );
    let environment = vec![
        ("SASL", format!("127.0.0.1:{sasl}")),
        ("SSL", format!("127.0.0.1:{tls}")),
        ("CA", authority.display().to_string()),
    ];
    Ok((text, environment))
}

/// What suites want of a broker, in the words of Kafka's server.properties.
fn write_config(folder: &Path, [port, controller, ..]: Ports, more: &str) -> Result<PathBuf> {
    let path = folder.join("server.properties");
    let text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         log.dirs={}\n{SETTINGS}{more}",
        folder.join("data").display()
    );
    fs::write(&path, text)?;
    Ok(path)
}

const SETTINGS: &str = "\
num.partitions=4
auto.create.topics.enable=true
delete.topic.enable=true
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
";

/// What is different with three nodes.
const CLUSTER: &str = "\
offsets.topic.replication.factor=3
default.replication.factor=3
";

/// A later line of a properties file takes the place of an earlier one.
const SECURE: &str = "\
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,SSL:SSL
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";
ssl.keystore.password=changeit
ssl.keystore.type=PKCS12
delegation.token.secret.key=compat
";

/// What Odeon does not serve yet, so that a suite's whole count is Kafka's.
const KAFKA_ONLY: &str = "\
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.coordinator.rebalance.protocols=classic,consumer,streams,share
group.share.enable=true
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
log.cleaner.dedupe.buffer.size=16000000
";
