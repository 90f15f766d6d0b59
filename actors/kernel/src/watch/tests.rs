use std::sync::{Arc, Mutex};

use super::*;
use crate::spawn;

#[tokio::test]
async fn a_change_is_seen_once_and_the_last_one_also_after_the_sender_is_gone() {
    let (sender, mut receiver) = channel(1);
    assert_eq!(receiver.has_changed(), Ok(false));
    sender.send_replace(2);
    sender.send_replace(3);
    assert_eq!(receiver.changed().await, Ok(()));
    assert_eq!(*receiver.borrow(), 3);
    assert_eq!(receiver.has_changed(), Ok(false));
    sender.send_replace(4);
    drop(sender);
    assert_eq!(receiver.has_changed(), Err(RecvError));
    assert_eq!(receiver.changed().await, Ok(()));
    assert_eq!(receiver.changed().await, Err(RecvError));
    assert_eq!(*receiver.borrow(), 4);
    assert!(receiver.wait_for(|value| *value == 5).await.is_err());
    assert_eq!(
        receiver.wait_for(|value| *value == 4).await.as_deref(),
        Ok(&4)
    );
}

#[tokio::test]
async fn a_modification_that_is_none_wakes_nobody() {
    let (sender, receiver) = channel(1);
    assert!(!sender.send_if_modified(|_| false));
    assert_eq!(receiver.has_changed(), Ok(false));
    assert_eq!(sender.send(2), Ok(()));
    drop(receiver);
    assert_eq!(sender.send(3), Err(SendError(3)));
    assert_eq!(*sender.borrow(), 2);
}

#[tokio::test]
async fn who_waits_is_woken_in_the_order_of_waiting() {
    for _ in 0..20 {
        let (sender, receiver) = channel(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let (mut receiver, order) = (receiver.clone(), order.clone());
                spawn(async move {
                    receiver.changed().await.unwrap();
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sender.send_replace(1);
        for task in tasks {
            task.await.unwrap();
        }
        assert!(order.lock().unwrap().is_sorted());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_misses_the_last_change() {
    for _ in 0..200 {
        let (sender, receiver) = channel(0);
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let mut receiver = receiver.clone();
                spawn(async move { receiver.wait_for(|value| *value == 20).await.map(drop) })
            })
            .collect();
        for value in 1..=20 {
            sender.send_replace(value);
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}
