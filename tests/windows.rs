//! The laws of folding and merging, on random input: order, repetition and split do not matter; what is written is read
//! back; no bytes end the process.

use std::collections::BTreeMap;
use std::time::Duration;

use flowstage::aggregate::{Body, EdgeTable, Ledger, Merge, Pane, Partial, Spec, Totals};
use flowstage::model::{
    Direction, Edge, Endpoint, EndpointKind, EventTime, LabelSet, MergePartitionId, Name, NameScope, Offset,
    PartitionId, Protocol, ServiceRef,
};
use proptest::prelude::*;

const SETTINGS: u64 = 7;

fn spec() -> Spec {
    let secs = Duration::from_secs;
    Spec::new(secs(30), secs(10), secs(5), secs(60)).unwrap()
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let kind = prop_oneof![
        Just(EndpointKind::Workload),
        Just(EndpointKind::Host),
        Just(EndpointKind::NetworkSet),
        Just(EndpointKind::Network)
    ];
    let namespace = proptest::option::of("[a-c]{1,2}");
    let labels = proptest::option::of(proptest::collection::btree_map("[a-c]", "[x-z]{0,2}", 0..3));
    let address = proptest::option::of(any::<std::net::IpAddr>());
    (kind, namespace, "[a-d]{0,2}", any::<bool>(), address, labels).prop_map(
        |(kind, namespace, name, exact, address, labels)| Endpoint {
            kind,
            namespace: namespace.map(Name::from),
            name: Name::from(name),
            name_scope: if exact { NameScope::Exact } else { NameScope::Aggregated },
            address,
            labels: labels.map(|it| it.into_iter().collect::<LabelSet>()),
        },
    )
}

fn edge() -> impl Strategy<Value = Edge> {
    let service = proptest::option::of(("[a-b]", "[a-b]", "[a-b]?"));
    (any::<bool>(), endpoint(), endpoint(), any::<u8>(), any::<Option<u16>>(), service).prop_map(
        |(egress, subject, peer, protocol, port, service)| Edge {
            direction: if egress { Direction::Egress } else { Direction::Ingress },
            subject,
            peer,
            protocol: Protocol(protocol),
            port,
            service: service.map(|(namespace, name, port_name)| ServiceRef {
                namespace: namespace.into(),
                name: name.into(),
                port_name: port_name.into(),
            }),
        },
    )
}

fn totals(flows: u64) -> Totals {
    Totals {
        flows,
        flows_denied: flows / 2,
        connections_started: flows * 3,
        connections_completed: flows,
        packets_in: flows * 10,
        packets_out: flows * 11,
        bytes_in: flows * 1_000,
        bytes_out: u64::MAX - flows,
        first_seen: EventTime::from_secs(5),
        last_seen: EventTime::from_secs(9),
    }
}

fn counts(partition: i32, upto: i64, pane: i64, edges: Vec<(Edge, Totals)>) -> Partial {
    Partial {
        settings: SETTINGS,
        partition: PartitionId(partition),
        incarnation: 1,
        upto: Offset(upto),
        body: Body::Counts { pane: Pane(pane), edges },
    }
}

fn frontier(partition: i32, closed: i64) -> Partial {
    Partial {
        settings: SETTINGS,
        partition: PartitionId(partition),
        incarnation: 1,
        upto: Offset(1_000),
        body: Body::Frontier {
            closed: Some(Pane(closed)),
            newest: Some(EventTime::from_secs(closed * 10)),
            ledger: Ledger::default(),
            partitions: 2,
            idle: false,
        },
    }
}

/// Merges the messages in this order, lets both partitions pass everything, and returns what the windows hold.
fn windows(messages: &[Partial]) -> Vec<flowstage::aggregate::ClosedWindow> {
    let mut edges = EdgeTable::new();
    let mut merge = Merge::new(MergePartitionId(0), spec(), SETTINGS, None);
    let ends = [frontier(0, 100), frontier(1, 100)];
    for (offset, message) in (0..).zip(messages.iter().chain(&ends)) {
        merge.absorb(&mut edges, Offset(offset), message.clone());
    }
    merge.close(&edges, usize::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_partial_reads_back_as_it_was_written(
        edges in proptest::collection::vec((edge(), 0..1_000_u64), 0..8),
        upto in 0..i64::MAX,
        pane in any::<i64>(),
    ) {
        let edges = edges.into_iter().map(|(edge, flows)| (edge, totals(flows))).collect();
        let partial = counts(3, upto, pane, edges);
        prop_assert_eq!(Partial::decode(&partial.encode()), Ok(partial));
    }

    #[test]
    fn no_bytes_end_the_process(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            // The version byte, so that the rest is looked at.
            *first = 1;
        }
        // What reads as a partial must survive another round.
        if let Ok(partial) = Partial::decode(&bytes) {
            prop_assert_eq!(Partial::decode(&partial.encode()), Ok(partial));
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter_to_the_merge(
        edges in proptest::collection::vec(edge(), 1..4),
        values in proptest::collection::vec((0..2_i32, 0..4_i64, 0..4_usize, 1..5_i64), 1..20),
        again in proptest::collection::vec(0..20_usize, 0..20),
        order in any::<u64>(),
    ) {
        // For one stamp there is only one value, and it grows with the stamp.
        let message = |(partition, pane, edge, upto): &(i32, i64, usize, i64)| {
            let edge = edges[edge % edges.len()].clone();
            counts(*partition, *upto, *pane, vec![(edge, totals(upto.unsigned_abs()))])
        };
        let messages: Vec<_> = values.iter().map(message).collect();
        let mut shuffled: Vec<_> = messages.clone();
        shuffled.extend(again.iter().filter_map(|it| messages.get(*it).cloned()));
        let len = u64::try_from(shuffled.len()).unwrap();
        let mut seed = order;
        for idx in 0..shuffled.len() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(idx, usize::try_from((seed >> 33) % len).unwrap());
        }
        prop_assert_eq!(windows(&messages), windows(&shuffled));
    }

    #[test]
    fn every_window_is_the_sum_of_its_panes(
        values in proptest::collection::btree_map((0..2_i32, 0..6_i64), 1..50_u64, 1..10),
    ) {
        let edge = Edge {
            direction: Direction::Ingress,
            subject: Endpoint {
                kind: EndpointKind::Workload,
                namespace: Some("shop".into()),
                name: "web".into(),
                name_scope: NameScope::Exact,
                address: None,
                labels: None,
            },
            peer: Endpoint {
                kind: EndpointKind::Network,
                namespace: None,
                name: "pub".into(),
                name_scope: NameScope::Aggregated,
                address: None,
                labels: None,
            },
            protocol: Protocol::TCP,
            port: Some(80),
            service: None,
        };
        let messages: Vec<_> = values
            .iter()
            .map(|((partition, pane), flows)| counts(*partition, 1, *pane, vec![(edge.clone(), totals(*flows))]))
            .collect();
        // Three panes a window, one window a pane that it ends before.
        let mut expected = BTreeMap::new();
        for ((_, pane), flows) in &values {
            for end in pane + 1..=pane + 3 {
                *expected.entry(end * 10).or_insert(0) += flows;
            }
        }
        let got: BTreeMap<i64, u64> = windows(&messages)
            .iter()
            .map(|it| (it.end.as_millis() / 1_000, it.edges.iter().map(|edge| edge.totals.flows).sum()))
            .collect();
        prop_assert_eq!(got, expected);
    }
}
