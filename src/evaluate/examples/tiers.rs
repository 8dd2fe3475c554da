//! Orders, tiers, passing on, and ends of tiers.

use super::fixture::{allow, check, db_in, deny, dst, pass, policy, src};
use crate::evaluate::{EndOfTier, Options};
use crate::model::Direction;

#[test]
fn the_lower_order_decides() {
    let a = policy("gnp", "a").tier("security").order(10.0).ingress([deny()]);
    let b = policy("gnp", "b").tier("security").order(20.0).ingress([allow()]);
    dst(&[b, a], "web -> db tcp/1", "E=P DENY 0|security|gnp:a|deny|0");
}

#[test]
fn no_order_comes_last() {
    let a = policy("gnp", "a").tier("security").ingress([deny()]);
    let z = policy("gnp", "z").tier("security").order(9000.0).ingress([allow()]);
    dst(&[a, z], "web -> db tcp/1", "E=P ALLOW 0|security|gnp:z|allow|0");
}

#[test]
fn a_dash_sorts_before_the_end_of_the_name() {
    let a = policy("gnp", "a").order(1.0).ingress([deny()]);
    let dashed = policy("gnp", "a-b").order(1.0).ingress([allow()]);
    dst(&[a, dashed], "web -> db tcp/1", "E=P ALLOW 0|default|gnp:a-b|allow|0");
}

fn passes(name: &str) -> super::fixture::PolicyText {
    policy("gnp", name).tier("security").order(1.0).ingress([pass()])
}

#[test]
fn pass_goes_to_the_next_tier_and_skips_the_rest_of_its_own() {
    let expect = "E=P ALLOW 0|security|gnp:p|pass|0 1|default|np:shop/db-in|allow|0";
    let q = policy("gnp", "q").tier("security").order(2.0).ingress([deny()]);
    dst(&[passes("p"), db_in()], "web -> db tcp/5432", expect);
    dst(&[passes("p"), q, db_in()], "web -> db tcp/5432", expect);
}

#[test]
fn a_tier_may_pass_at_its_end() {
    let policy = policy("gnp", "plat").tier("platform").ingress([allow().from("app == 'job'")]);
    dst(
        &[policy],
        "web -> db tcp/1",
        "E=P ALLOW 0|platform|gnp:plat|pass|-1 1|__PROFILE__|pro:kns.shop|allow|0",
    );
}

#[test]
fn the_end_of_a_tier_is_charged_to_the_first_policy_or_on_request_to_the_last() {
    let np = |name, order| {
        policy("np", name).order(order).selects("app == 'db'").ingress([allow().from("app == 'none'")])
    };
    let both = [np("shop/np-a", 10.0), np("shop/np-b", 20.0)];
    dst(&both, "web -> db tcp/1", "E=P DENY 0|default|np:shop/np-a|deny|-1");
    let options = Options { end_of_tier: EndOfTier::Last, ..Options::default() };
    check(
        &options,
        &both,
        Direction::Ingress,
        "web -> db tcp/1",
        "E DENY 0|default|np:shop/np-b|deny|-1; P DENY 0|default|np:shop/np-a|deny|-1",
    );
}

#[test]
fn a_tier_without_a_policy_for_the_direction_is_skipped() {
    let policy = policy("gnp", "g").tier("security").ingress([]);
    src(&[policy], "db -> 8.8.8.8 tcp/1", "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0");
}

#[test]
fn admin_and_baseline_tiers_stand_around_the_default_tier() {
    let guard = policy("kcnp", "guard").tier("kube-admin").order(1.0).egress([pass()]);
    let pass_all = policy("gnp", "pass-all").egress([pass()]);
    let base = policy("kcnp", "base")
        .tier("kube-baseline")
        .egress([deny().dest(|it| it.nets = vec!["203.0.113.0/24".parse().unwrap()])]);
    let flow = "job -> 203.0.113.9 tcp/1";
    src(
        &[guard.clone(), pass_all, base.clone()],
        flow,
        "E=P DENY 0|kube-admin|kcnp:guard|pass|0 1|default|gnp:pass-all|pass|0 2|kube-baseline|kcnp:base|deny|0",
    );
    let np = policy("np", "ops/p").egress([]);
    src(&[guard, np, base], flow, "E=P DENY 0|kube-admin|kcnp:guard|pass|0 1|default|np:ops/p|deny|-1");
}

#[test]
fn a_tier_that_does_not_exist_comes_last_and_denies() {
    let dangling = policy("gnp", "d").tier("aaa").ingress([allow().from("app == 'job'")]);
    let first = policy("gnp", "p").ingress([pass()]);
    dst(&[dangling.clone(), first], "web -> db tcp/1", "E=P DENY 0|default|gnp:p|pass|0 1|aaa|gnp:d|deny|-1");
    // The checker gives up, and then publishes nothing: not even what it has until there.
    let options = Options { mode: crate::evaluate::Mode::Conformance, ..Options::default() };
    check(&options, &[dangling], Direction::Ingress, "web -> db tcp/1", "E=P UNDETERMINED ()");
}
