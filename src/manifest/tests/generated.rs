//! Random policies that the API would take.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::model::{Action, Direction, IpNet, LabelSet, Name, PolicyId, PolicyKind, Protocol};
use crate::policy::selector::Node;
use crate::policy::{
    EntityRule, GlobalScope, HttpMatch, HttpPath, IcmpMatch, NamespaceMatch, Order, Policy, PortMatch, Rule,
    RuleAction, Selector, ServiceAccountMatch, ServiceMatch, StagedAction, Types,
};

fn name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?".prop_map(Name::from)
}

fn labels() -> impl Strategy<Value = LabelSet> {
    let key = prop_oneof!["[a-z]{1,6}", "app\\.example/[a-z]{1,4}", Just("yes".to_owned())];
    let value = prop_oneof![
        "[a-zA-Z0-9]{0,6}",
        Just("1".to_owned()),
        Just("true".to_owned()),
        Just("a_b.c-d".to_owned())
    ];
    vec((key, value), 0..3).prop_map(|it| it.into_iter().collect())
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        Just(""),
        Just("all()"),
        Just("app == 'db'"),
        Just("!has(a/b) && c in {'x', \"y'z\"}"),
        Just("a not in {} || b starts with 'c' && d contains ''"),
        Just("a == 'with: colon # and hash'"),
        Just("!(a != 'b' || has(projectcalico.org/name))"),
        Just("x ends with '\\n\\t%'"),
        Just("a == 'ü'"),
    ]
    .prop_map(|it| Selector::parse(it).unwrap())
}

fn namespaces() -> impl Strategy<Value = NamespaceMatch> {
    prop_oneof![
        Just(NamespaceMatch::Any),
        Just(NamespaceMatch::Global),
        Just(NamespaceMatch::Labels(Selector::equals("projectcalico.org/name", "shop"))),
    ]
}

fn nets(version: u8) -> impl Strategy<Value = Vec<IpNet>> {
    let net = (any::<u128>(), 1_u8..=32).prop_map(move |(bits, length)| {
        let net = if version == 4 {
            IpNet::new(std::net::Ipv4Addr::from((bits >> 96) as u32).into(), length)
        } else {
            IpNet::new(std::net::Ipv6Addr::from(bits).into(), length * 4)
        };
        net.unwrap().trunc()
    });
    vec(net, 0..3)
}

fn ports(numbers: bool) -> impl Strategy<Value = Vec<PortMatch>> {
    let named =
        prop_oneof![Just("http"), Just("a_b.c"), Just("9p")].prop_map(|it| PortMatch::Named(Name::from(it)));
    let range = (1_u16..=u16::MAX, 0_u16..100)
        .prop_map(|(first, more)| PortMatch::Range(first, first.saturating_add(more)));
    if numbers { vec(prop_oneof![named, range], 0..4).boxed() } else { vec(named, 0..2).boxed() }
}

fn entity(version: u8, numbers: bool, service: bool) -> impl Strategy<Value = EntityRule> {
    let accounts =
        (vec(name(), 0..2), option::of(selector().prop_filter("empty is none", |it| !it.is_all())))
            .prop_map(|(names, selector)| ServiceAccountMatch { names, selector });
    let plain = (
        nets(version),
        nets(version),
        option::of(selector()),
        option::of(selector()),
        option::of(namespaces()),
        option::of(accounts),
        ports(numbers),
        ports(numbers),
    )
        .prop_map(
            |(
                nets,
                not_nets,
                selector,
                not_selector,
                namespace_selector,
                service_accounts,
                ports,
                not_ports,
            )| EntityRule {
                nets,
                not_nets,
                selector,
                not_selector,
                namespace_selector,
                service_accounts,
                ports,
                not_ports,
                ..EntityRule::default()
            },
        );
    let service_rule = name().prop_map(|name| EntityRule {
        services: Some(ServiceMatch { name, namespace: Some(Name::from("kube-system")) }),
        ..EntityRule::default()
    });
    if service { prop_oneof![5 => plain, 1 => service_rule].boxed() } else { plain.boxed() }
}

