//! What staged policies would change.

use super::fixture::{PolicyText, allow, db_in, deny, dst, judge, pass, policy, programs, src};
use crate::evaluate::{Options, Outcome, StagedResult};
use crate::model::Direction;
use crate::policy::StagedAction;

const PROFILE: &str = "0|__PROFILE__|pro:kns.shop|allow|0";

fn staged(short: &str, name: &str) -> PolicyText {
    policy(short, name).selects("app == 'db'")
}

#[test]
fn a_tier_with_staged_policies_alone_drops_nothing_today() {
    let none = staged("sgnp", "stg").tier("security").ingress([allow().from("app == 'job'")]);
    dst(&[none], "web -> db tcp/1", &format!("E ALLOW {PROFILE}; P DENY 0|security|sgnp:stg|deny|-1"));
    let all = staged("sgnp", "stg").tier("security").ingress([allow()]);
    let denies = policy("gnp", "later").ingress([deny()]);
    dst(
        &[all, denies],
        "web -> db tcp/1",
        "E DENY 0|default|gnp:later|deny|0; P ALLOW 0|security|sgnp:stg|allow|0",
    );
}

#[test]
fn a_staged_deny_before_an_enforced_allow_denies() {
    let stg = |order| staged("snp", "shop/stg-deny").order(order).ingress([deny().protocol("tcp")]);
    dst(
        &[stg(10.0), db_in().order(20.0)],
        "web -> db tcp/5432",
        "E ALLOW 0|default|np:shop/db-in|allow|0; P DENY 0|default|snp:shop/stg-deny|deny|0",
    );
    dst(&[stg(30.0), db_in().order(20.0)], "web -> db tcp/5432", "E=P ALLOW 0|default|np:shop/db-in|allow|0");
}

#[test]
fn a_staged_allow_after_an_enforced_no_match_allows() {
    let stg = staged("snp", "shop/stg").order(20.0).ingress([allow().protocol("tcp").ports("8080")]);
    dst(
        &[db_in().order(10.0), stg],
        "web -> db tcp/8080",
        "E DENY 0|default|np:shop/db-in|deny|-1; P ALLOW 0|default|snp:shop/stg|allow|0",
    );
}

#[test]
fn the_end_of_a_mixed_tier_is_charged_to_the_first_in_scope() {
    let first = staged("snp", "shop/first").order(5.0).ingress([]);
    let second = staged("np", "shop/second").order(10.0).ingress([]);
    dst(
        &[first, second],
        "web -> db tcp/1",
        "E DENY 0|default|np:shop/second|deny|-1; P DENY 0|default|snp:shop/first|deny|-1",
    );
}

#[test]
fn a_staged_policy_in_a_passing_tier_passes_at_the_end() {
    let s = staged("snp", "shop/s").tier("platform").ingress([]);
    dst(
        &[s],
        "web -> db tcp/1",
        &format!(
            "E ALLOW {PROFILE}; P ALLOW 0|platform|snp:shop/s|pass|-1 1|__PROFILE__|pro:kns.shop|allow|0"
        ),
    );
}

#[test]
fn a_staged_pass_skips_an_enforced_deny() {
    let s = staged("snp", "shop/s").tier("security").order(1.0).ingress([pass()]);
    let d = policy("gnp", "sec-deny").tier("security").order(2.0).ingress([deny()]);
    dst(
        &[s, d],
        "web -> db tcp/1",
        "E DENY 0|security|gnp:sec-deny|deny|0; \
         P ALLOW 0|security|snp:shop/s|pass|0 1|__PROFILE__|pro:kns.shop|allow|0",
    );
}

#[test]
fn a_staged_edit_does_not_replace_its_namesake_in_what_is_pending() {
    let enforced = policy("np", "shop/web-in")
        .order(10.0)
        .selects("app == 'db'")
        .ingress([allow().protocol("tcp").ports("80")]);
    let edit = staged("snp", "shop/web-in").order(10.0).ingress([deny()]);
    dst(&[edit.clone(), enforced.clone()], "web -> db tcp/80", "E=P ALLOW 0|default|np:shop/web-in|allow|0");
    dst(
        &[edit, enforced],
        "web -> db tcp/81",
        "E DENY 0|default|np:shop/web-in|deny|-1; P DENY 0|default|snp:shop/web-in|deny|0",
    );
}

