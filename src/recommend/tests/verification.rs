//! What is put to the test, and what a test that fails does.

use super::support::{at, cluster, print, programs, window};
use crate::model::{Action, Direction, PolicyId, PolicyKind};
use crate::policy::{
    DefaultAction, GlobalScope, Order, Policy, PortMatch, Rule, RuleAction, Selector, StagedAction, Tier,
    Types,
};
use crate::recommend::{Config, Reason, Recommendation, Recommender, Withheld};

/// A policy for the ingress of `shop`, which every test changes as it needs it.
fn policy(kind: PolicyKind, tier: &str, rules: Vec<Rule>) -> Policy {
    Policy {
        id: PolicyId { kind, namespace: Some("shop".into()), name: "given".into() },
        tier: tier.into(),
        order: Order::LAST,
        selector: None,
        service_account_selector: None,
        types: Types { ingress: true, egress: false },
        ingress: rules,
        egress: Vec::new(),
        staged_action: kind.is_staged().then_some(StagedAction::Set),
        global: GlobalScope::default(),
        labels: crate::model::LabelSet::default(),
    }
}

fn rule(action: Action, port: u16) -> Rule {
    let mut rule = Rule::new(RuleAction::Terminal(action));
    rule.protocol = Some(crate::model::Protocol::TCP);
    rule.destination.ports = vec![PortMatch::Range(port, port)];
    rule
}

fn observe(tiers: Vec<Tier>, policies: Vec<Policy>, lines: &str) -> Option<Result<Recommendation, Withheld>> {
    let programs = programs(tiers, policies, cluster());
    Recommender::new(Config::default()).observe(&window(60, lines), &programs)
}

fn recommend(tiers: Vec<Tier>, policies: Vec<Policy>, lines: &str) -> Recommendation {
    observe(tiers, policies, lines).expect("nothing is recommended").expect("it is withheld")
}

const FROM_WEB: &str = "ingress cart-* <- wep web/front-* tcp/8080";

#[test]
fn every_edge_of_its_own_window_is_verified() {
    let recommendation = recommend(
        Vec::new(),
        Vec::new(),
        "ingress cart-* <- wep web/front-* tcp/8080
         ingress cart-* <- wep shop/pay-* tcp/8080
         ingress cart-* <- net pvt@10.1.2.3 tcp/8080
         egress cart-* -> wep kube-system/coredns-* udp/53
         egress cart-* -> wep data/db-* tcp/5432
         egress cart-* -> net pub@203.0.113.7 tcp/443",
    );
    assert_eq!((recommendation.edges_verified, recommendation.edges_undetermined), (6, 0));
}

#[test]
fn aggregated_addresses_that_a_range_surely_holds_or_not_are_counted_as_what_they_are() {
    let recommendation = recommend(
        Vec::new(),
        Vec::new(),
        "egress cart-* -> net pub tcp/443
         egress cart-* -> net pvt tcp/5432",
    );
    assert_eq!(recommendation.edges_verified + recommendation.edges_undetermined, 2);
}

#[test]
fn what_would_deny_its_own_window_is_withheld_and_says_which_edges() {
    let withheld = observe(
        Vec::new(),
        Vec::new(),
        "egress cart-* -> wep data/db-* tcp/5432
         egress cart-* -> ns unheard-of tcp/443",
    );
    let withheld = withheld.unwrap().unwrap_err();
    let Reason::WouldDeny { edges: 1, examples } = &withheld.reason else { panic!("{withheld:?}") };
    assert_eq!(examples[0].peer.name, "unheard-of");
    assert_eq!(withheld.window_end, at(60));
    assert_eq!(withheld.to_string(), "the recommendation for namespace `shop` is withheld");
}

