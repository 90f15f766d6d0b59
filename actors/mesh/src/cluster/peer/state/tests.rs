use super::*;

const HERE: &str = "host:9092";

/// The state of node 2 about node `peer`, which is reached at `HERE`, and its first dial.
fn told(peer: NodeId) -> PeerState {
    let mut state = PeerState::new(2, peer);
    assert_eq!(
        state.on(Event::Learned(HERE.into())),
        [dial(1, Purpose::Link)]
    );
    state
}

fn dial(attempt: u64, purpose: Purpose) -> Action {
    let address = HERE.to_owned();
    Action::Dial {
        attempt,
        address,
        purpose,
    }
}

fn later(attempt: u64, failures: u32) -> Action {
    Action::Later { attempt, failures }
}

/// A link that this node has dialled, up: life 7, connection 70.
fn up(peer: NodeId) -> PeerState {
    let mut state = told(peer);
    let linked = Event::Dialled(1, Dialled::Linked(7, 70));
    assert_eq!(state.on(linked), [Action::Admit(70)]);
    assert_eq!(
        state.on(Event::Ready(70)),
        [Action::Tell(LinkEvent::Up(peer, 7))]
    );
    state
}

#[test]
fn a_refusal_where_the_node_has_answered_proves_its_death_once() {
    let mut state = up(3);
    let lost = [
        Action::Close(70),
        Action::Tell(LinkEvent::Down(3, 7)),
        dial(2, Purpose::Link),
    ];
    assert_eq!(state.on(Event::Broken(70)), lost);
    assert_eq!(state.on(Event::Gone(70)), []);
    let refused = |attempt| Event::Dialled(attempt, Dialled::Refused);
    let dead = [Action::Tell(LinkEvent::Dead(3, 7)), later(2, 0)];
    assert_eq!(state.on(refused(2)), dead);
    assert_eq!(state.on(Event::Due(2)), [dial(3, Purpose::Link)]);
    assert_eq!(state.on(refused(3)), [later(3, 1)]);
}

#[test]
fn a_refusal_where_the_node_was_never_seen_proves_nothing() {
    let mut state = PeerState::new(2, 3);
    assert_eq!(state.on(Event::Offered(70, 7)), [Action::Admit(70)]);
    assert_eq!(
        state.on(Event::Ready(70)),
        [Action::Tell(LinkEvent::Up(3, 7))]
    );
    assert_eq!(
        state.on(Event::Learned(HERE.into())),
        [dial(1, Purpose::Probe)]
    );
    // Not even while the link is there.
    assert_eq!(state.on(Event::Dialled(1, Dialled::Refused)), [later(1, 0)]);
    let lost = state.on(Event::Broken(70));
    assert!(lost.contains(&dial(2, Purpose::Link)), "{lost:?}");
    assert_eq!(state.on(Event::Dialled(2, Dialled::Refused)), [later(2, 1)]);
}

#[test]
fn whoever_was_dialled_probes_the_address_and_can_then_prove_a_death() {
    let mut state = told(1);
    assert_eq!(
        state.on(Event::Offered(70, 7)),
        [Action::Abort, Action::Admit(70)]
    );
    let up = [Action::Tell(LinkEvent::Up(1, 7)), dial(2, Purpose::Probe)];
    assert_eq!(state.on(Event::Ready(70)), up);
    state.on(Event::Dialled(2, Dialled::Declined(7)));
    assert!(state.is_seen());
    state.on(Event::Broken(70));
    let refused = state.on(Event::Dialled(3, Dialled::Refused));
    assert_eq!(refused, [Action::Tell(LinkEvent::Dead(1, 7)), later(3, 1)]);
}