fn rule(direction: Direction) -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        Just(RuleAction::Terminal(Action::Allow)),
        Just(RuleAction::Terminal(Action::Deny)),
        Just(RuleAction::Terminal(Action::Pass)),
        Just(RuleAction::Log),
    ];
    let protocol = option::of(prop_oneof![
        Just(Protocol::TCP),
        Just(Protocol::UDP),
        Just(Protocol::SCTP),
        Just(Protocol::ICMP),
        Just(Protocol::UDPLITE),
        Just(Protocol(89)),
    ]);
    (action, protocol, prop_oneof![Just(4_u8), Just(6)], any::<bool>(), any::<[u8; 2]>()).prop_flat_map(
        move |(action, protocol, version, pinned, [kind, code])| {
            let version = if protocol == Some(Protocol::ICMP) { 4 } else { version };
            let numbers = matches!(protocol, Some(Protocol::TCP | Protocol::UDP | Protocol::SCTP));
            let (from, to) = (direction == Direction::Ingress, direction == Direction::Egress);
            (
                entity(version, numbers, from),
                entity(version, numbers, to),
                vec(("[a-z/.]{1,5}", "[ -~]{0,9}"), 0..2),
            )
                .prop_map(move |(mut source, mut destination, mut annotations)| {
                    if protocol.is_some() && !numbers {
                        for end in [&mut source, &mut destination] {
                            end.ports.clear();
                            end.not_ports.clear();
                        }
                    }
                    annotations.sort();
                    annotations.dedup_by(|a, b| a.0 == b.0);
                    let icmp = IcmpMatch { icmp_type: Some(kind % 255), code: Some(code) };
                    let http =
                        HttpMatch { methods: vec!["GET".into()], paths: vec![HttpPath::Prefix("/a".into())] };
                    let allows = action == RuleAction::Terminal(Action::Allow);
                    Rule {
                        ip_version: pinned.then_some(version),
                        protocol,
                        not_protocol: (kind == 7).then_some(Protocol::UDP),
                        icmp: (protocol == Some(Protocol::ICMP)).then_some(icmp),
                        not_icmp: (kind % 16 == 3).then_some(icmp),
                        http: (allows && from && protocol == Some(Protocol::TCP) && kind % 4 == 0)
                            .then_some(http),
                        source,
                        destination,
                        annotations,
                        ..Rule::new(action)
                    }
                })
        },
    )
}

/// A policy of one of Calico's own kinds.
pub(super) fn calico_policy() -> impl Strategy<Value = Policy> {
    let kind = prop_oneof![
        Just(PolicyKind::NetworkPolicy),
        Just(PolicyKind::GlobalNetworkPolicy),
        Just(PolicyKind::StagedNetworkPolicy),
        Just(PolicyKind::StagedGlobalNetworkPolicy),
    ];
    let order = option::of(prop_oneof![(-10_i32..2000).prop_map(f64::from), Just(0.25), Just(1e300)]);
    let types = prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))];
    let staged = prop_oneof![Just(StagedAction::Set), Just(StagedAction::Learn), Just(StagedAction::Ignore)];
    let selectors = (option::of(selector()), option::of(selector()), option::of(selector()));
    let rules = (vec(rule(Direction::Ingress), 0..3), vec(rule(Direction::Egress), 0..3));
    (kind, (name(), name()), name(), order, types, staged, selectors, rules, labels(), any::<bool>())
        .prop_map(
            |(
                kind,
                (name, namespace),
                tier,
                order,
                (ingress_type, egress_type),
                staged,
                selectors,
                rules,
                labels,
                forward,
            )| {
                let namespaced = kind.is_namespaced();
                let global = GlobalScope {
                    namespace_selector: selectors.2,
                    apply_on_forward: forward,
                    ..GlobalScope::default()
                };
                Policy {
                    id: PolicyId { kind, namespace: namespaced.then_some(namespace), name },
                    tier,
                    order: order.map_or(Order::LAST, Order::new),
                    selector: selectors.0,
                    service_account_selector: selectors.1,
                    types: Types { ingress: ingress_type, egress: egress_type },
                    ingress: rules.0,
                    egress: rules.1,
                    staged_action: kind.is_staged().then_some(staged),
                    global: if namespaced { GlobalScope::default() } else { global },
                    labels,
                }
            },
        )
}

