//! What is done to a node's process and to its disk.

// Processes are real, and so are their clocks.
#![allow(clippy::disallowed_methods)]

use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::volume::Mount;
use super::{NodeProcess, STOP_LIMIT};

impl NodeProcess {
    fn mounted(&mut self) -> &mut Mount {
        self.mount.as_mut().expect("it has a volume of its own")
    }

    /// Blocks each write to the log directory, or lets them go on.
    ///
    /// # Panics
    /// Its volume is not a blockable one.
    pub fn block_disk(&mut self, block: bool) {
        self.mounted().block(block).expect("it can be frozen");
    }

    /// Takes all the room that is left in the log directory.
    ///
    /// # Panics
    /// Its volume is a shared one.
    pub fn fill_disk(&mut self) {
        self.mounted().fill().expect("it can be filled");
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// It was not taken.
    pub fn free_disk(&mut self) {
        self.mounted().free().expect("it can be freed");
    }

    /// Ends the process with SIGKILL.
    ///
    /// # Panics
    /// It does not run, or has ended by itself.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the node runs");
        let ended = child.try_wait().expect("a child can be waited for");
        assert!(
            ended.is_none(),
            "the node ended by itself: {ended:?}\n{}",
            self.tail()
        );
        child.kill().expect("a running process can be killed");
        child.wait().expect("a killed process ends");
    }

    /// Sends the process a signal (`STOP`, `CONT`).
    ///
    /// # Panics
    /// It does not run.
    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let sent = kill
            .arg(format!("-{signal}"))
            .arg(self.pid().to_string())
            .status();
        assert!(sent.is_ok_and(|sent| sent.success()), "{kill:?}");
    }

    /// Asks the process with a signal to end (`TERM`, `INT`), and waits; how it ended and how
    /// long that took.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn stop(&mut self, signal: &str) -> (ExitStatus, Duration) {
        self.signal(signal);
        let mut child = self.child.take().expect("the node runs");
        let begun = Instant::now();
        while begun.elapsed() < STOP_LIMIT {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return (status, begun.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!(
            "the node did not stop within {STOP_LIMIT:?}\n{}",
            self.tail()
        );
    }

    /// Whether its process ended by itself, and how; it is off then.
    ///
    /// # Panics
    /// It does not run.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut().expect("the node runs");
        let status = child.try_wait().expect("a child can be waited for");
        if status.is_some() {
            self.child = None;
        }
        status
    }
}
