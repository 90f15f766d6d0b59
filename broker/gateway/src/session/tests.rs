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
    FetchSessions::new(slots, Rng::from_seed(1))
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
    let plan = cache.plan(
        request(0, INITIAL_EPOCH, vec![wanted("a", 0), wanted("a", 1)]),
        0,
    );
    let plan = plan.unwrap();
    let id = plan.session_id;
    assert_ne!(id, 0);
    let topic = wanted("a", 0).topic;
    assert!(plan.must_tell(&topic, 0, TOLD, false) && plan.must_tell(&topic, 1, TOLD, false));

    let plan = cache.plan(request(id, 1, vec![]), 1).unwrap();
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
        .plan(request(0, 0, vec![wanted("a", 0), wanted("a", 1)]), 0)
        .unwrap();
    plan.must_tell(&wanted("a", 0).topic, 0, TOLD, true);
    let next = cache.plan(request(plan.session_id, 1, vec![]), 1).unwrap();
    let order: Vec<i32> = next.wanted.iter().map(|wanted| wanted.partition).collect();
    assert_eq!(order, [1, 0]);
}

#[test]
fn a_wrong_epoch_and_an_unknown_session_are_refused() {
    let cache = sessions(10);
    let id = cache
        .plan(request(0, 0, vec![wanted("a", 0)]), 0)
        .unwrap()
        .session_id;
    let error = |plan: Result<Plan, ErrorCode>| plan.unwrap_err();
    assert_eq!(
        error(cache.plan(request(id, 7, vec![]), 0)),
        ErrorCode::InvalidFetchSessionEpoch
    );
    assert_eq!(
        error(cache.plan(request(id ^ 1, 1, vec![]), 0)),
        ErrorCode::FetchSessionIdNotFound
    );
    let by_id = SessionRequest {
        uses_ids: true,
        ..request(id, 1, vec![])
    };
    assert_eq!(
        error(cache.plan(by_id, 0)),
        ErrorCode::FetchSessionTopicIdError
    );
}

#[test]
fn a_final_epoch_ends_the_session() {
    let cache = sessions(10);
    let id = cache
        .plan(request(0, 0, vec![wanted("a", 0)]), 0)
        .unwrap()
        .session_id;
    assert_eq!(
        cache
            .plan(request(id, FINAL_EPOCH, vec![wanted("a", 0)]), 0)
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
            .plan(request(0, 0, vec![wanted("a", 0)]), 0)
            .unwrap()
            .session_id,
        0
    );
    assert_eq!(
        cache
            .plan(request(0, 0, vec![wanted("b", 0)]), 1)
            .unwrap()
            .session_id,
        0
    );
    let larger = vec![wanted("b", 0), wanted("b", 1)];
    assert_ne!(cache.plan(request(0, 0, larger), 2).unwrap().session_id, 0);
    assert_ne!(
        cache
            .plan(request(0, 0, vec![wanted("c", 0)]), EVICTION_MS + 3)
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
        .plan(request(0, 0, vec![wanted("a", 0), wanted("a", 1)]), 0)
        .unwrap();
    let id = plan.session_id;
    let topic = wanted("a", 0).topic;
    let forget = |epoch, partition| SessionRequest {
        forgotten: vec![(topic.clone(), partition)],
        ..request(id, epoch, vec![])
    };
    assert_eq!(cache.plan(forget(1, 0), 0).unwrap().wanted.len(), 1);
    assert_eq!(cache.plan(forget(2, 1), 0).unwrap().session_id, 0);
    assert!(cache.is_empty());
}