fn terms() -> impl Strategy<Value = Vec<Node>> {
    let text = || "[a-z]{1,3}".prop_map(Name::from);
    let term = prop_oneof![
        (text(), vec(text(), 1..3)).prop_map(|(key, values)| Node::In(key, values)),
        (text(), vec(text(), 1..3)).prop_map(|(key, values)| Node::NotIn(key, values)),
        text().prop_map(Node::Has),
        text().prop_map(|it| Node::Not(Box::new(Node::Has(it)))),
    ];
    (labels(), vec(term, 0..3)).prop_map(|(labels, terms)| {
        let labels = labels.iter().map(|(key, value)| Node::Eq(key.clone(), value.clone()));
        labels.chain(terms).collect()
    })
}

fn pods() -> impl Strategy<Value = Selector> {
    terms().prop_map(|mut it| {
        it.insert(0, Node::Eq(Name::from("projectcalico.org/orchestrator"), Name::from("k8s")));
        Selector::from_node(Node::And(it))
    })
}

fn kubernetes_namespaces() -> impl Strategy<Value = NamespaceMatch> {
    terms().prop_map(|it| match Selector::from_node(Node::And(it)) {
        all if all.is_all() => NamespaceMatch::Any,
        selector => NamespaceMatch::Labels(selector),
    })
}

/// Ports as Kubernetes' kinds leave them: names first, then one range.
fn group() -> impl Strategy<Value = (Option<Protocol>, Vec<PortMatch>)> {
    let protocol = prop_oneof![Just(Protocol::TCP), Just(Protocol::UDP), Just(Protocol::SCTP)];
    let range = (1_u16..60_000, 0_u16..9).prop_map(|(first, more)| PortMatch::Range(first, first + more));
    option::of((protocol, option::of(range))).prop_map(|it| match it {
        Some((protocol, range)) => (Some(protocol), range.into_iter().collect()),
        None => (None, Vec::new()),
    })
}

fn kubernetes_rule(direction: Direction) -> impl Strategy<Value = Rule> {
    let block = nets(4)
        .prop_filter_map("one block", |it| it.first().copied())
        .prop_map(|it| EntityRule { nets: vec![it], ..EntityRule::default() });
    let selected =
        (pods(), option::of(kubernetes_namespaces())).prop_map(|(selector, namespace_selector)| EntityRule {
            selector: Some(selector),
            namespace_selector,
            ..EntityRule::default()
        });
    (prop_oneof![Just(EntityRule::default()), block, selected], group())
        .prop_map(move |(peer, group)| assemble_rule(direction, Action::Allow, peer, group))
}

fn assemble_rule(
    direction: Direction,
    action: Action,
    peer: EntityRule,
    (protocol, ports): (Option<Protocol>, Vec<PortMatch>),
) -> Rule {
    let mut rule = Rule { protocol, ..Rule::new(RuleAction::Terminal(action)) };
    match direction {
        Direction::Ingress => rule.source = peer,
        Direction::Egress => rule.destination = peer,
    }
    rule.destination.ports = ports;
    rule
}

