//! What recorded traces settle.

use std::sync::Arc;

use super::fixture::{PolicyText, allow, cluster, deny, labels, log, policy, set_of};
use crate::evaluate::{Answer, Connection, Evidence, Programs, Supposed, Verdict};
use crate::model::{
    Action, Direction, Endpoint, EndpointKind, HitOwner, Name, NameScope, PolicyHit, PolicyId, PolicyKind,
    Protocol, RecordedAction, RuleIndex, Trace,
};
use crate::policy::{Policy, StagedAction};

pub(super) const PROFILE: &str = "0|__PROFILE__|pro:kns.shop|allow|0";

/// Some pods of the shop, of which a record may tell the labels.
pub(super) fn replicas(own: Option<&str>) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(Name::from("shop")),
        name: Name::from("x-*"),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: own.map(labels),
    }
}

/// Reads hits as flow logs write them.
pub(super) fn trace(text: &str) -> Trace {
    Trace(text.split_whitespace().map(hit).collect())
}

fn hit(text: &str) -> PolicyHit {
    let parts: Vec<&str> = text.split('|').collect();
    let [_, tier, owner, action, rule] = parts.as_slice() else { panic!("not a hit: {text}") };
    let (kind, name) = owner.split_once(':').unwrap();
    let owner = match PolicyKind::ALL.into_iter().find(|it| it.short() == kind) {
        None => HitOwner::Profile(Name::from(name)),
        Some(kind) => {
            let (namespace, name) = match name.split_once('/') {
                Some((namespace, name)) => (Some(Name::from(namespace)), name),
                None => (None, name),
            };
            HitOwner::Policy {
                tier: Name::from(*tier),
                policy: PolicyId { kind, namespace, name: Name::from(name) },
            }
        }
    };
    let actions = [Action::Allow, Action::Deny, Action::Pass];
    let rule = match *rule {
        "-1" => RuleIndex::EndOfTier,
        "-" => RuleIndex::Unknown,
        number => RuleIndex::Rule(number.parse().unwrap()),
    };
    PolicyHit { owner, action: actions.into_iter().find(|it| it.as_str() == *action).unwrap(), rule }
}

/// What the data plane did that left such a trace.
fn action_of(trace: &Trace) -> RecordedAction {
    match trace.0.last().map(|it| it.action) {
        Some(Action::Deny) => RecordedAction::Deny,
        Some(Action::Allow | Action::Pass) | None => RecordedAction::Allow,
    }
}

fn said(verdict: &Verdict) -> String {
    let answer = match verdict.answer {
        Answer::Undetermined(missing) => return format!("UNDETERMINED ({missing})"),
        other => other.as_str().to_uppercase(),
    };
    let lines: Vec<String> = verdict.trace.lines().collect();
    format!("{answer} {}", lines.join(" "))
}

/// A connection on port 80, judged where it comes in.
pub(super) struct Flow {
    pub(super) source: Endpoint,
    pub(super) dest: Endpoint,
}

impl Flow {
    pub(super) fn connection(&self) -> Connection<'_> {
        let (source, dest) = (&self.source, &self.dest);
        Connection {
            source,
            dest,
            protocol: Protocol::TCP,
            source_port: None,
            dest_port: Some(80),
            icmp: None,
        }
    }
}

/// From pods of which nothing is known, to the database.
pub(super) fn from_anybody() -> Flow {
    Flow { source: replicas(None), dest: replicas(Some("app=db")) }
}

/// To pods of which nothing is known.
pub(super) fn to_anybody() -> Flow {
    Flow { source: replicas(Some("app=web")), dest: replicas(None) }
}

pub(super) fn programs(policies: &[PolicyText]) -> Programs {
    Programs::compile(Arc::new(set_of(cluster(), policies.to_vec())))
}

pub(super) fn evidence(programs: &Programs, flow: &Flow, text: &str) -> Option<Evidence> {
    let trace = trace(text);
    programs.evidence(Direction::Ingress, &flow.connection(), &trace, action_of(&trace))
}

