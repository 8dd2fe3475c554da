//! The laws of folding and merging, on random input: order, repetition and split do not matter; what is written is read
//! back; no bytes end the process.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::checkpoint::Ledger;
use super::edges::EdgeTable;
use super::fold::Frontier;
use super::merge::Merge;
use super::pane::{Pane, Spec};
use super::partial::{Body, Head, Partial, VERSION, encode_counts, encode_frontier};
use super::totals::Totals;
use super::window::ClosedWindow;
use crate::model::{
    Direction, Edge, Endpoint, EndpointKind, EventTime, LabelSet, MergePartitionId, Name, NameScope, Offset,
    PartitionId, Protocol, ServiceRef,
};

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

fn head(partition: i32, upto: i64) -> Head {
    Head { settings: SETTINGS, partition: PartitionId(partition), incarnation: 1, upto: Offset(upto) }
}

/// Writes counts as a fold with a table of its own would, in messages of at most about `bytes_max` bytes.
fn counts(head: Head, pane: i64, edges: &[(Edge, Totals)], bytes_max: usize) -> Vec<Vec<u8>> {
    let mut table = EdgeTable::new();
    let rows: Vec<_> = edges.iter().map(|(edge, totals)| (table.owned(Edge::clone(edge)), *totals)).collect();
    let mut messages = Vec::new();
    encode_counts(&head, Pane(pane), &table, rows.into_iter(), bytes_max, &mut |it| messages.push(it));
    messages
}

fn message(partition: i32, upto: i64, pane: i64, edge: &Edge, totals: Totals) -> Vec<u8> {
    let mut messages = counts(head(partition, upto), pane, &[(edge.clone(), totals)], usize::MAX);
    messages.pop().expect("one edge makes one message")
}

fn frontier(partition: i32, closed: i64) -> Vec<u8> {
    let frontier = Frontier {
        upto: Offset(1_000),
        closed: Some(Pane(closed)),
        newest: Some(EventTime::from_secs(closed * 10)),
        ledger: Ledger::default(),
    };
    encode_frontier(&head(partition, 1_000), &frontier, 2, false)
}

/// Merges the messages in this order, lets both partitions pass everything, and returns what the windows hold.
fn windows(messages: &[Vec<u8>]) -> Vec<ClosedWindow> {
    let mut edges = EdgeTable::new();
    let mut merge = Merge::new(MergePartitionId(0), spec(), SETTINGS, None);
    let ends = [frontier(0, 100), frontier(1, 100)];
    for (offset, message) in (0..).zip(messages.iter().chain(&ends)) {
        let partial = Partial::decode(message).expect("our own messages read back");
        merge.absorb(&mut edges, Offset(offset), &partial).expect("our own messages hold together");
    }
    merge.close(&edges, usize::MAX)
}

/// Reads and merges bytes that may be anything.
fn absorb_whatever(bytes: &[u8]) {
    let mut edges = EdgeTable::new();
    let mut merge = Merge::new(MergePartitionId(0), spec(), SETTINGS, None);
    if let Ok(partial) = Partial::decode(bytes) {
        if merge.absorb(&mut edges, Offset(0), &partial).is_err() {
            assert_eq!(merge.slots(), 0, "nothing of a broken message is taken in");
        }
        drop(merge.close(&edges, 8));
    }
}

#[test]
fn a_service_that_no_decoder_lets_in_is_refused_from_the_log_too() {
    let named = |name: &str| {
        let end = |name: &str| Endpoint {
            kind: EndpointKind::Workload,
            namespace: Some(Name::from("shop")),
            name: Name::from(name),
            name_scope: NameScope::Exact,
            address: None,
            labels: None,
        };
        let edge = Edge {
            direction: Direction::Ingress,
            subject: end("db"),
            peer: end("web"),
            protocol: Protocol::TCP,
            port: Some(5432),
            service: Some(ServiceRef {
                namespace: Name::from("shop"),
                name: Name::from(name),
                port_name: Name::from(""),
            }),
        };
        let messages = counts(head(0, 1), 1, &[(edge, totals(1))], 1_000);
        let mut table = EdgeTable::new();
        match Partial::decode(&messages[0]).unwrap().body {
            Body::Counts(counts) => counts.enter(&mut table).map(|it| it.len()),
            Body::Frontier { .. } => panic!("counts read back as a frontier"),
        }
    };
    assert_eq!(named("db").unwrap(), 1);
    let error = named("d\u{1b}[2Jb").expect_err("it would clear a reader's screen");
    assert!(error.to_string().contains("control character"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_message_reads_back_as_it_was_written(
        edges in proptest::collection::btree_map(edge(), 0..1_000_u64, 0..8),
        upto in 0..i64::MAX,
        pane in any::<i64>(),
        bytes_max in 1..600_usize,
    ) {
        let edges: Vec<_> = edges.into_iter().map(|(edge, flows)| (edge, totals(flows))).collect();
        let messages = counts(head(3, upto), pane, &edges, bytes_max);
        let mut table = EdgeTable::new();
        let mut read = Vec::new();
        for message in &messages {
            let Partial { head: from, body: Body::Counts(counts) } = Partial::decode(message).unwrap() else {
                panic!("counts read back as a frontier");
            };
            prop_assert_eq!((from, counts.pane()), (head(3, upto), Pane(pane)));
            let entered = counts.enter(&mut table).unwrap();
            read.extend(entered.into_iter().map(|(it, totals)| (Edge::clone(&table.row(it).unwrap().edge), totals)));
        }
        prop_assert_eq!(read, edges);
    }

    #[test]
    fn no_bytes_end_the_process(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            // The version byte, so that the rest is looked at.
            *first = VERSION;
        }
        absorb_whatever(&bytes);
    }

    #[test]
    fn no_changed_message_ends_the_process(
        edges in proptest::collection::vec((edge(), 0..1_000_u64), 1..4),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let edges: Vec<_> = edges.into_iter().map(|(edge, flows)| (edge, totals(flows))).collect();
        for mut message in counts(head(0, 5), 1, &edges, usize::MAX) {
            for (place, byte) in &changes {
                let place = place.index(message.len());
                message[place] = *byte;
            }
            absorb_whatever(&message);
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
        let written = |(partition, pane, edge, upto): &(i32, i64, usize, i64)| {
            message(*partition, *upto, *pane, &edges[edge % edges.len()], totals(upto.unsigned_abs()))
        };
        let messages: Vec<_> = values.iter().map(written).collect();
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
            .map(|((partition, pane), flows)| message(*partition, 1, *pane, &edge, totals(*flows)))
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
