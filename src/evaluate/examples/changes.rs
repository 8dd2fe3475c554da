//! What a new revision touches, and what it takes over.

use std::sync::Arc;

use super::fixture::{
    PolicyText, allow, cluster, connection_of, db_in, deny, endpoint, policy, set_of, text,
};
use crate::evaluate::{Change, Judge, Programs, Touched};
use crate::model::{Direction, Edge, Endpoint, EndpointKind, Name, NameScope};
use crate::policy::{DefaultAction, NetworkSet, Order, PolicySet, Revision, Tier};

const NOTHING: Touched = Touched { ingress: false, egress: false, as_peer: false };
const INGRESS: Touched = Touched { ingress: true, ..NOTHING };

fn next(before: &Programs, policies: Vec<PolicyText>) -> (Programs, Change) {
    before.prepare_checker(None);
    let next = before.recompile(Arc::new(set_of(cluster(), policies)));
    next.0.prepare_checker(Some(before));
    next
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
            let checkers = [programs, &anew].map(|it| it.checker().expect("there is always one"));
            let [ours, theirs] = checkers.map(|it| it.judge(direction, &connection));
            assert_eq!(ours, theirs, "by the checker's rules");
        }
    }
}

fn web_in() -> PolicyText {
    policy("np", "shop/web-in").selects("app == 'web'").ingress([deny()])
}

fn staged(name: &str) -> PolicyText {
    policy("snp", name).order(1.0).selects("app == 'db'").ingress([deny().from("app == 'job'")])
}

#[track_caller]
fn check(before: &Programs, after: &Programs, change: &Change, name: &str, expect: Touched) {
    assert_eq!(change.touched(before, after, &endpoint(after, name)), expect, "{name}");
}

#[test]
fn a_policy_that_comes_goes_or_changes_touches_what_it_selects() {
    let before = Programs::compile(Arc::new(set_of(cluster(), [db_in()])));
    let (after, change) = next(&before, vec![db_in(), web_in()]);
    agrees(&after, vec![db_in(), web_in()]);
    check(&before, &after, &change, "web", INGRESS);
    check(&before, &after, &change, "db", NOTHING);
    let changed = || policy("np", "shop/web-in").selects("app == 'db'").ingress([allow()]);
    let (later, change) = next(&after, vec![db_in(), changed()]);
    agrees(&later, vec![db_in(), changed()]);
    // What it selected before, and what it selects now.
    check(&after, &later, &change, "web", INGRESS);
    check(&after, &later, &change, "db", INGRESS);
    let (last, change) = next(&later, vec![changed()]);
    agrees(&last, vec![changed()]);
    check(&later, &last, &change, "db", INGRESS);
    check(&later, &last, &change, "web", NOTHING);
    // Several revisions at once are compared like one.
    let change = last.change_since(&before);
    check(&before, &last, &change, "db", INGRESS);
    check(&before, &last, &change, "web", NOTHING);
}

#[test]
fn a_tier_touches_everything_and_so_do_programs_of_another_descent() {
    let before = Programs::compile(Arc::new(set_of(cluster(), [db_in()])));
    let set = before.set();
    let tier = Tier { name: Name::from("new"), order: Order::new(1.0), default_action: DefaultAction::Pass };
    let (tiers, policies) = ([set.tiers(), &[tier]].concat(), set.policies().to_vec());
    let other = PolicySet::of_version(set.version(), tiers, policies, Arc::clone(set.cluster()), Revision(7));
    let (_, change) = before.recompile(Arc::new(other));
    assert!(change.is_everything());
    assert!(Programs::compile(Arc::clone(set)).change_since(&before).is_everything());
}

#[test]
fn siblings_ask_other_questions_at_the_same_places_so_everything_is_touched() {
    let before = Programs::compile(Arc::new(set_of(cluster(), [db_in()])));
    let (one, to_one) = next(&before, vec![db_in(), web_in()]);
    let (other, to_other) = next(&before, vec![db_in(), staged("shop/db-staged")]);
    assert!(!to_one.is_everything() && !to_other.is_everything());
    assert!(one.change_since(&other).is_everything());
    assert!(other.change_since(&one).is_everything());
}