/// Compares what is said with the trace of what is enforced, and of what would be with the candidates in force. Without
/// the trace neither can be told.
#[track_caller]
pub(super) fn check(
    flow: &Flow,
    policies: &[PolicyText],
    candidates: &[PolicyText],
    trace: &str,
    expect: [&str; 2],
) {
    let programs = programs(policies);
    let candidates: Vec<Policy> = candidates.iter().map(|it| it.0.clone()).collect();
    let supposed = Supposed::new(&programs, &candidates, &[]);
    let connection = flow.connection();
    let verdicts = |evidence: Option<&Evidence>| {
        [
            programs.enforced(Direction::Ingress, &connection, evidence),
            supposed.enforced(Direction::Ingress, &connection, evidence),
        ]
    };
    for verdict in verdicts(None) {
        assert!(matches!(verdict.answer, Answer::Undetermined(_)), "{}", said(&verdict));
    }
    let evidence = evidence(&programs, flow, trace).expect("evidence");
    assert_eq!(verdicts(Some(&evidence)).map(|it| said(&it)), expect);
}

/// A policy of the shop that selects the database.
pub(super) fn of_db(name: &str, order: f64) -> PolicyText {
    policy("np", &format!("shop/{name}")).selects("app == 'db'").order(order)
}

/// A candidate that takes this policy away.
fn without(name: &str) -> PolicyText {
    policy("snp", &format!("shop/{name}")).action(StagedAction::Delete)
}

#[test]
fn a_hit_settles_the_rule_and_those_before_it() {
    let p = of_db("p", 10.0).ingress([
        log(),
        deny().from("app == 'a'"),
        allow().from("app == 'b'"),
        deny().from("app == 'c'"),
    ]);
    // It makes a difference to others alone.
    let late = of_db("late", 20.0).ingress([deny()]);
    let allowed = "ALLOW 0|default|np:shop/p|allow|2";
    check(&from_anybody(), &[p], &[late], "0|default|np:shop/p|allow|2", [allowed, allowed]);
}

#[test]
fn the_end_of_a_tier_settles_that_no_rule_of_it_matched() {
    let a = of_db("a", 10.0).ingress([allow().from("app == 'a'")]);
    let b = of_db("b", 20.0).ingress([deny().from("app == 'b'"), allow().from("app == 'c'")]);
    let wider = of_db("wider", 30.0).ingress([allow()]);
    check(
        &from_anybody(),
        &[a, b.clone()],
        &[wider, without("a")],
        "0|default|np:shop/b|deny|-1",
        ["DENY 0|default|np:shop/a|deny|-1", "ALLOW 0|default|np:shop/wider|allow|0"],
    );
    // The same of a tier that passes, whose end comes before another hit.
    let first = policy("gnp", "first").tier("platform").ingress([deny().from("app == 'a'")]);
    let wider = [policy("gnp", "new").tier("platform").ingress([deny().ports("81")])];
    let end = "0|platform|gnp:first|pass|-1 1|default|np:shop/b|allow|1";
    let passed = format!("ALLOW {end}");
    check(&from_anybody(), &[first, b], &wider, end, [&passed, &passed]);
}

#[test]
fn a_hit_settles_that_no_policy_before_it_matched() {
    let before = of_db("before", 10.0).ingress([deny().from("app == 'a'")]);
    let hit = of_db("hit", 20.0).ingress([allow().from("app == 'b'")]);
    let wider = of_db("wider", 30.0).ingress([allow()]);
    check(
        &from_anybody(),
        &[before, hit],
        &[without("hit"), wider],
        "0|default|np:shop/hit|allow|0",
        ["ALLOW 0|default|np:shop/hit|allow|0", "ALLOW 0|default|np:shop/wider|allow|0"],
    );
}

#[test]
fn a_tier_without_a_hit_settles_that_none_of_its_policies_applied() {
    let passed_by = policy("gnp", "passed-by").selects("app == 'a'").tier("security").ingress([deny()]);
    let in_default = policy("np", "shop/x").selects("app == 'b'").ingress([]);
    let policies = [passed_by.clone(), in_default];
    let narrower = policy("gnp", "narrower").ingress([allow().from("app == 'web'")]);
    check(
        &to_anybody(),
        &policies,
        std::slice::from_ref(&narrower),
        PROFILE,
        [&format!("ALLOW {PROFILE}"), "ALLOW 0|default|gnp:narrower|allow|0"],
    );
    // A later tier tells the same; what stands behind the hit is as open as before.
    let policies = [passed_by, narrower, policy("np", "shop/z").selects("app == 'c'").ingress([deny()])];
    let hit = "0|default|gnp:narrower|allow|0";
    let removal = policy("sgnp", "narrower").action(StagedAction::Delete);
    check(
        &to_anybody(),
        &policies,
        &[removal],
        hit,
        [&format!("ALLOW {hit}"), "UNDETERMINED (destination labels)"],
    );
}

