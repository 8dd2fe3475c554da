//! Recorded traces that settle nothing, since they cannot be of the policies in force.

use super::evidence::{
    Flow, PROFILE, check, evidence, from_anybody, of_db, programs, replicas, to_anybody, trace,
};
use super::fixture::{RuleText, allow, deny, log, pass, policy};
use crate::evaluate::Answer;
use crate::model::{Direction, Endpoint, EndpointKind, RecordedAction};
use crate::policy::{HttpMatch, StagedAction};

/// What such a trace says of the policies is not what is known without it, or not all that there was.
#[test]
fn a_trace_that_cannot_be_is_no_evidence() {
    let first = policy("gnp", "first").tier("platform").order(1.0).ingress([pass().from("app == 'a'")]);
    let http = |rules: &[_]| of_db("p", 10.0).ingress(rules.iter().cloned());
    let p = http(&[log(), deny().from("app == 'b'").ports("443"), allow().from("app == 'c'")]);
    let later = of_db("later", 20.0).ingress([allow().from("app == 'd'"), deny(), allow()]);
    let elsewhere = policy("np", "shop/elsewhere").selects("app == 'web'").ingress([allow()]);
    let staged = policy("snp", "shop/staged").selects("app == 'db'").order(1.0).ingress([allow()]);
    let programs = programs(&[first, p, later, elsewhere, staged]);
    let is_evidence = |text: &str| evidence(&programs, &from_anybody(), text).is_some();
    let passed = "0|platform|gnp:first|pass|-1";
    for possible in [
        format!("{passed} 1|default|np:shop/p|allow|2"),
        format!("{passed} 1|default|np:shop/later|allow|0"),
        format!("{passed} 1|default|np:shop/later|deny|1"),
        "0|platform|gnp:first|pass|0 1|default|np:shop/later|deny|1".to_owned(),
    ] {
        assert!(is_evidence(&possible), "{possible}");
    }
    for (why, impossible) in [
        ("there is none", ""),
        ("it does not end", passed),
        ("it goes on behind its end", "0|default|np:shop/later|deny|1 1|default|np:shop/p|allow|2"),
        ("a tier was passed by whose policy applies", "0|default|np:shop/p|allow|2"),
        ("tiers are out of order", &format!("0|default|np:shop/p|pass|2 {passed} {PROFILE}")),
        (
            "a tier stands twice",
            &format!("{passed} 0|platform|gnp:first|pass|0 1|default|np:shop/later|deny|1"),
        ),
        ("no such policy", &format!("{passed} 1|default|np:shop/gone|allow|0")),
        ("it is of another tier", "0|platform|np:shop/p|allow|2"),
        ("it does not select the end", &format!("{passed} 1|default|np:shop/elsewhere|allow|0")),
        ("it is not in force", &format!("{passed} 1|default|snp:shop/staged|allow|0")),
        ("no such rule", &format!("{passed} 1|default|np:shop/p|allow|3")),
        ("a rule that only logs", &format!("{passed} 1|default|np:shop/p|allow|0")),
        ("the rule does something else", &format!("{passed} 1|default|np:shop/p|deny|2")),
        ("the rule does not match", &format!("{passed} 1|default|np:shop/p|deny|1")),
        ("a rule before it matches", &format!("{passed} 1|default|np:shop/later|allow|2")),
        ("the rule is not told", &format!("{passed} 1|default|np:shop/p|allow|-")),
        ("the tier cannot come to its end", &format!("{passed} 1|default|np:shop/later|deny|-1")),
        ("the tier cannot come to its end", &format!("{passed} 1|default|np:shop/p|deny|-1")),
        ("the tier ends otherwise", "0|platform|gnp:first|deny|-1"),
        ("the profile is not reached", &format!("{passed} {PROFILE}")),
    ] {
        assert!(!is_evidence(impossible), "{why}: {impossible}");
    }
}

#[test]
fn a_trace_must_end_in_what_was_done_and_in_the_own_profile() {
    let p = policy("np", "shop/p").selects("app == 'db'").ingress([]);
    let (programs, flow) = (programs(&[p]), to_anybody());
    let tells = |text: &str, action| {
        programs.evidence(Direction::Ingress, &flow.connection(), &trace(text), action).is_some()
    };
    assert!(tells(PROFILE, RecordedAction::Allow));
    assert!(!tells(PROFILE, RecordedAction::Deny));
    assert!(!tells("0|__PROFILE__|pro:kns.ops|allow|0", RecordedAction::Allow));
    assert!(!tells("0|__PROFILE__|pro:kns.shop|deny|0", RecordedAction::Deny));
    assert!(tells("0|default|np:shop/p|deny|-1", RecordedAction::Deny));
    assert!(!tells("0|default|np:shop/p|deny|-1", RecordedAction::Allow));
}

/// Allows requests alone, as a proxy makes sure of.
fn gets() -> RuleText {
    allow().rule(|it| it.http = Some(HttpMatch { methods: vec!["GET".to_owned()], paths: Vec::new() }))
}

/// The data plane takes what is asked of requests as fulfilled.
#[test]
fn a_rule_about_requests_is_hit_by_all_that_fulfils_the_rest_of_it() {
    let first = programs(&[of_db("p", 10.0).ingress([gets(), deny().from("app == 'a'")])]);
    let narrow =
        programs(&[of_db("p", 10.0).ingress([gets().from("app == 'c'"), deny().from("app == 'a'")])]);
    for behind in ["0|default|np:shop/p|deny|1", "0|default|np:shop/p|deny|-1"] {
        assert_eq!(evidence(&first, &from_anybody(), behind), None, "{behind}");
        assert!(evidence(&narrow, &from_anybody(), behind).is_some(), "{behind}");
    }
    // What became of the requests a hit does not tell.
    for programs in [first, narrow] {
        assert_eq!(evidence(&programs, &from_anybody(), "0|default|np:shop/p|allow|0"), None);
    }
}

