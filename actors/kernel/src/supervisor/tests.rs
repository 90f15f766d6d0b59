use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::*;
use crate::sim::SimClock;
use crate::task::TaskGuard;
use crate::{SharedClock, Slot};

mod groups;
mod lifecycle;

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

enum Do {
    Panic,
    Fail,
    Hang,
    Ping(RpcReplyPort<u32>),
}

impl ractor::Message for Do {}

/// Writes its life into the log, and does as it is told.
struct Puppet {
    name: &'static str,
    log: Log,
    incarnation: u32,
    slow_stop: bool,
}

/// Logs when the state is really gone.
struct PuppetState {
    name: &'static str,
    log: Log,
}

impl Drop for PuppetState {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(format!("~{}", self.name));
    }
}

#[ractor::async_trait]
impl Actor for Puppet {
    type Msg = Do;
    type State = PuppetState;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Do>, (): ()) -> Result<PuppetState, ActorProcessingErr> {
        self.log.lock().unwrap().push(format!("+{}", self.name));
        Ok(PuppetState {
            name: self.name,
            log: self.log.clone(),
        })
    }

    async fn handle(
        &self,
        _: ActorRef<Do>,
        message: Do,
        _: &mut PuppetState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Do::Panic => panic!("told to"),
            Do::Fail => Err("told to fail".into()),
            Do::Hang => std::future::pending().await,
            Do::Ping(reply) => {
                let _ = reply.send(self.incarnation);
                Ok(())
            }
        }
    }

    async fn post_stop(
        &self,
        _: ActorRef<Do>,
        _: &mut PuppetState,
    ) -> Result<(), ActorProcessingErr> {
        if self.slow_stop {
            std::future::pending::<()>().await;
        }
        self.log.lock().unwrap().push(format!("-{}", self.name));
        Ok(())
    }
}

/// Puppets, their slots, and what happened to them.
struct Stage {
    clock: SharedClock,
    log: Log,
    slots: Mutex<HashMap<&'static str, Slot<Do>>>,
    _time: TaskGuard<()>,
}

impl Stage {
    fn new() -> Self {
        let clock = SimClock::default();
        let time = clock.run_by_itself();
        let clock = Arc::new(clock);
        Self {
            clock,
            log: Log::default(),
            slots: Mutex::default(),
            _time: time,
        }
    }

    fn options(&self) -> SupervisorOptions {
        SupervisorOptions::new("root", self.clock.clone())
    }

    fn slot(&self, name: &'static str) -> Slot<Do> {
        let new = || Slot::new(self.clock.clone());
        self.slots
            .lock()
            .unwrap()
            .entry(name)
            .or_insert_with(new)
            .clone()
    }

    fn puppet(&self, name: &'static str, restart: Restart) -> ChildSpec {
        self.puppet_that(name, restart, false)
    }

    fn puppet_that(&self, name: &'static str, restart: Restart, slow_stop: bool) -> ChildSpec {
        let (log, starts) = (self.log.clone(), AtomicU32::new(0));
        ChildSpec::actor(name, restart, &self.slot(name), move || {
            let incarnation = starts.fetch_add(1, Ordering::Relaxed);
            (
                Puppet {
                    name,
                    log: log.clone(),
                    incarnation,
                    slow_stop,
                },
                (),
            )
        })
    }

    fn tell(&self, name: &'static str, what: Do) {
        self.slot(name).cast(what).unwrap();
    }

    /// Waits until incarnation number `wanted` (from 0) answers.
    async fn incarnation(&self, name: &'static str, wanted: u32) {
        let slot = self.slot(name);
        loop {
            match slot.call(Do::Ping, Duration::from_secs(1)).await {
                Ok(now) if now >= wanted => return assert_eq!(now, wanted),
                _ => self.clock.sleep(Duration::from_millis(1)).await,
            }
        }
    }

    fn take_log(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(" ")
    }
}

async fn child(root: &RootSupervisor, name: &str) -> ChildInfo {
    let (children, _) = root.handle().which_children(100).await.unwrap();
    children
        .into_iter()
        .find(|child| &*child.name == name)
        .unwrap()
}

/// Waits until a child is in this state.
async fn until(stage: &Stage, root: &RootSupervisor, name: &str, state: ChildState) {
    while child(root, name).await.state != state {
        stage.clock.sleep(Duration::from_millis(1)).await;
    }
}