#[test]
fn a_staged_removal_is_dropped_and_the_other_actions_are_alike() {
    let s = |action| staged("snp", "shop/db-in").order(1.0).ingress([deny()]).action(action);
    let expect = "0|default|np:shop/db-in|allow|0";
    let flow = "web -> db tcp/5432";
    dst(&[s(StagedAction::Delete), db_in().order(2.0)], flow, &format!("E=P ALLOW {expect}"));
    for action in [StagedAction::Set, StagedAction::Learn, StagedAction::Ignore] {
        dst(
            &[s(action), db_in().order(2.0)],
            flow,
            &format!("E ALLOW {expect}; P DENY 0|default|snp:shop/db-in|deny|0"),
        );
    }
}

#[test]
fn a_staged_kubernetes_policy_isolates_too() {
    dst(
        &[staged("sknp", "shop/k").ingress([])],
        "web -> db tcp/1",
        &format!("E ALLOW {PROFILE}; P DENY 0|default|sknp:shop/k|deny|-1"),
    );
}

#[test]
fn each_end_is_judged_by_its_own_direction() {
    let w = policy("snp", "shop/w").order(1.0).selects("app == 'web'").egress([deny()]);
    src(
        std::slice::from_ref(&w),
        "web -> db tcp/1",
        &format!("E ALLOW {PROFILE}; P DENY 0|default|snp:shop/w|deny|0"),
    );
    dst(&[w], "web -> db tcp/1", &format!("E=P ALLOW {PROFILE}"));
}

#[track_caller]
fn blamed(policies: &[PolicyText], flow: &str) -> (String, Vec<String>, Vec<StagedResult>) {
    let programs = programs(&Options::default(), policies.to_vec());
    let judgement = judge(&programs, Direction::Ingress, flow);
    let Outcome::WouldDeny { charged, .. } = &judgement.outcome else { panic!("{:?}", judgement.outcome) };
    (
        charged.to_string(),
        judgement.blame.iter().map(ToString::to_string).collect(),
        judgement.staged.iter().map(|it| it.result).collect(),
    )
}

#[test]
fn every_staged_policy_that_denies_alone_is_to_blame() {
    let a = staged("snp", "shop/a").order(1.0).ingress([deny()]);
    let b = staged("snp", "shop/b").order(2.0).ingress([]);
    let (charged, blame, results) = blamed(&[b, a], "web -> db tcp/1");
    assert_eq!(charged, "snp:shop/a");
    assert_eq!(blame, ["snp:shop/a", "snp:shop/b"]);
    assert_eq!(results, [StagedResult::Deny, StagedResult::NotReached]);
}

#[test]
fn policies_that_deny_only_together_are_blamed_together() {
    // The first passes over the enforced allow; the second is what the passed flow meets.
    let over = staged("snp", "shop/over").tier("security").order(1.0).ingress([pass()]);
    let keeps = policy("gnp", "keep").tier("security").order(2.0).ingress([allow()]);
    let meets = staged("snp", "shop/meets").ingress([deny()]);
    let (charged, blame, results) = blamed(&[over, keeps, meets], "web -> db tcp/1");
    assert_eq!(charged, "snp:shop/meets");
    assert_eq!(blame, ["snp:shop/over", "snp:shop/meets"]);
    assert_eq!(results, [StagedResult::Pass, StagedResult::Deny]);
}

#[test]
fn a_staged_policy_that_matched_nothing_says_so() {
    let s = staged("snp", "shop/s").order(1.0).ingress([deny().protocol("udp")]);
    let programs = programs(&Options::default(), [s, db_in().order(2.0)]);
    let judgement = judge(&programs, Direction::Ingress, "web -> db tcp/5432");
    assert_eq!(judgement.outcome, Outcome::Agrees);
    assert_eq!(judgement.staged.first().unwrap().result, StagedResult::NoMatch);
}