#[test]
fn a_policy_about_requests_that_was_not_hit_does_not_apply() {
    let requests = policy("np", "shop/requests").selects("app == 'db'").order(10.0);
    let requests = requests.ingress([gets(), deny().from("app == 'a'")]);
    let hit = policy("gnp", "hit").order(20.0).ingress([allow()]);
    let allowed = "0|default|gnp:hit|allow|0";
    let flow = Flow { source: replicas(None), dest: replicas(None) };
    let removal = policy("sgnp", "hit").action(StagedAction::Delete);
    let expect = [&format!("ALLOW {allowed}"), &format!("ALLOW {PROFILE}")];
    check(&flow, &[requests, hit], &[removal], allowed, expect.map(String::as_str));
}

/// Flow logs charge it to the last policy that applies.
#[test]
fn an_end_of_tier_that_is_charged_to_another_than_the_last_is_of_another_time() {
    let a = of_db("a", 10.0).ingress([allow().from("app == 'a'")]);
    let b = of_db("b", 20.0).ingress([allow().from("app == 'b'")]);
    let (of_a, of_b) = ("0|default|np:shop/a|deny|-1", "0|default|np:shop/b|deny|-1");
    let both = programs(&[a.clone(), b.clone()]);
    assert_eq!(evidence(&both, &from_anybody(), of_a), None);
    assert!(evidence(&both, &from_anybody(), of_b).is_some());
    // What does not apply, what is of the other direction, and what is not in force is never charged.
    let others = [
        policy("np", "shop/web").selects("app == 'web'").order(20.0).ingress([allow()]),
        of_db("egress", 20.0).egress([allow()]),
        policy("snp", "shop/staged").selects("app == 'db'").order(20.0).ingress([allow().from("app == 'b'")]),
    ];
    for other in others {
        let name = other.0.id.to_string();
        assert!(evidence(&programs(&[a.clone(), other]), &from_anybody(), of_a).is_some(), "{name}");
    }
    // One that may apply did not, if the charge is to be believed, but so much is not made of it.
    let maybe = policy("np", "shop/maybe").selects("app == 'db' && tier == 'x'").order(20.0).ingress([]);
    let of_some = Flow { source: replicas(None), dest: replicas(None) };
    let removal = policy("snp", "shop/a").action(StagedAction::Delete);
    let everywhere = policy("np", "shop/a").order(10.0).ingress([allow().from("app == 'a'")]);
    let denied = "DENY 0|default|np:shop/a|deny|-1";
    let open = "UNDETERMINED (destination labels)";
    check(&of_some, &[everywhere, maybe], &[removal], of_a, [denied, open]);
}

#[test]
fn an_end_is_charged_to_a_policy_that_is_not_evaluated_only_if_it_could_be_the_last() {
    let p = of_db("p", 20.0).ingress([allow().from("app == 'a'")]);
    let untracked = |name: &str, own: &str, order| {
        let kind = if name == "staged" { "sgnp" } else { "gnp" };
        let mut policy = policy(kind, name).selects(own).order(order);
        policy.0.global.do_not_track = true;
        policy
    };
    let last = untracked("last", "app == 'db'", 30.0).ingress([deny()]);
    let set = programs(&[
        p.clone(),
        last.clone(),
        untracked("first", "app == 'db'", 10.0).ingress([deny()]),
        untracked("of-web", "app == 'web'", 30.0).ingress([deny()]),
        untracked("of-egress", "app == 'db'", 30.0).egress([deny()]),
        untracked("staged", "app == 'db'", 30.0).ingress([deny()]),
    ]);
    let is_evidence = |charged: &str| {
        let end = format!("0|default|{charged}|deny|-1");
        evidence(&set, &from_anybody(), &end).is_some()
    };
    assert!(is_evidence("gnp:last"));
    for other in ["np:shop/p", "gnp:first", "gnp:of-web", "gnp:of-egress", "sgnp:staged"] {
        assert!(!is_evidence(other), "{other}");
    }
    // Where it only may apply, either can be the last.
    let everywhere = policy("gnp", "p").order(20.0).ingress([allow().from("app == 'a'")]);
    let maybe = programs(&[everywhere, last]);
    let to_some = Flow { source: replicas(None), dest: replicas(None) };
    for charged in ["gnp:p", "gnp:last"] {
        let end = format!("0|default|{charged}|deny|-1");
        assert!(evidence(&maybe, &to_some, &end).is_some(), "{charged}");
    }
}

#[test]
fn hosts_give_no_evidence_and_one_direction_none_of_the_other() {
    let p = policy("gnp", "p").ingress([allow().from("app == 'a'")]).egress([allow().from("app == 'a'")]);
    let programs = programs(&[p]);
    let hit = "0|default|gnp:p|allow|0";
    let host = Endpoint { kind: EndpointKind::Host, namespace: None, ..replicas(None) };
    let to_host = Flow { source: replicas(None), dest: host };
    assert_eq!(evidence(&programs, &to_host, hit), None);
    let flow = from_anybody();
    let of_ingress = evidence(&programs, &flow, hit).unwrap();
    let verdict = |direction| programs.enforced(direction, &flow.connection(), Some(&of_ingress)).answer;
    assert_eq!(verdict(Direction::Ingress), Answer::Allow);
    assert!(matches!(verdict(Direction::Egress), Answer::Undetermined(_)));
}