#[test]
fn another_life_that_answers_or_dials_proves_the_death_of_the_earlier() {
    let mut answers = up(3);
    answers.on(Event::Broken(70));
    answers.on(Event::Gone(70));
    let linked = answers.on(Event::Dialled(2, Dialled::Linked(8, 80)));
    assert_eq!(
        linked,
        [Action::Tell(LinkEvent::Dead(3, 7)), Action::Admit(80)]
    );

    let mut dials = up(3);
    // The old link is not known to be lost: it is, and must be gone before the new one begins.
    let taken = [
        Action::Close(70),
        Action::Tell(LinkEvent::Down(3, 7)),
        Action::Tell(LinkEvent::Dead(3, 7)),
    ];
    assert_eq!(dials.on(Event::Offered(80, 8)), taken);
    assert_eq!(dials.on(Event::Broken(70)), []);
    assert_eq!(dials.on(Event::Gone(70)), [Action::Admit(80)]);
    let up = dials.on(Event::Ready(80));
    assert_eq!(up.first(), Some(&Action::Tell(LinkEvent::Up(3, 8))));
}

#[test]
fn of_two_dials_at_once_the_lower_ids_counts() {
    let mut lower = told(3);
    lower.on(Event::Connected(1));
    assert_eq!(lower.on(Event::Offered(60, 7)), [Action::Refuse(60)]);
    assert_eq!(
        lower.on(Event::Dialled(1, Dialled::Linked(7, 70))),
        [Action::Admit(70)]
    );

    let mut higher = told(1);
    higher.on(Event::Connected(1));
    assert_eq!(
        higher.on(Event::Offered(70, 7)),
        [Action::Abort, Action::Admit(70)]
    );
    // What its own dial brings nevertheless is not kept.
    assert_eq!(
        higher.on(Event::Dialled(1, Dialled::Linked(7, 60))),
        [Action::Close(60)]
    );
}

#[test]
fn a_dial_that_reaches_nobody_does_not_keep_the_other_from_dialling() {
    let mut lower = told(3);
    assert_eq!(
        lower.on(Event::Offered(60, 7)),
        [Action::Abort, Action::Admit(60)]
    );
}

#[test]
fn a_connection_of_the_same_life_replaces_a_link_that_its_other_end_has_lost() {
    let mut state = up(3);
    let replaced = [Action::Close(70), Action::Tell(LinkEvent::Down(3, 7))];
    assert_eq!(state.on(Event::Offered(71, 7)), replaced);
    assert_eq!(state.on(Event::Gone(70)), [Action::Admit(71)]);
    let up = state.on(Event::Ready(71));
    assert_eq!(up.first(), Some(&Action::Tell(LinkEvent::Up(3, 7))));
}

#[test]
fn a_connection_that_does_not_become_ready_is_given_up() {
    let mut state = told(3);
    state.on(Event::Dialled(1, Dialled::Linked(7, 70)));
    assert_eq!(
        state.on(Event::Expired(70)),
        [Action::Close(70), later(1, 0)]
    );
    // A session that is never let go of does not block the next for ever.
    assert_eq!(state.on(Event::Due(1)), [dial(2, Purpose::Link)]);
    assert_eq!(state.on(Event::Dialled(2, Dialled::Linked(7, 71))), []);
    assert_eq!(state.on(Event::Expired(70)), [Action::Admit(71)]);
}

#[test]
fn a_lost_link_is_told_once_and_old_news_change_nothing() {
    let mut state = up(3);
    state.on(Event::Broken(70));
    for event in [
        Event::Broken(70),
        Event::Gone(70),
        Event::Ready(70),
        Event::Expired(70),
    ] {
        assert_eq!(state.on(event), []);
    }
    assert_eq!(
        state.on(Event::Dialled(1, Dialled::Refused)),
        [],
        "an old dial"
    );
}

#[test]
fn a_life_taken_for_dead_may_come_back() {
    let mut state = up(3);
    state.on(Event::Broken(70));
    state.on(Event::Gone(70));
    state.on(Event::Dialled(2, Dialled::Refused));
    assert_eq!(state.on(Event::Offered(72, 7)), [Action::Admit(72)]);
    let up = state.on(Event::Ready(72));
    assert_eq!(up.first(), Some(&Action::Tell(LinkEvent::Up(3, 7))));
}
