use ractor::{Actor, ActorProcessingErr};

use super::*;
use crate::sim::SimClock;
use crate::task::TaskGuard;

struct Echo;

enum Ask {
    Echo(u32, RpcReplyPort<u32>),
    Forget(RpcReplyPort<u32>),
    Keep(RpcReplyPort<u32>),
}

impl Message for Ask {}

#[ractor::async_trait]
impl Actor for Echo {
    type Msg = Ask;
    type State = Vec<RpcReplyPort<u32>>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Ask>,
        message: Ask,
        kept: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Ask::Echo(number, reply) => drop(reply.send(number)),
            Ask::Forget(reply) => drop(reply),
            Ask::Keep(reply) => kept.push(reply),
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an actor without a supervisor is enough here"
)]
async fn echo() -> ActorRef<Ask> {
    Actor::spawn(None, Echo, ()).await.unwrap().0
}

fn slot() -> (Slot<Ask>, TaskGuard<()>) {
    let clock = SimClock::default();
    let time = clock.run_by_itself();
    (Slot::new(Arc::new(clock)), time)
}

const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_slot_reaches_whoever_is_alive() {
    let (slot, _time) = slot();
    assert_eq!(
        slot.call(|reply| Ask::Echo(1, reply), SHORT).await,
        Err(SlotError::Unavailable)
    );
    let first = echo().await;
    slot.publish(first.clone());
    assert_eq!(slot.call(|reply| Ask::Echo(1, reply), SHORT).await, Ok(1));
    first.stop_and_wait(None, None).await.unwrap();
    assert!(slot.get().is_none());
    slot.publish(echo().await);
    assert_eq!(slot.call(|reply| Ask::Echo(2, reply), SHORT).await, Ok(2));
}

#[tokio::test]
async fn a_call_tells_a_dropped_reply_from_a_late_one() {
    let (slot, _time) = slot();
    slot.publish(echo().await);
    assert_eq!(slot.call(Ask::Forget, SHORT).await, Err(SlotError::NoReply));
    assert_eq!(
        slot.call(Ask::Keep, SHORT).await,
        Err(SlotError::DeadlineExceeded)
    );
}

#[tokio::test]
async fn ready_waits_for_an_incarnation() {
    let (slot, _time) = slot();
    assert_eq!(slot.ready(SHORT).await.unwrap_err(), SlotError::Unavailable);
    let later = slot.clone();
    let publish = crate::spawn(async move { later.publish(echo().await) });
    assert!(slot.ready(SHORT).await.is_ok());
    publish.await.unwrap();
}
