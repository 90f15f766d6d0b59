//! One cluster, whatever happens while it is founded.

use super::*;

mod seeds;

fn standing(node_id: i32) -> Standing {
    Standing {
        node_id,
        directory_id: Uuid([u8::try_from(node_id).unwrap(); 16]),
        cluster_id: None,
        founded: false,
        voters: vec![1, 2, 3],
    }
}

fn formatted(node_id: i32, cluster_id: &str) -> Standing {
    Standing {
        cluster_id: Some(cluster_id.to_owned()),
        ..standing(node_id)
    }
}

fn founded(node_id: i32, cluster_id: &str) -> Standing {
    Standing {
        founded: true,
        voters: Vec::new(),
        ..formatted(node_id, cluster_id)
    }
}

fn round(own: &Standing, others: &[Standing]) -> Verdict {
    let mut answers: BTreeMap<i32, Standing> = others
        .iter()
        .map(|standing| (standing.node_id, standing.clone()))
        .collect();
    if own.voters.contains(&own.node_id) {
        answers.insert(own.node_id, own.clone());
    }
    decide(own, &answers)
}

fn join(cluster_id: &str) -> Verdict {
    Verdict::Join(cluster_id.to_owned())
}

#[test]
fn the_lowest_voter_founds_once_all_have_answered_and_none_has_an_entry() {
    let (one, two, three) = (standing(1), standing(2), standing(3));
    assert_eq!(
        round(&one, std::slice::from_ref(&two)),
        Verdict::Wait(vec![3])
    );
    assert_eq!(
        round(&two, &[one.clone(), three.clone()]),
        Verdict::Wait(vec![])
    );
    assert_eq!(round(&one, &[two.clone(), three]), Verdict::Found(None));
    let given = Verdict::Found(Some("a".into()));
    assert_eq!(round(&one, &[two, formatted(3, "a")]), given);
    assert_eq!(
        round(&formatted(1, "a"), &[standing(2), formatted(3, "a")]),
        given
    );
}

#[test]
fn a_founded_cluster_is_joined_whoever_is_missing() {
    assert_eq!(round(&standing(1), &[founded(3, "a")]), join("a"));
    assert_eq!(
        round(&standing(2), &[standing(1), founded(3, "a")]),
        join("a")
    );
    assert_eq!(round(&formatted(2, "a"), &[founded(1, "a")]), join("a"));
    let observer = Standing {
        node_id: 9,
        ..standing(9)
    };
    assert_eq!(round(&observer, &[standing(1)]), Verdict::Wait(vec![2, 3]));
    assert_eq!(round(&observer, &[founded(2, "a")]), join("a"));
    let all = [standing(1), standing(2), standing(3)];
    assert_eq!(round(&observer, &all), Verdict::Wait(vec![]));
}

#[test]
fn nodes_of_two_clusters_or_two_configurations_do_not_come_together() {
    let conflict = |verdict| assert!(matches!(verdict, Verdict::Conflict(_)), "{verdict:?}");
    conflict(round(&formatted(2, "b"), &[founded(1, "a")]));
    conflict(round(&standing(1), &[founded(2, "a"), founded(3, "b")]));
    conflict(round(&formatted(1, "a"), &[standing(2), formatted(3, "b")]));
    let other = Standing {
        voters: vec![2, 3],
        ..standing(3)
    };
    conflict(round(&standing(1), &[standing(2), other]));
}
