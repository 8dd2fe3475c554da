//! What an edit, a removal or a promotion would do.

use std::sync::Arc;

use super::fixture::{PolicyText, allow, cluster, db_in, deny, judge, policy, set_of, text};
use crate::evaluate::{Programs, what_if};
use crate::model::{Direction, PolicyId};
use crate::policy::StagedAction;

#[track_caller]
fn check(candidate: PolicyText, named: bool, flow: &str, expect: &str) {
    let set = set_of(cluster(), [db_in(), candidate.clone()]);
    let named: Vec<PolicyId> = named.then(|| candidate.0.id.clone()).into_iter().collect();
    let programs = Programs::compile(Arc::new(what_if(&set, &[candidate.0], &named)));
    assert_eq!(text(&judge(&programs, Direction::Ingress, flow)), expect);
}

fn staged(name: &str, action: StagedAction) -> PolicyText {
    policy("snp", name).selects("app == 'db'").ingress([deny()]).action(action)
}

#[test]
fn a_staged_edit_takes_the_place_of_its_namesake() {
    let edit = staged("shop/db-in", StagedAction::Set);
    check(edit, false, "web -> db tcp/5432", "E=P DENY 0|default|np:shop/db-in|deny|0");
}

#[test]
fn a_staged_removal_opens_what_was_isolated() {
    let removal = staged("shop/db-in", StagedAction::Delete);
    check(removal, false, "job -> db tcp/1", "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0");
}

#[test]
fn what_is_learned_or_ignored_takes_part_when_it_is_named() {
    for action in [StagedAction::Learn, StagedAction::Ignore] {
        let first = || staged("shop/a", action);
        check(first(), false, "web -> db tcp/5432", "E=P ALLOW 0|default|np:shop/db-in|allow|0");
        check(first(), true, "web -> db tcp/5432", "E=P DENY 0|default|np:shop/a|deny|0");
    }
}

#[test]
fn an_enforced_candidate_is_added_or_replaces() {
    let wider = policy("np", "shop/db-in").selects("app == 'db'").ingress([allow()]);
    check(wider, false, "job -> db tcp/1", "E=P ALLOW 0|default|np:shop/db-in|allow|0");
}