#[test]
fn a_label_of_the_catalog_touches_its_endpoint_and_no_other() {
    let from_web =
        || policy("np", "shop/db-in").selects("app == 'db'").ingress([allow().from("app == 'web'")]);
    let before = Programs::compile(Arc::new(set_of(cluster(), [from_web()])));
    let relabelled = |value: &str| {
        let mut other = cluster();
        let web = other.workloads.iter_mut().find(|it| it.labels.get("app").is_some_and(|it| *it == "web"));
        web.unwrap().labels.insert(Name::from("app"), Name::from(value));
        before.recompile(Arc::new(set_of(other, [from_web()])))
    };
    // Flow records without labels take them from the catalog.
    let check = |(after, change): &(Programs, Change), name: &str, expect: Touched| {
        let unlabelled = Endpoint { labels: None, ..endpoint(&before, name) };
        assert_eq!(change.touched(&before, after, &unlabelled), expect, "{name}");
    };
    let site = relabelled("site");
    check(&site, "web", Touched { ingress: true, egress: true, as_peer: true });
    check(&site, "job", NOTHING);
    check(&site, "db", NOTHING);
    check(&relabelled("web"), "web", NOTHING);
}

#[test]
fn a_network_set_touches_the_addresses_that_it_gains_and_loses() {
    let from_lan =
        || policy("np", "shop/db-in").selects("app == 'db'").ingress([allow().from("kind == 'lan'")]);
    let with_nets = |nets: &[&str]| {
        let mut cluster = cluster();
        cluster.network_sets.push(NetworkSet {
            namespace: Some(Name::from("shop")),
            name: Name::from("lan"),
            labels: [("kind", "lan")].into_iter().collect(),
            nets: nets.iter().map(|it| it.parse().unwrap()).collect(),
            domains: Vec::new(),
        });
        Arc::new(set_of(cluster, [from_lan()]))
    };
    let before = Programs::compile(with_nets(&["192.0.2.0/24", "198.18.0.0/24"]));
    let (after, change) = before.recompile(with_nets(&["192.0.2.0/24", "198.51.100.0/24"]));
    assert!(!change.is_everything());
    let touched = |address: &str| {
        let endpoint = Endpoint {
            kind: EndpointKind::Network,
            namespace: None,
            name: Name::from("pub"),
            name_scope: NameScope::Aggregated,
            address: Some(address.parse().unwrap()),
            labels: None,
        };
        change.touched(&before, &after, &endpoint).as_peer
    };
    assert!(touched("198.51.100.7") && touched("198.18.0.7"));
    assert!(!touched("192.0.2.7") && !touched("203.0.113.7"));
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
    check(&before, &after, &change, "db", NOTHING);
    judge.advance(Arc::new(after), &change, |it| it == id);
    let kept = Arc::clone(judge.judgement(id).unwrap());
    assert_eq!(judge.judge(&edge), id, "what is judged again is the same judgement: {}", text(&kept));
    let programs = Arc::clone(judge.programs());
    judge.advance(programs, &Change::default(), |_| false);
    assert!(judge.is_empty() && judge.judgement(id).is_none(), "what nobody keeps is forgotten");
    assert_eq!(judge.judge(&edge), id, "and its id given anew");
}

#[test]
fn a_judge_that_may_hold_little_forgets_and_answers_alike() {
    let programs = Arc::new(Programs::compile(Arc::new(set_of(cluster(), [db_in(), staged("shop/s")]))));
    let (mut free, mut tight) =
        (Judge::new(Arc::clone(&programs)), Judge::bounded(Arc::clone(&programs), 600));
    let names = ["db", "web", "job"];
    for port in [80, 5432] {
        for subject in names {
            for peer in names {
                for direction in [Direction::Ingress, Direction::Egress] {
                    let edge = Edge {
                        direction,
                        subject: endpoint(&programs, subject),
                        peer: endpoint(&programs, peer),
                        protocol: crate::model::Protocol::TCP,
                        port: Some(port),
                        service: None,
                    };
                    let (known, anew) = (free.judge(&edge), tight.judge(&edge));
                    let text = format!("{subject} {peer} {port} {direction:?}");
                    assert!(free.judgement(known).is_some(), "{text}");
                    assert_eq!(tight.judgement(anew), free.judgement(known), "{text}");
                    let (subject, peer) = (tight.meet(&edge.subject), tight.meet(&edge.peer));
                    let port = edge.port;
                    let between = tight.judge_between(subject, peer, direction, edge.protocol, port);
                    assert!(
                        between.is_none_or(|it| it == anew),
                        "{text}: an end that is forgotten is no other"
                    );
                }
            }
        }
    }
    assert!(tight.take_resets() > 0 && free.take_resets() == 0);
}