/// A policy of one of the two kinds of Kubernetes' own policy.
pub(super) fn kubernetes_policy() -> impl Strategy<Value = Policy> {
    let kind = prop_oneof![
        Just(PolicyKind::KubernetesNetworkPolicy),
        Just(PolicyKind::StagedKubernetesNetworkPolicy)
    ];
    let types = prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))];
    let rules =
        (vec(kubernetes_rule(Direction::Ingress), 0..3), vec(kubernetes_rule(Direction::Egress), 0..3));
    (kind, name(), name(), pods(), types, rules, labels()).prop_map(
        |(kind, name, namespace, selector, (ingress_type, egress_type), (ingress, egress), labels)| Policy {
            id: PolicyId { kind, namespace: Some(namespace), name },
            tier: Name::from("default"),
            order: Order::new(1000.0),
            selector: Some(selector),
            service_account_selector: None,
            types: Types { ingress: ingress_type, egress: egress_type },
            ingress,
            egress,
            staged_action: kind.is_staged().then_some(StagedAction::Set),
            global: GlobalScope::default(),
            labels,
        },
    )
}

fn cluster_rule(direction: Direction, passes: bool, any_port: bool) -> impl Strategy<Value = Rule> {
    let namespaces = kubernetes_namespaces()
        .prop_map(|it| EntityRule { namespace_selector: Some(it), ..EntityRule::default() });
    let selected = (pods(), kubernetes_namespaces()).prop_map(|(selector, namespaces)| EntityRule {
        selector: Some(selector),
        namespace_selector: Some(namespaces),
        ..EntityRule::default()
    });
    let networks = nets(4)
        .prop_filter("some", |it| !it.is_empty())
        .prop_map(|nets| EntityRule { nets, ..EntityRule::default() });
    let peer = if direction == Direction::Egress {
        prop_oneof![namespaces, selected, networks].boxed()
    } else {
        prop_oneof![namespaces, selected].boxed()
    };
    let action = prop_oneof![
        Just(Action::Allow),
        Just(Action::Deny),
        Just(if passes { Action::Pass } else { Action::Deny })
    ];
    (peer, action, group(), option::of("[a-z ]{1,9}")).prop_map(move |(peer, action, mut group, name)| {
        if group.1.is_empty() && !any_port {
            group.0 = None;
        }
        let mut rule = assemble_rule(direction, action, peer, group);
        rule.annotations.extend(name.map(|it| ("name".to_owned(), it)));
        rule
    })
}

/// A policy of one of the three cluster-wide kinds of Kubernetes.
pub(super) fn cluster_policy() -> impl Strategy<Value = Policy> {
    let kind = prop_oneof![
        Just((PolicyKind::ClusterNetworkPolicy, "kube-admin")),
        Just((PolicyKind::ClusterNetworkPolicy, "kube-baseline")),
        Just((PolicyKind::AdminNetworkPolicy, "adminnetworkpolicy")),
        Just((PolicyKind::BaselineAdminNetworkPolicy, "baselineadminnetworkpolicy")),
    ];
    kind.prop_flat_map(|(kind, tier)| {
        let passes = kind != PolicyKind::BaselineAdminNetworkPolicy;
        let any_port = kind == PolicyKind::ClusterNetworkPolicy;
        let rules = |direction| vec(cluster_rule(direction, passes, any_port), 0..3);
        let namespaces = terms().prop_map(|it| Selector::from_node(Node::And(it)));
        let all = (
            name(),
            0_i32..1000,
            namespaces,
            pods(),
            rules(Direction::Ingress),
            rules(Direction::Egress),
            labels(),
        );
        all.prop_map(move |(name, priority, namespaces, pods, ingress, egress, labels)| Policy {
            id: PolicyId { kind, namespace: None, name },
            tier: Name::from(tier),
            order: if passes { Order::new(f64::from(priority)) } else { Order::LAST },
            selector: Some(pods),
            service_account_selector: None,
            types: Types { ingress: !ingress.is_empty(), egress: !egress.is_empty() },
            ingress,
            egress,
            staged_action: None,
            global: GlobalScope { namespace_selector: Some(namespaces), ..GlobalScope::default() },
            labels,
        })
    })
}
