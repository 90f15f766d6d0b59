use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;

type Pending = Pin<Box<dyn Future<Output = Permit>>>;

fn poll(future: &mut Pending) -> Option<Permit> {
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

fn acquire(budget: &ByteBudget, bytes: u64) -> Pending {
    let budget = budget.clone();
    Box::pin(async move { budget.acquire(bytes).await })
}

#[test]
fn an_oversize_request_is_admitted_alone() {
    let budget = ByteBudget::new(10);
    let small = budget.try_acquire(1).unwrap();
    let mut large = acquire(&budget, 1_000);
    assert!(poll(&mut large).is_none());
    drop(small);
    let permit = poll(&mut large).unwrap();
    assert_eq!(permit.bytes(), 1_000);
    assert!(budget.try_acquire(1).is_none());
    drop(permit);
    assert_eq!(budget.available_bytes(), 10);
}

#[test]
fn a_small_request_does_not_overtake_a_large_one() {
    let budget = ByteBudget::new(10);
    let held = budget.try_acquire(5).unwrap();
    let (mut large, mut small) = (acquire(&budget, 8), acquire(&budget, 1));
    assert!(poll(&mut large).is_none());
    assert!(poll(&mut small).is_none());
    assert!(budget.try_acquire(1).is_none());
    drop(held);
    assert!(
        poll(&mut small).is_some(),
        "2 of 10 are left beside the large one"
    );
    assert!(poll(&mut large).is_some());
}

#[test]
fn who_gives_up_gives_everything_back() {
    let node = ByteBudget::new(10);
    let connection = node.child(8);
    let held = node.try_acquire(9).unwrap();
    let mut waiting = acquire(&connection, 4);
    assert!(poll(&mut waiting).is_none());
    assert_eq!(connection.available_bytes(), 4);
    drop(waiting);
    assert_eq!(connection.available_bytes(), 8);
    assert_eq!(node.available_bytes(), 1);
    drop(held);
    assert_eq!(node.available_bytes(), 10);
}

#[test]
fn a_child_is_bounded_by_itself_and_by_its_parent() {
    let node = ByteBudget::new(10);
    let (a, b) = (node.child(8), node.child(8));
    let of_a = a.try_acquire(8).unwrap();
    assert!(a.try_acquire(1).is_none());
    assert!(b.try_acquire(3).is_none());
    assert_eq!(
        b.available_bytes(),
        8,
        "a refusal by the parent leaves the child as it was"
    );
    let of_b = b.try_acquire(2).unwrap();
    drop((of_a, of_b));
    assert_eq!(node.available_bytes(), 10);
}

#[test]
fn a_permit_shrinks_to_what_is_still_needed() {
    let budget = ByteBudget::new(10);
    let mut permit = budget.try_acquire(100).unwrap();
    permit.shrink_to(50);
    assert_eq!(budget.available_bytes(), 0);
    permit.shrink_to(4);
    assert_eq!((permit.bytes(), budget.available_bytes()), (4, 6));
    permit.shrink_to(9);
    assert_eq!(permit.bytes(), 4);
}

#[tokio::test]
async fn growers_that_hold_everything_do_not_block_each_other() {
    let budget = ByteBudget::new(10);
    let (mut a, mut b) = (budget.acquire(5).await, budget.acquire(5).await);
    assert!(!a.try_grow(1));
    a.grow(20).await;
    a.grow(20).await;
    assert_eq!(a.bytes(), 45);
    let growing = crate::spawn(async move {
        b.grow(3).await;
        b
    });
    drop(a);
    let b = growing.await.unwrap();
    assert_eq!(b.bytes(), 8);
    drop(b);
    assert_eq!(budget.available_bytes(), 10);
    assert_eq!(budget.inner.overdraft.available_permits(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u64),
    GiveUp(usize),
    Release(usize),
    Try(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..25u64).prop_map(Step::Ask),
        (0..8usize).prop_map(Step::GiveUp),
        (0..8usize).prop_map(Step::Release),
        (0..25u64).prop_map(Step::Try),
    ]
}

proptest! {
    /// Whatever happens: the sum of what is held fits, or one holds it alone; admission is in
    /// order; and all comes back.
    #[test]
    fn a_budget_is_never_exceeded_and_never_leaks(steps in prop::collection::vec(step(), 1..60)) {
        let budget = ByteBudget::new(10);
        let mut waiting: VecDeque<Pending> = VecDeque::new();
        let mut held: Vec<Permit> = Vec::new();
        for step in steps {
            match step {
                Step::Ask(bytes) => waiting.push_back(acquire(&budget, bytes)),
                Step::GiveUp(index) => drop(waiting.remove(index)),
                Step::Release(index) if index < held.len() => drop(held.swap_remove(index)),
                Step::Release(_) => {}
                Step::Try(bytes) => held.extend(budget.try_acquire(bytes)),
            }
            // Poll in order, as woken tasks would be: nobody is admitted behind one that waits.
            let mut blocked = false;
            let mut still = VecDeque::new();
            for mut one in waiting.drain(..) {
                match poll(&mut one) {
                    Some(permit) => {
                        prop_assert!(!blocked || permit.bytes() == 0);
                        held.push(permit);
                    }
                    None => {
                        blocked = true;
                        still.push_back(one);
                    }
                }
            }
            waiting = still;
            let sum: u64 = held.iter().map(|permit| permit.bytes().min(10)).sum();
            prop_assert!(sum <= 10, "{sum} bytes are out");
        }
        drop(waiting);
        drop(held);
        prop_assert_eq!(budget.available_bytes(), 10);
    }
}
