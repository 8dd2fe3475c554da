//! What a new revision touches, and what it takes over.

use std::sync::Arc;

use super::fixture::{
    PolicyText, allow, cluster, connection_of, db_in, deny, endpoint, policy, set_of, text,
};
use crate::evaluate::{Change, Judge, Programs};
use crate::model::{Direction, Edge};

fn next(before: &Programs, policies: Vec<PolicyText>) -> (Programs, Change) {
    before.recompile(Arc::new(set_of(cluster(), policies)))
}

/// What a recompilation judges must be what a compilation from nothing judges.
#[track_caller]
fn agrees(programs: &Programs, policies: Vec<PolicyText>) {
    let anew = Programs::compile(Arc::new(set_of(cluster(), policies)));
    for flow in ["web -> db tcp/5432", "job -> db tcp/80", "db -> web tcp/1", "web -> job udp/53"] {
        let flow = connection_of(programs, flow);
        for direction in [Direction::Ingress, Direction::Egress] {
            let connection = flow.connection();
            assert_eq!(programs.judge(direction, &connection), anew.judge(direction, &connection));
        }
    }
}

fn web_in() -> PolicyText {
    policy("np", "shop/web-in").selects("app == 'web'").ingress([deny()])
}

fn staged(name: &str) -> PolicyText {
    policy("snp", name).order(1.0).selects("app == 'db'").ingress([deny().from("app == 'job'")])
}

#[test]
fn a_policy_that_comes_goes_or_changes_touches_what_it_selects() {
    let before = Programs::compile(Arc::new(set_of(cluster(), [db_in()])));
    let (after, change) = next(&before, vec![db_in(), web_in()]);
    agrees(&after, vec![db_in(), web_in()]);
    let touched = |change: &Change, programs: &Programs, name, direction| {
        change.touches(programs, direction, &endpoint(programs, name))
    };
    assert!(touched(&change, &after, "web", Direction::Ingress));
    assert!(!touched(&change, &after, "web", Direction::Egress));
    assert!(!touched(&change, &after, "db", Direction::Ingress));
    let changed = || policy("np", "shop/web-in").selects("app == 'job'").ingress([allow()]);
    let (later, change) = next(&after, vec![db_in(), changed()]);
    agrees(&later, vec![db_in(), changed()]);
    assert!(touched(&change, &later, "web", Direction::Ingress), "what it selected before");
    let (last, change) = next(&later, vec![changed()]);
    agrees(&last, vec![changed()]);
    assert!(touched(&change, &last, "db", Direction::Ingress));
    assert!(!change.is_everything());
}

#[test]
fn tiers_and_cluster_touch_everything() {
    let before = Programs::compile(Arc::new(set_of(cluster(), [db_in()])));
    let mut other = cluster();
    other.namespaces.clear();
    let (_, change) = before.recompile(Arc::new(set_of(other, [db_in()])));
    assert!(change.is_everything());
}

#[test]
fn a_judge_keeps_its_ids_and_names_the_policies_anew() {
    let before = Arc::new(Programs::compile(Arc::new(set_of(cluster(), [db_in(), staged("shop/s")]))));
    let mut judge = Judge::new(Arc::clone(&before));
    let edge = Edge {
        direction: Direction::Ingress,
        subject: endpoint(&before, "db"),
        peer: endpoint(&before, "web"),
        protocol: crate::model::Protocol::TCP,
        port: Some(5432),
        service: None,
    };
    let id = judge.judge(&edge);
    // A policy of another endpoint takes the first place.
    let first = || policy("gnp", "a").tier("security").selects("app == 'none'").ingress([deny()]);
    let (after, change) = next(&before, vec![first(), db_in(), staged("shop/s")]);
    assert!(!change.touches(&after, Direction::Ingress, &edge.subject));
    judge.advance(Arc::new(after), &change);
    let kept = Arc::clone(judge.judgement(id).unwrap());
    assert_eq!(judge.judge(&edge), id, "what is judged again is the same judgement: {}", text(&kept));
}
