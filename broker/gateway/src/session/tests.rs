use odeon_model::Uuid;

use super::*;

fn wanted(name: &str, partition: i32) -> Wanted {
    Wanted {
        topic: TopicRef {
            name: name.into(),
            id: Uuid::ZERO,
        },
        partition,
        fetch_offset: 0,
        max_bytes: 1,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn request(session_id: i32, session_epoch: i32, wanted: Vec<Wanted>) -> SessionRequest {
    SessionRequest {
        session_id,
        session_epoch,
        uses_ids: false,
        wanted,
        forgotten: Vec::new(),
    }
}

fn sessions(slots: usize) -> FetchSessions {
    FetchSessions::new(slots, 1_000, Rng::from_seed(1))
}

impl FetchSessions {
    /// A plan where a hundred partitions exist.
    fn plan_of(&self, request: SessionRequest, now_ms: i64) -> Result<Plan, ErrorCode> {
        self.plan(request, now_ms, || 100)
    }
}

const TOLD: Told = Told {
    high_watermark: 5,
    last_stable_offset: 5,
    log_start_offset: 0,
    error_code: 0,
};

#[test]
fn an_incremental_fetch_mentions_only_what_changed() {
    let cache = sessions(10);
    let plan = cache.plan_of(
        request(0, INITIAL_EPOCH, vec![wanted("a", 0), wanted("a", 1)]),
        0,
    );
    let plan = plan.unwrap();
    let id = plan.session_id;
    assert_ne!(id, 0);
    let topic = wanted("a", 0).topic;
    assert!(plan.must_tell(&topic, 0, TOLD, false) && plan.must_tell(&topic, 1, TOLD, false));

    let plan = cache.plan_of(request(id, 1, vec![]), 1).unwrap();
    assert_eq!(plan.wanted.len(), 2);
    assert!(!plan.must_tell(&topic, 0, TOLD, false));
    assert!(plan.must_tell(
        &topic,
        1,
        Told {
            high_watermark: 6,
            ..TOLD
        },
        false
    ));
    assert!(plan.must_tell(
        &topic,
        0,
        Told {
            error_code: 3,
            ..TOLD
        },
        false
    ));
    assert!(plan.must_tell(
        &topic,
        0,
        Told {
            error_code: 3,
            ..TOLD
        },
        false
    ));
}

#[test]
fn a_partition_that_returned_records_goes_behind_the_others() {
    let cache = sessions(10);
    let plan = cache
        .plan_of(request(0, 0, vec![wanted("a", 0), wanted("a", 1)]), 0)
        .unwrap();
    plan.must_tell(&wanted("a", 0).topic, 0, TOLD, true);
    let next = cache
        .plan_of(request(plan.session_id, 1, vec![]), 1)
        .unwrap();
    let order: Vec<i32> = next.wanted.iter().map(|wanted| wanted.partition).collect();
    assert_eq!(order, [1, 0]);
}

#[test]
fn a_wrong_epoch_and_an_unknown_session_are_refused() {
    let cache = sessions(10);
    let id = cache
        .plan_of(request(0, 0, vec![wanted("a", 0)]), 0)
        .unwrap()
        .session_id;
    let error = |plan: Result<Plan, ErrorCode>| plan.unwrap_err();
    assert_eq!(
        error(cache.plan_of(request(id, 7, vec![]), 0)),
        ErrorCode::InvalidFetchSessionEpoch
    );
    assert_eq!(
        error(cache.plan_of(request(id ^ 1, 1, vec![]), 0)),
        ErrorCode::FetchSessionIdNotFound
    );
    let by_id = SessionRequest {
        uses_ids: true,
        ..request(id, 1, vec![])
    };
    assert_eq!(
        error(cache.plan_of(by_id, 0)),
        ErrorCode::FetchSessionTopicIdError
    );
}

#[test]
fn a_final_epoch_ends_the_session() {
    let cache = sessions(10);
    let id = cache
        .plan_of(request(0, 0, vec![wanted("a", 0)]), 0)
        .unwrap()
        .session_id;
    assert_eq!(
        cache
            .plan_of(request(id, FINAL_EPOCH, vec![wanted("a", 0)]), 0)
            .unwrap()
            .session_id,
        0
    );
    assert!(cache.is_empty());
}

#[test]
fn a_full_cache_gives_way_to_larger_sessions_and_drops_stale_ones() {
    let cache = sessions(1);
    assert_ne!(
        cache
            .plan_of(request(0, 0, vec![wanted("a", 0)]), 0)
            .unwrap()
            .session_id,
        0
    );
    assert_eq!(
        cache
            .plan_of(request(0, 0, vec![wanted("b", 0)]), 1)
            .unwrap()
            .session_id,
        0
    );
    let larger = vec![wanted("b", 0), wanted("b", 1)];
    assert_ne!(
        cache.plan_of(request(0, 0, larger), 2).unwrap().session_id,
        0
    );
    assert_ne!(
        cache
            .plan_of(request(0, 0, vec![wanted("c", 0)]), EVICTION_MS + 3)
            .unwrap()
            .session_id,
        0
    );
    assert_eq!(cache.len(), 1);
}

#[test]
fn forgotten_partitions_are_not_read_and_an_empty_session_ends() {
    let cache = sessions(10);
    let plan = cache
        .plan_of(request(0, 0, vec![wanted("a", 0), wanted("a", 1)]), 0)
        .unwrap();
    let id = plan.session_id;
    let topic = wanted("a", 0).topic;
    let forget = |epoch, partition| SessionRequest {
        forgotten: vec![(topic.clone(), partition)],
        ..request(id, epoch, vec![])
    };
    assert_eq!(cache.plan_of(forget(1, 0), 0).unwrap().wanted.len(), 1);
    assert_eq!(cache.plan_of(forget(2, 1), 0).unwrap().session_id, 0);
    assert!(cache.is_empty());
}

fn many(name: &str, partitions: i32) -> Vec<Wanted> {
    (0..partitions).map(|index| wanted(name, index)).collect()
}

#[test]
fn a_session_has_no_more_partitions_than_exist() {
    let cache = sessions(10);
    let plan = |request| cache.plan(request, 0, || 3);
    let large = plan(request(0, 0, many("a", 4))).unwrap();
    assert_eq!((large.session_id, large.wanted.len()), (0, 4), "read once");
    let id = plan(request(0, 0, many("a", 2))).unwrap().session_id;
    assert_eq!(plan(request(id, 1, many("a", 3))).unwrap().wanted.len(), 3);
    let grown = plan(request(id, 2, many("b", 1)));
    assert_eq!(grown.unwrap_err(), ErrorCode::FetchSessionIdNotFound);
    assert_eq!(
        (cache.len(), cache.partitions()),
        (0, 0),
        "the client starts anew"
    );
}

#[test]
fn all_sessions_together_have_a_bounded_number_of_partitions() {
    let cache = FetchSessions::new(100, 10, Rng::from_seed(1));
    let begin = |size, now_ms| {
        let plan = cache.plan_of(request(0, 0, many("a", size)), now_ms);
        plan.unwrap().session_id
    };
    let (first, second) = (begin(4, 0), begin(5, 1));
    assert!(first != 0 && second != 0 && cache.partitions() == 9);
    assert_eq!(begin(2, 2), 0, "nothing smaller could go");
    assert_eq!(begin(10, 3).min(1), 1, "both went for a larger one");
    assert_eq!((cache.len(), cache.partitions()), (1, 10));
    assert_eq!(begin(1, 4), 0);
    assert_ne!(begin(1, EVICTION_MS + 4), 0, "a stale one goes");
    assert_eq!((cache.len(), cache.partitions()), (1, 1));
}

#[test]
fn a_session_that_grows_over_the_bound_ends() {
    let cache = FetchSessions::new(100, 10, Rng::from_seed(1));
    let begin = |size| {
        cache
            .plan_of(request(0, 0, many("a", size)), 0)
            .unwrap()
            .session_id
    };
    let (first, second) = (begin(5), begin(5));
    let forgotten = (0..3).map(|index| (wanted("a", 0).topic, index)).collect();
    let shrunk = SessionRequest {
        forgotten,
        ..request(first, 1, many("b", 2))
    };
    assert_eq!(cache.plan_of(shrunk, 0).unwrap().wanted.len(), 4);
    assert_eq!(cache.partitions(), 9);
    let grown = cache.plan_of(request(first, 2, many("c", 2)), 0);
    assert_eq!(grown.unwrap_err(), ErrorCode::FetchSessionIdNotFound);
    assert_eq!((cache.len(), cache.partitions()), (1, 5));
    assert_eq!(
        cache
            .plan_of(request(second, 1, vec![]), 0)
            .unwrap()
            .wanted
            .len(),
        5
    );
}

#[test]
fn without_a_session_every_partition_comes_first_now_and_then() {
    let sessions = sessions(0);
    let mut came_first = [0; 3];
    for _ in 0..300 {
        let partitions = (0..3).map(|partition| wanted("t", partition));
        let request = request(0, FINAL_EPOCH, partitions.collect());
        let plan = sessions.plan_of(request, 0).unwrap();
        came_first[plan.first] += 1;
    }
    assert!(came_first.iter().all(|times| *times > 50), "{came_first:?}");
    let nothing = sessions.plan_of(request(0, FINAL_EPOCH, Vec::new()), 0);
    assert_eq!(nothing.unwrap().first, 0);
}