#[test]
fn what_was_withheld_is_proposed_once_it_passes() {
    let mut recommender = Recommender::new(Config::default());
    let lines = "egress cart-* -> wep data/db-* tcp/5432\negress cart-* -> ns partners tcp/443";
    let unknown = programs(Vec::new(), Vec::new(), cluster());
    for end in [60, 120] {
        assert!(recommender.observe(&window(end, lines), &unknown).unwrap().is_err());
    }
    let mut known = cluster();
    let set = super::support::network_set(None, "partners", "role=partners", "198.51.100.0/24");
    known.network_sets.push(set);
    let known = programs(Vec::new(), Vec::new(), known);
    let recommendation = recommender.observe(&window(180, lines), &known).unwrap().unwrap();
    assert_eq!((recommendation.learned.learning_since, recommendation.learned.changed), (at(0), at(180)));
}

#[test]
fn a_deny_that_another_staged_policy_causes_is_not_held_against_it() {
    let lockdown = policy(PolicyKind::StagedNetworkPolicy, "default", Vec::new());
    let mut other = policy(PolicyKind::StagedNetworkPolicy, "first", vec![rule(Action::Deny, 8080)]);
    other.id.name = "other".into();
    let first = Tier { name: "first".into(), order: Order::new(1.0), default_action: DefaultAction::Pass };
    let recommendation = recommend(vec![first], vec![lockdown, other], FROM_WEB);
    assert_eq!(recommendation.edges_verified, 1);
}

#[test]
fn an_earlier_copy_of_itself_is_replaced_and_not_added_to() {
    let mut earlier = recommend(Vec::new(), Vec::new(), FROM_WEB).policy;
    earlier.ingress = vec![rule(Action::Deny, 8080)];
    let recommendation = recommend(Vec::new(), vec![earlier], FROM_WEB);
    assert_eq!(recommendation.edges_verified, 1);
}

#[test]
fn what_an_earlier_tier_decides_needs_no_rule() {
    let security =
        Tier { name: "security".into(), order: Order::new(1.0), default_action: DefaultAction::Pass };
    let scraping = policy(PolicyKind::NetworkPolicy, "security", vec![rule(Action::Allow, 9100)]);
    let lines = "ingress cart-* <- wep web/front-* tcp/8080
                 ingress cart-* <- wep web/prometheus-* tcp/9100";
    let recommendation = recommend(vec![security], vec![scraping.clone()], lines);
    assert_eq!(recommendation.omitted.decided_earlier, 1);
    assert_eq!(recommendation.policy.ingress[0].destination.ports, [PortMatch::Range(8080, 8080)]);
    // What a later tier decides is asked of ours first.
    let later = Policy { tier: "default".into(), ..scraping };
    let recommendation = recommend(Vec::new(), vec![later], lines);
    assert_eq!(recommendation.omitted.decided_earlier, 0);
    assert_eq!(recommendation.policy.ingress[0].destination.ports.len(), 2);
}

#[test]
fn a_workload_that_has_a_policy_gets_a_recommendation_on_top_of_it() {
    let existing = policy(PolicyKind::NetworkPolicy, "default", vec![rule(Action::Allow, 8080)]);
    let recommendation = recommend(Vec::new(), vec![existing], FROM_WEB);
    assert!(print(&recommendation).starts_with("ingress allow tcp/8080 from namespace"));
}

#[test]
fn what_is_denied_now_and_would_be_let_through_is_counted() {
    let mut existing = policy(PolicyKind::NetworkPolicy, "default", vec![rule(Action::Deny, 8080)]);
    existing.selector = Some(Selector::has("guarded"));
    let mut window = window(
        60,
        "ingress cart-* <- wep web/front-* tcp/8080
         ingress pay-* <- wep web/front-* tcp/8080 denied",
    );
    for edge in &mut window.edges {
        let edge = std::sync::Arc::make_mut(&mut edge.edge);
        if edge.subject.name == "pay-*" {
            edge.subject.labels = Some([("guarded", "")].into_iter().collect());
        }
    }
    let programs = programs(Vec::new(), vec![existing], cluster());
    let recommendation = Recommender::new(Config::default()).observe(&window, &programs).unwrap().unwrap();
    assert_eq!((recommendation.edges_verified, recommendation.edges_would_allow), (1, 1));
    assert!(recommendation.policy.types.governs(Direction::Ingress));
}
