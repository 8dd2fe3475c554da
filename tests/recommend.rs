//! Recommendations as the user gets them: YAML that is the same to the byte, and that reads as the same policy.

use std::sync::Arc;

use expect_test::expect;
use flowstage::aggregate::{ClosedWindow, Totals, WindowEdge};
use flowstage::evaluate::Programs;
use flowstage::manifest::{self, Item};
use flowstage::model::{
    Direction, Edge, Endpoint, EndpointKind, EventTime, LabelSet, Name, NameScope, Protocol,
};
use flowstage::policy::{Cluster, PolicySet, Revision};
use flowstage::recommend::{Config, Recommendation, Recommender};

fn endpoint(kind: EndpointKind, namespace: Option<&str>, name: &str, address: Option<&str>) -> Endpoint {
    Endpoint {
        kind,
        namespace: namespace.map(Name::from),
        name: name.into(),
        name_scope: NameScope::Aggregated,
        address: address.map(|it| it.parse().unwrap()),
        labels: (kind == EndpointKind::Workload).then(LabelSet::default),
    }
}

fn window_edge(direction: Direction, peer: Endpoint, protocol: Protocol, port: u16) -> WindowEdge {
    let subject = endpoint(EndpointKind::Workload, Some("shop"), "cart-*", None);
    let totals = Totals {
        flows: 1,
        flows_denied: 0,
        connections_started: 1,
        connections_completed: 1,
        packets_in: 1,
        packets_out: 1,
        bytes_in: 1,
        bytes_out: 1,
        first_seen: EventTime::from_secs(1_790_000_010),
        last_seen: EventTime::from_secs(1_790_000_050),
    };
    let edge = Edge { direction, subject, peer, protocol, port: Some(port), service: None };
    WindowEdge { edge: Arc::new(edge), totals }
}

fn window() -> ClosedWindow {
    let pod = |namespace, name| endpoint(EndpointKind::Workload, Some(namespace), name, None);
    let net = |name, address| endpoint(EndpointKind::Network, None, name, Some(address));
    ClosedWindow {
        namespace: "shop".into(),
        start: EventTime::from_secs(1_790_000_000),
        end: EventTime::from_secs(1_790_000_060),
        edges: vec![
            window_edge(Direction::Ingress, pod("web", "front-*"), Protocol::TCP, 8080),
            window_edge(Direction::Egress, pod("data", "db-*"), Protocol::TCP, 5432),
            window_edge(Direction::Egress, pod("kube-system", "coredns-*"), Protocol::UDP, 53),
            window_edge(Direction::Egress, net("pub", "203.0.113.7"), Protocol::TCP, 443),
        ],
    }
}

fn recommend(window: &ClosedWindow) -> Recommendation {
    let set = PolicySet::new(Vec::new(), Vec::new(), Cluster::default(), Revision(7));
    let programs = Programs::compile(Arc::new(set));
    Recommender::new(Config::default()).observe(window, &programs).unwrap().unwrap()
}

#[test]
fn the_yaml_is_this_whatever_the_order_of_the_edges() {
    let yaml = manifest::write(&recommend(&window()).policy).unwrap();
    for turn in 0..4 {
        let mut window = window();
        window.edges.rotate_left(turn);
        assert_eq!(manifest::write(&recommend(&window).policy).unwrap(), yaml);
    }
    expect![[r#"
        apiVersion: projectcalico.org/v3
        kind: StagedNetworkPolicy
        metadata:
          name: namespace-isolation.shop-recommendation
          namespace: shop
          labels:
            app.kubernetes.io/managed-by: flowstage
            projectcalico.org/spec.stagedAction: Learn
        spec:
          stagedAction: Learn
          tier: namespace-isolation
          types:
          - Ingress
          - Egress
          ingress:
          - action: Allow
            protocol: TCP
            metadata:
              annotations:
                flowstage/class: namespace
            source:
              namespaceSelector: projectcalico.org/name == "web"
            destination:
              ports:
              - 8080
          egress:
          - action: Allow
            protocol: TCP
            metadata:
              annotations:
                flowstage/class: namespace
            destination:
              namespaceSelector: projectcalico.org/name == "data"
              ports:
              - 5432
          - action: Allow
            protocol: TCP
            metadata:
              annotations:
                flowstage/class: namespace
                flowstage/flags: added
            destination:
              namespaceSelector: projectcalico.org/name == "kube-system"
              ports:
              - 53
          - action: Allow
            protocol: UDP
            metadata:
              annotations:
                flowstage/class: namespace
            destination:
              namespaceSelector: projectcalico.org/name == "kube-system"
              ports:
              - 53
          - action: Allow
            protocol: TCP
            metadata:
              annotations:
                flowstage/class: public
            destination:
              nets:
              - 203.0.113.7/32
              ports:
              - 443
    "#]]
    .assert_eq(&yaml);
}

#[test]
fn the_yaml_reads_as_the_policy_that_was_verified() {
    let recommendation = recommend(&window());
    let yaml = manifest::write(&recommendation.policy).unwrap();
    let objects = manifest::read(&yaml, "recommendation.yaml").unwrap();
    let [object] = objects.as_slice() else { panic!("{objects:?}") };
    let Item::Policy(read) = &object.item else { panic!("{object:?}") };
    assert_eq!(**read, recommendation.policy);
    assert_eq!(recommendation.edges_verified, 4);
}
