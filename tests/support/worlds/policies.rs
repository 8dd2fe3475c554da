//! Random tiers and policies.

use flowstage::model::{Action, Direction, LabelSet, Name, PolicyId, PolicyKind, Protocol};
use flowstage::policy::{
    Cluster, DefaultAction, EntityRule, GlobalScope, HttpMatch, IcmpMatch, NamespaceMatch, Order, Policy,
    PortMatch, Rule, RuleAction, Selector, ServiceAccountMatch, ServiceMatch, StagedAction, Tier, Types,
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::vocabulary::{
    ACCOUNTS, About, NAMESPACES, PORT_NAMES, PORTS, maybe, name, nets, pick, selector, some,
};

const ORDERS: [f64; 4] = [-1.0, 10.0, 10.0, 1000.0];

pub fn draw(rng: &mut ChaCha8Rng, cluster: &Cluster) -> (Vec<Tier>, Vec<Policy>) {
    let tier = |rng: &mut ChaCha8Rng, name: &str| Tier {
        name: Name::from(name),
        order: order(rng),
        default_action: pick(rng, &[DefaultAction::Deny, DefaultAction::Pass]),
    };
    let tiers = vec![tier(rng, "security"), tier(rng, "platform")];
    let count = rng.random_range(1..=8);
    let mut policies: Vec<Policy> = Vec::new();
    for _ in 0..count {
        let policy = policy(rng, cluster);
        if !policies.iter().any(|it| it.id == policy.id) {
            policies.push(policy);
        }
    }
    (tiers, policies)
}

fn order(rng: &mut ChaCha8Rng) -> Order {
    maybe(rng, 0.8, |rng| pick(rng, &ORDERS)).map_or(Order::LAST, Order::new)
}

fn policy(rng: &mut ChaCha8Rng, cluster: &Cluster) -> Policy {
    use PolicyKind::{
        ClusterNetworkPolicy, GlobalNetworkPolicy, KubernetesNetworkPolicy, NetworkPolicy,
        StagedGlobalNetworkPolicy, StagedKubernetesNetworkPolicy, StagedNetworkPolicy,
    };
    let kinds = [
        NetworkPolicy,
        NetworkPolicy,
        GlobalNetworkPolicy,
        GlobalNetworkPolicy,
        StagedNetworkPolicy,
        StagedNetworkPolicy,
        StagedGlobalNetworkPolicy,
        StagedGlobalNetworkPolicy,
        KubernetesNetworkPolicy,
        StagedKubernetesNetworkPolicy,
        ClusterNetworkPolicy,
    ];
    let kind = pick(rng, &kinds);
    let of_kubernetes = matches!(kind, KubernetesNetworkPolicy | StagedKubernetesNetworkPolicy);
    let is_calico = !of_kubernetes && kind != ClusterNetworkPolicy;
    let id = PolicyId {
        kind,
        namespace: kind.is_namespaced().then(|| namespace(rng, cluster)),
        name: name(rng, &["a", "a-b", "b", "c"]),
    };
    let tier = if of_kubernetes {
        "default"
    } else if kind == ClusterNetworkPolicy {
        pick(rng, &["kube-admin", "kube-baseline"])
    } else {
        pick(rng, &["security", "platform", "default", "default", "gone"])
    };
    let mut global = GlobalScope::default();
    if matches!(kind, GlobalNetworkPolicy | StagedGlobalNetworkPolicy) {
        global.namespace_selector = maybe(rng, 0.3, |rng| selector(rng, About::Namespaces));
        global.do_not_track = rng.random_bool(0.06);
        global.pre_dnat = !global.do_not_track && rng.random_bool(0.06);
        global.apply_on_forward = global.do_not_track || global.pre_dnat || rng.random_bool(0.05);
    }
    let types = pick(rng, &[(true, true), (true, false), (false, true), (true, true)]);
    let is_tidy = rng.random_bool(0.3);
    let entity = |rng: &mut ChaCha8Rng, direction| rules(rng, is_tidy, direction);
    Policy {
        tier: Name::from(tier),
        order: if of_kubernetes { Order::new(1000.0) } else { order(rng) },
        selector: if of_kubernetes {
            Some(Selector::equals("projectcalico.org/orchestrator", "k8s"))
        } else {
            maybe(rng, 0.5, |rng| selector(rng, About::Endpoints))
        },
        service_account_selector: maybe(rng, if is_calico { 0.15 } else { 0.0 }, |rng| {
            selector(rng, About::Accounts)
        }),
        types: Types { ingress: types.0, egress: types.1 },
        ingress: entity(rng, Direction::Ingress),
        egress: entity(rng, Direction::Egress),
        staged_action: kind.is_staged().then(|| {
            use StagedAction::{Delete, Ignore, Learn, Set};
            pick(rng, &[Set, Set, Set, Set, Learn, Ignore, Delete])
        }),
        global,
        labels: LabelSet::default(),
        id,
    }
}

/// A namespace, mostly one that has pods.
fn namespace(rng: &mut ChaCha8Rng, cluster: &Cluster) -> Name {
    if rng.random_bool(0.8) { pick(rng, &cluster.workloads).namespace } else { name(rng, &NAMESPACES) }
}

fn rules(rng: &mut ChaCha8Rng, is_tidy: bool, direction: Direction) -> Vec<Rule> {
    some(rng, 3, |rng| rule(rng, is_tidy, direction))
}

/// A rule that the API would accept. A tidy one asks for few things, so that later ones are reached with something
/// known.
fn rule(rng: &mut ChaCha8Rng, is_tidy: bool, direction: Direction) -> Rule {
    let action = match rng.random_range(0..20) {
        0..=8 => RuleAction::Terminal(Action::Allow),
        9..=14 => RuleAction::Terminal(Action::Deny),
        15..=17 => RuleAction::Terminal(Action::Pass),
        _ => RuleAction::Log,
    };
    let mut rule = Rule::new(action);
    rule.protocol = maybe(rng, 0.5, |rng| {
        use Protocol as P;
        pick(rng, &[P::TCP, P::TCP, P::TCP, P::UDP, P::SCTP, P::ICMP, P::ICMPV6])
    });
    if rule.protocol.is_none() {
        rule.not_protocol = maybe(rng, 0.15, |rng| pick(rng, &[Protocol::TCP, Protocol::UDP]));
    }
    match rule.protocol {
        Some(Protocol::ICMP | Protocol::ICMPV6) => {
            rule.icmp = maybe(rng, 0.4, icmp);
            rule.not_icmp = maybe(rng, 0.2, icmp);
        }
        Some(_) | None => rule.ip_version = maybe(rng, 0.08, |rng| pick(rng, &[4, 6])),
    }
    rule.http = maybe(rng, if rule.protocol == Some(Protocol::TCP) { 0.05 } else { 0.0 }, |_| HttpMatch {
        methods: vec!["GET".to_owned()],
        paths: Vec::new(),
    });
    let has_ports = rule.protocol.is_some_and(Protocol::has_ports);
    let names_alone = rule.protocol.is_none() && rule.not_protocol.is_none();
    let wealth = if is_tidy { 0.4 } else { 1.0 };
    rule.source = entity(rng, wealth, has_ports, names_alone);
    rule.destination = entity(rng, wealth, has_ports, names_alone);
    // The API takes a Service as the far end alone.
    if rule.source == EntityRule::default() && direction == Direction::Ingress {
        rule.source.services = maybe(rng, 0.08, service);
    }
    if rule.destination == EntityRule::default() {
        if direction == Direction::Egress {
            rule.destination.services = maybe(rng, 0.15, service);
        }
        rule.destination.domains = maybe(rng, 0.03, |_| "example.org".to_owned()).into_iter().collect();
    }
    rule
}

fn icmp(rng: &mut ChaCha8Rng) -> IcmpMatch {
    let icmp_type = Some(pick(rng, &[8, 13]));
    IcmpMatch { icmp_type, code: maybe(rng, 0.3, |rng| pick(rng, &[0, 1])) }
}

fn service(rng: &mut ChaCha8Rng) -> ServiceMatch {
    ServiceMatch {
        name: name(rng, &["svc", "svc", "other"]),
        namespace: maybe(rng, 0.9, |rng| name(rng, &NAMESPACES)),
    }
}

fn entity(rng: &mut ChaCha8Rng, wealth: f64, has_ports: bool, names_alone: bool) -> EntityRule {
    let mut entity = EntityRule {
        nets: maybe(rng, 0.15 * wealth, nets).unwrap_or_default(),
        not_nets: maybe(rng, 0.12 * wealth, nets).unwrap_or_default(),
        selector: maybe(rng, 0.3 * wealth, |rng| selector(rng, About::Endpoints)),
        not_selector: maybe(rng, 0.12 * wealth, |rng| selector(rng, About::Endpoints)),
        namespace_selector: maybe(rng, 0.2 * wealth, |rng| match rng.random_range(0..4) {
            0 => NamespaceMatch::Any,
            1 => NamespaceMatch::Global,
            _ => NamespaceMatch::Labels(selector(rng, About::Namespaces)),
        }),
        service_accounts: maybe(rng, 0.12 * wealth, accounts),
        ..EntityRule::default()
    };
    if has_ports {
        entity.ports = some_of(rng, 0.35 * wealth, port);
        entity.not_ports = some_of(rng, 0.12 * wealth, port);
    } else if names_alone {
        entity.ports = some_of(rng, 0.04, |rng| PortMatch::Named(name(rng, &PORT_NAMES)));
    }
    entity
}

fn some_of<T>(rng: &mut ChaCha8Rng, chance: f64, draw: impl FnMut(&mut ChaCha8Rng) -> T) -> Vec<T> {
    maybe(rng, chance, |rng| some(rng, 2, draw)).unwrap_or_default()
}

fn port(rng: &mut ChaCha8Rng) -> PortMatch {
    match rng.random_range(0..3) {
        0 => PortMatch::Named(name(rng, &PORT_NAMES)),
        1 => PortMatch::Range(80, 8080),
        _ => {
            let number = pick(rng, &PORTS);
            PortMatch::Range(number, number)
        }
    }
}

fn accounts(rng: &mut ChaCha8Rng) -> ServiceAccountMatch {
    let names = some(rng, 2, |rng| name(rng, &ACCOUNTS));
    let chance = if names.is_empty() { 1.0 } else { 0.3 };
    ServiceAccountMatch { names, selector: maybe(rng, chance, |rng| selector(rng, About::Accounts)) }
}
