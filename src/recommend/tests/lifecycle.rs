//! From Learning to Stable, and from one owner to the next.

use std::time::Duration;

use super::support::{at, cluster, print, programs, window};
use crate::evaluate::Programs;
use crate::recommend::{Config, Recommendation, Recommender, Status};

const DB: &str = "egress cart-* -> wep data/db-* tcp/5432";
const BOTH: &str = "egress cart-* -> wep data/db-* tcp/5432
                    egress cart-* -> wep data/db-* tcp/9187";

fn nothing_enforced() -> Programs {
    programs(Vec::new(), Vec::new(), cluster())
}

/// Observes windows that end at these seconds; returns what was published, with the second.
fn run(recommender: &mut Recommender, windows: &[(i64, &str)]) -> Vec<(i64, Recommendation)> {
    let programs = nothing_enforced();
    let observe = |&(end, lines): &(i64, &str)| {
        recommender.observe(&window(end, lines), &programs).map(|it| (end, it.unwrap()))
    };
    windows.iter().filter_map(observe).collect()
}

fn statuses(published: &[(i64, Recommendation)]) -> Vec<(i64, Status)> {
    published.iter().map(|(end, it)| (*end, it.learned.status)).collect()
}

#[test]
fn unchanged_rules_go_from_learning_over_stabilizing_to_stable() {
    let windows: Vec<_> = (1..=15).map(|minute| (60 * minute, DB)).collect();
    let published = run(&mut Recommender::new(Config::default()), &windows);
    assert_eq!(
        statuses(&published),
        [(60, Status::Learning), (360, Status::Stabilizing), (660, Status::Stable)]
    );
    let last = &published[2].1.learned;
    assert_eq!((last.learning_since, last.changed, last.window_end), (at(0), at(60), at(660)));
}

#[test]
fn a_new_need_begins_again_and_one_that_is_known_does_not() {
    let windows = [(60, DB), (720, DB), (780, BOTH), (840, DB), (1_440, BOTH)];
    let published = run(&mut Recommender::new(Config::default()), &windows);
    assert_eq!(
        statuses(&published),
        [(60, Status::Learning), (720, Status::Stable), (780, Status::Learning), (1_440, Status::Stable)]
    );
}

#[test]
fn a_quiet_window_takes_no_rule_away() {
    let published = run(&mut Recommender::new(Config::default()), &[(60, BOTH), (720, DB), (1_440, "")]);
    let rules: Vec<_> = published.iter().map(|(_, it)| print(it)).collect();
    assert_eq!(rules, vec![rules[0].clone(); 3]);
    let quiet = &published[2].1;
    assert_eq!((quiet.evidence[0].edges, quiet.evidence[0].totals), (0, None));
    assert_eq!(quiet.evidence[0].last_seen, at(710));
}

#[test]
fn age_takes_a_rule_away_where_it_is_set_to() {
    let config = Config { evidence_age_max: Some(Duration::from_secs(1_000)), ..Config::default() };
    let published = run(&mut Recommender::new(config), &[(60, BOTH), (720, DB), (1_200, DB)]);
    let needs: Vec<_> = published.iter().map(|(_, it)| it.learned.needs.len()).collect();
    assert_eq!(needs, [2, 2, 1]);
}

#[test]
fn a_quiet_recommendation_is_published_again_so_that_its_evidence_stays_fresh() {
    let windows: Vec<_> = (1..=40).map(|minute| (60 * minute, DB)).collect();
    let published = run(&mut Recommender::new(Config::default()), &windows);
    let ends: Vec<_> = published.iter().map(|(end, _)| *end).collect();
    assert_eq!(ends, [60, 360, 660, 1_260, 1_860]);
}

#[test]
fn a_window_that_comes_again_changes_nothing() {
    let mut recommender = Recommender::new(Config::default());
    let first = run(&mut recommender, &[(60, DB), (120, BOTH)]);
    assert_eq!(first.len(), 2);
    assert!(run(&mut recommender, &[(60, DB), (120, BOTH)]).is_empty());
    let third = run(&mut recommender, &[(720, BOTH)]);
    assert_eq!(third[0].1.learned.changed, at(120));
}

#[test]
fn the_next_owner_goes_on_where_the_last_one_was() {
    let windows = [(60, DB), (120, BOTH), (420, DB), (720, DB), (1_320, BOTH)];
    let mut alone = Recommender::new(Config::default());
    let expected = run(&mut alone, &windows);
    for handed_over in 1..windows.len() {
        let mut last = Recommender::new(Config::default());
        let before = run(&mut last, &windows[..handed_over]);
        let mut next = Recommender::new(Config::default());
        next.restore(&before.last().unwrap().1.learned);
        let after = run(&mut next, &windows[handed_over..]);
        let whole: Vec<_> = before.into_iter().chain(after).collect();
        assert_eq!(whole, expected, "handed over after {handed_over} windows");
    }
}

#[test]
fn what_is_known_of_later_windows_is_not_overwritten() {
    let old = run(&mut Recommender::new(Config::default()), &[(60, DB)]).remove(0).1.learned;
    let mut recommender = Recommender::new(Config::default());
    run(&mut recommender, &[(720, BOTH)]);
    recommender.restore(&old);
    let published = run(&mut recommender, &[(1_320, BOTH)]);
    assert_eq!(statuses(&published), [(1_320, Status::Stable)]);
    assert_eq!((published[0].1.learned.changed, published[0].1.learned.learning_since), (at(720), at(0)));
}

#[test]
fn a_forgotten_namespace_begins_anew() {
    let mut recommender = Recommender::new(Config::default());
    run(&mut recommender, &[(60, BOTH)]);
    recommender.forget(&"shop".into());
    let published = run(&mut recommender, &[(720, DB)]);
    assert_eq!(published[0].1.learned.learning_since, at(660));
}

#[test]
fn more_needs_than_are_kept_are_kept_without_port_and_address() {
    let config = Config { needs_max: 2, ..Config::default() };
    let lines = "egress cart-* -> net pub@203.0.113.1 tcp/1
                 egress cart-* -> net pub@203.0.113.2 tcp/2
                 egress cart-* -> net pub@203.0.113.3 tcp/3
                 egress cart-* -> net pub@203.0.113.4 tcp/4";
    let published = run(&mut Recommender::new(config), &[(60, lines)]);
    assert_eq!(published[0].1.learned.needs.len(), 3);
    assert!(print(&published[0].1).contains("[any-port] [any-address]"), "{}", print(&published[0].1));
}
