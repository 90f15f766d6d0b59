use std::time::Duration;

use super::*;
use crate::signal::Waiter;

#[tokio::test]
async fn a_watch_reads_the_newest_value_and_waits_for_the_next() {
    let view = View::new(1);
    let mut watch = view.watch();
    assert_eq!(*watch.get(), 1);
    assert!(!watch.has_changed());
    view.publish(2);
    view.publish(3);
    assert!(watch.has_changed());
    assert_eq!(*watch.changed().await.unwrap(), 3);
    assert!(!watch.has_changed());
}

#[tokio::test]
async fn a_watch_taken_later_has_seen_what_was_there() {
    let view = View::new(1);
    view.publish(2);
    let mut watch = view.watch();
    assert_eq!(*watch.get(), 2);
    let wait = tokio::time::timeout(Duration::from_millis(1), watch.changed());
    assert!(wait.await.is_err());
}

#[tokio::test]
async fn an_ended_publisher_closes_its_view_but_leaves_the_last_value() {
    let view = View::new(1);
    let mut watch = view.watch();
    view.publish(2);
    drop(view);
    assert!(watch.is_closed());
    assert_eq!(*watch.get(), 2);
    assert_eq!(*watch.changed().await.unwrap(), 2);
    assert_eq!(watch.changed().await, Err(ViewClosed));
    assert_eq!(watch.wait_for(|value| *value == 9).await, Err(ViewClosed));
}

#[tokio::test]
async fn one_waiter_hears_publications_and_the_end_of_several_views() {
    let (a, b) = (View::new(1), View::new(1));
    let (watch_a, watch_b) = (a.watch(), b.watch());
    let mut waiter = Waiter::new();
    waiter.register(watch_a.signal());
    waiter.register(watch_b.signal());
    b.publish(2);
    waiter.wait().await;
    assert_eq!((*watch_a.get(), *watch_b.get()), (1, 2));
    drop(a);
    waiter.wait().await;
    assert!(watch_a.is_closed());
}

#[tokio::test]
async fn a_fixed_watch_never_closes() {
    let watch = Watch::fixed(7);
    let clone = watch.clone();
    drop(watch);
    assert!(!clone.is_closed());
    assert_eq!(*clone.get(), 7);
}