#[test]
fn what_was_not_reached_stays_open() {
    let p = of_db("p", 10.0).ingress([allow().from("app == 'a'"), deny().from("app == 'b'")]);
    let behind = of_db("behind", 20.0).ingress([allow().from("app == 'c'")]);
    let allowed = "0|default|np:shop/p|allow|0";
    check(
        &from_anybody(),
        &[p, behind],
        &[without("p")],
        allowed,
        [&format!("ALLOW {allowed}"), "UNDETERMINED (source labels)"],
    );
}

#[test]
fn what_a_candidate_changes_is_open_again() {
    let p = of_db("p", 10.0).ingress([allow().from("app == 'a'")]);
    let hit = "0|default|np:shop/p|allow|0";
    let edited = of_db("p", 10.0).ingress([allow().from("app == 'b'")]);
    let reordered = of_db("p", 5.0).ingress([allow().from("app == 'a'")]);
    let allowed = format!("ALLOW {hit}");
    for candidate in [edited, reordered] {
        let open = [&allowed, "UNDETERMINED (source labels)"];
        check(&from_anybody(), std::slice::from_ref(&p), &[candidate], hit, open);
    }
    // One that changes nothing in it takes nothing away, wherever it stands then.
    let early = of_db("early", 1.0).ingress([deny().ports("81")]);
    check(&from_anybody(), std::slice::from_ref(&p), &[p.clone(), early], hit, [&allowed, &allowed]);
}

#[test]
fn a_hit_settles_that_its_policy_applied() {
    let p = policy("np", "shop/p").selects("app == 'db'").order(10.0).ingress([allow(), deny()]);
    let stops = policy("gnp", "stops").order(20.0).ingress([deny()]);
    let hit = "0|default|np:shop/p|allow|0";
    let allowed = format!("ALLOW {hit}");
    check(&to_anybody(), &[p, stops], &[], hit, [&allowed, &allowed]);
    // So does the end of a tier, of the policy that it is charged to.
    let empty = policy("np", "shop/empty").selects("app == 'db'").ingress([]);
    let end = "0|default|np:shop/empty|deny|-1";
    let denied = format!("DENY {end}");
    check(&to_anybody(), &[empty], &[], end, [&denied, &denied]);
}

/// Flow logs may charge the end of a tier to a policy that is for hosts alone. That does not tell who else applied.
#[test]
fn an_end_may_be_charged_to_a_policy_that_is_not_evaluated() {
    let p = of_db("p", 10.0).ingress([allow().from("app == 'a'")]);
    let mut untracked = policy("gnp", "untracked").selects("app == 'db'").order(20.0).ingress([deny()]);
    untracked.0.global.do_not_track = true;
    let end = "0|default|gnp:untracked|deny|-1";
    let denied = "DENY 0|default|np:shop/p|deny|-1";
    check(&from_anybody(), &[p.clone(), untracked.clone()], &[], end, [denied, denied]);
    let open = "UNDETERMINED (destination labels)";
    check(&to_anybody(), &[p, untracked], &[], end, [open, open]);
}

#[test]
fn a_policy_that_would_have_matched_and_did_not_does_not_apply() {
    let would = policy("np", "shop/would").selects("app == 'db'").order(10.0).ingress([deny()]);
    let hit = policy("gnp", "hit").order(20.0).ingress([allow().from("app == 'web'")]);
    let allowed = "ALLOW 0|default|gnp:hit|allow|0";
    let removal = policy("sgnp", "hit").action(StagedAction::Delete);
    check(
        &to_anybody(),
        &[would, hit],
        &[removal],
        "0|default|gnp:hit|allow|0",
        [allowed, &format!("ALLOW {PROFILE}")],
    );
}
