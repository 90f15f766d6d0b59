//! A Java producer at its defaults, with acks=all: when it was acknowledged what.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Records a second.
const RATE: &str = "100";

/// Kafka's `VerifiableProducer` in a process of its own. Dropping it kills it.
pub struct Java {
    child: Child,
    acked: Arc<Mutex<Vec<Instant>>>,
}

impl Java {
    /// Starts it if `ODEON_FAILOVER_JAVA` says where Kafka's classes are.
    ///
    /// # Panics
    /// It does not start.
    pub fn from_environment(bootstrap: &str, topic: &str) -> Option<Self> {
        let classes = std::env::var_os("ODEON_FAILOVER_JAVA")?;
        let mut java = Command::new("java");
        java.args(["-Xmx200m", "-cp"]).arg(classes);
        java.args(["org.apache.kafka.tools.VerifiableProducer", "--topic"]);
        java.args([topic, "--throughput", RATE, "--acks", "-1"]);
        java.args(["--bootstrap-server", bootstrap]);
        java.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = java.spawn().expect("java");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let acked = Arc::new(Mutex::new(Vec::new()));
        let told = acked.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("producer_send_success") {
                    told.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Instant::now());
                }
            }
        });
        Some(Self { child, acked })
    }

    /// The longest that nothing was acknowledged, from shortly before `since` until it was again;
    /// `None` while it is not.
    pub fn longest_silence(&self, since: Instant) -> Option<Duration> {
        let acked = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        let first = acked.partition_point(|at| *at < since).checked_sub(1)?;
        let pairs = acked.get(first..)?.windows(2);
        pairs.map(|pair| pair[1] - pair[0]).max()
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
