//! There and back is the identity, for whatever a report may hold.

use std::sync::Arc;

use expect_test::expect;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::{EdgeRecord, NeedRecord, RecommendationRecord, RecordError};
use crate::aggregate::{ClosedWindow, EdgeDigest, EdgeReport, Finality, Pane, Totals, WindowEdge};
use crate::evaluate::{Answer, Judgement, Missing, Outcome, Programs, StagedHit, StagedResult, Verdict};
use crate::model::{
    Action, Direction, Edge, Endpoint, EndpointKind, EventTime, HitOwner, LabelSet, Name, NameScope,
    PolicyHit, PolicyId, PolicyKind, Protocol, RuleIndex, RuleRef, ServiceRef, Trace,
};
use crate::policy::{Cluster, PolicySet, Revision};
use crate::recommend::{Config, Need, NeedKey, Peer, Recommendation, Recommender, Seen};

fn name() -> BoxedStrategy<Name> {
    prop_oneof![Just(String::new()), "[a-z][a-z-]{0,6}[*]?", ".{0,8}"].prop_map(Name::from).boxed()
}

fn direction() -> BoxedStrategy<Direction> {
    prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)].boxed()
}

fn endpoint() -> BoxedStrategy<Endpoint> {
    let kind = prop_oneof![
        Just(EndpointKind::Workload),
        Just(EndpointKind::Host),
        Just(EndpointKind::NetworkSet),
        Just(EndpointKind::Network)
    ];
    let scope = prop_oneof![Just(NameScope::Exact), Just(NameScope::Aggregated)];
    let labels = btree_map(name(), name(), 0..4).prop_map(|it| it.into_iter().collect::<LabelSet>());
    (kind, option::of(name()), name(), scope, any::<Option<std::net::IpAddr>>(), option::of(labels))
        .prop_map(|(kind, namespace, name, name_scope, address, labels)| Endpoint {
            kind,
            namespace,
            name,
            name_scope,
            address,
            labels,
        })
        .boxed()
}

fn edge() -> BoxedStrategy<Edge> {
    let service = (name(), name(), name()).prop_map(|(namespace, name, port_name)| ServiceRef {
        namespace,
        name,
        port_name,
    });
    (direction(), endpoint(), endpoint(), any::<u8>(), any::<Option<u16>>(), option::of(service))
        .prop_map(|(direction, subject, peer, protocol, port, service)| Edge {
            direction,
            subject,
            peer,
            protocol: Protocol(protocol),
            port,
            service,
        })
        .boxed()
}

fn policy() -> BoxedStrategy<PolicyId> {
    (proptest::sample::select(PolicyKind::ALL.to_vec()), option::of(name()), name())
        .prop_map(|(kind, namespace, name)| PolicyId { kind, namespace, name })
        .boxed()
}

fn owner() -> BoxedStrategy<HitOwner> {
    prop_oneof![
        (name(), policy()).prop_map(|(tier, policy)| HitOwner::Policy { tier, policy }),
        name().prop_map(HitOwner::Profile)
    ]
    .boxed()
}

fn rule_index() -> BoxedStrategy<RuleIndex> {
    prop_oneof![any::<u32>().prop_map(RuleIndex::Rule), Just(RuleIndex::EndOfTier), Just(RuleIndex::Unknown)]
        .boxed()
}

fn missing() -> BoxedStrategy<Missing> {
    let all = [
        Missing::SOURCE_LABELS,
        Missing::DEST_LABELS,
        Missing::SOURCE_ADDRESS,
        Missing::DEST_ADDRESS,
        Missing::SOURCE_PORT,
        Missing::DEST_PORT,
        Missing::SOURCE_NAMESPACE,
        Missing::DEST_NAMESPACE,
        Missing::SOURCE_SERVICE_ACCOUNT,
        Missing::DEST_SERVICE_ACCOUNT,
        Missing::PORT_NAMES,
        Missing::ICMP,
        Missing::HTTP,
        Missing::DOMAINS,
        Missing::ENDPOINT,
    ];
    proptest::sample::subsequence(all.to_vec(), 0..=all.len())
        .prop_map(|it| it.into_iter().fold(Missing::NOTHING, Missing::union))
        .boxed()
}

fn verdict() -> BoxedStrategy<Verdict> {
    let action = prop_oneof![Just(Action::Allow), Just(Action::Deny), Just(Action::Pass)];
    let hit =
        (owner(), action, rule_index()).prop_map(|(owner, action, rule)| PolicyHit { owner, action, rule });
    let answer =
        prop_oneof![Just(Answer::Allow), Just(Answer::Deny), missing().prop_map(Answer::Undetermined)];
    (answer, vec(hit, 0..4)).prop_map(|(answer, hits)| Verdict { answer, trace: Trace(hits) }).boxed()
}

fn outcome() -> BoxedStrategy<Outcome> {
    let rule = || {
        (owner(), direction(), rule_index()).prop_map(|(owner, direction, rule)| RuleRef {
            owner,
            direction,
            rule,
        })
    };
    prop_oneof![
        Just(Outcome::Agrees),
        (rule(), policy()).prop_map(|(by, charged)| Outcome::WouldDeny { by, charged }),
        rule().prop_map(|by| Outcome::WouldAllow { by }),
        missing().prop_map(|missing| Outcome::Undetermined { missing }),
    ]
    .boxed()
}

fn totals() -> BoxedStrategy<Totals> {
    (any::<[u64; 8]>(), any::<[i64; 2]>())
        .prop_map(|(counts, [first, last])| Totals {
            flows: counts[0],
            flows_denied: counts[1],
            connections_started: counts[2],
            connections_completed: counts[3],
            packets_in: counts[4],
            packets_out: counts[5],
            bytes_in: counts[6],
            bytes_out: counts[7],
            first_seen: EventTime::from_millis(first),
            last_seen: EventTime::from_millis(last),
        })
        .boxed()
}

fn judgement(direction: Direction) -> BoxedStrategy<Judgement> {
    let result = prop_oneof![
        Just(StagedResult::Allow),
        Just(StagedResult::Deny),
        Just(StagedResult::Pass),
        Just(StagedResult::NoMatch),
        Just(StagedResult::NotReached),
        Just(StagedResult::Undetermined)
    ];
    let staged = (any::<u32>(), result).prop_map(|(policy, result)| StagedHit { policy, result });
    (verdict(), verdict(), outcome(), vec(policy(), 0..3), vec(staged, 0..3))
        .prop_map(move |(enforced, pending, outcome, blame, staged)| Judgement {
            direction,
            enforced,
            pending,
            outcome,
            blame,
            staged,
        })
        .boxed()
}

fn report() -> BoxedStrategy<EdgeReport> {
    let judged = edge().prop_flat_map(|edge| {
        let direction = edge.direction;
        (Just(edge), judgement(direction))
    });
    let finality = prop_oneof![Just(Finality::Provisional), Just(Finality::Final)];
    (any::<(u64, i64, i64, i64, u128, u64)>(), judged, totals(), finality)
        .prop_map(|((set, pane, start, end, digest, revision), (edge, judgement), totals, finality)| {
            EdgeReport {
                policy_set: Revision(set),
                pane: Pane(pane),
                start: EventTime::from_millis(start),
                end: EventTime::from_millis(end),
                edge: Arc::new(edge),
                digest: EdgeDigest(digest),
                totals,
                revision,
                finality,
                judgement: Arc::new(judgement),
            }
        })
        .boxed()
}

fn need() -> BoxedStrategy<Need> {
    let address = any::<std::net::IpAddr>;
    let peer = prop_oneof![
        name().prop_map(Peer::Namespace),
        (option::of(name()), name()).prop_map(|(namespace, name)| Peer::NetworkSet { namespace, name }),
        option::of(address()).prop_map(Peer::Host),
        address().prop_map(Peer::Address),
        Just(Peer::Private),
        Just(Peer::Public),
    ];
    (edge(), peer, any::<[i64; 2]>())
        .prop_map(|(edge, peer, [first, last])| {
            let Edge { direction, subject: _, peer: _, protocol, port, service } = edge;
            let seen = Seen { first: EventTime::from_millis(first), last: EventTime::from_millis(last) };
            Need { key: NeedKey { direction, peer, service, protocol, port }, seen }
        })
        .boxed()
}

proptest! {
    #[test]
    fn a_need_is_read_back_as_it_was_written(need in need()) {
        let json = serde_json::to_vec(&NeedRecord::from(&need)).unwrap();
        let read: NeedRecord = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(Need::try_from(&read).unwrap(), need);
    }

    #[test]
    fn a_report_is_read_back_as_it_was_written(report in report()) {
        let record = EdgeRecord::from(&report);
        let read = EdgeRecord::from_json(&record.to_json()).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(EdgeReport::try_from(read).unwrap(), report);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(record) = EdgeRecord::from_json(&bytes) {
            drop(EdgeReport::try_from(record));
        }
    }
}

fn sample() -> EdgeReport {
    let workload = |namespace: &str, name: &str, labels: Option<LabelSet>| Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(namespace.into()),
        name: name.into(),
        name_scope: NameScope::Aggregated,
        address: None,
        labels,
    };
    let policy = PolicyId {
        kind: PolicyKind::StagedNetworkPolicy,
        namespace: Some("data".into()),
        name: "db-in".into(),
    };
    let by = RuleRef {
        owner: HitOwner::Policy { tier: "default".into(), policy: policy.clone() },
        direction: Direction::Ingress,
        rule: RuleIndex::EndOfTier,
    };
    let hit = |owner, action, rule| Trace(vec![PolicyHit { owner, action, rule }]);
    EdgeReport {
        policy_set: Revision(0x1f),
        pane: Pane(29_833_333),
        start: EventTime::from_secs(1_790_000_000),
        end: EventTime::from_secs(1_790_000_060),
        edge: Arc::new(Edge {
            direction: Direction::Ingress,
            subject: workload("data", "db-*", Some([("app", "db")].into_iter().collect())),
            peer: workload("shop", "cart-*", None),
            protocol: Protocol::TCP,
            port: Some(5432),
            service: None,
        }),
        digest: EdgeDigest(0xabc),
        totals: Totals {
            flows: 2,
            flows_denied: 0,
            connections_started: 3,
            connections_completed: 1,
            packets_in: 10,
            packets_out: 9,
            bytes_in: 1_000,
            bytes_out: 900,
            first_seen: EventTime::from_secs(1_790_000_010),
            last_seen: EventTime::from_secs(1_790_000_050),
        },
        revision: 77,
        finality: Finality::Final,
        judgement: Arc::new(Judgement {
            direction: Direction::Ingress,
            enforced: Verdict {
                answer: Answer::Allow,
                trace: hit(HitOwner::Profile("kns.data".into()), Action::Allow, RuleIndex::Rule(0)),
            },
            pending: Verdict {
                answer: Answer::Deny,
                trace: hit(by.owner.clone(), Action::Deny, RuleIndex::EndOfTier),
            },
            outcome: Outcome::WouldDeny { by, charged: policy.clone() },
            blame: vec![policy],
            staged: vec![StagedHit { policy: 0, result: StagedResult::Deny }],
        }),
    }
}

#[test]
fn the_shape_is_this() {
    let record = EdgeRecord::from(&sample());
    assert_eq!(record.key(), "000000000000001f/1790000000000/00000000000000000000000000000abc");
    expect![[r#"
        {
          "schema": 1,
          "policy_set": "000000000000001f",
          "pane": 29833333,
          "pane_start": "2026-09-21T14:13:20Z",
          "pane_start_ms": 1790000000000,
          "pane_end": "2026-09-21T14:14:20Z",
          "pane_end_ms": 1790000060000,
          "edge": "00000000000000000000000000000abc",
          "direction": "ingress",
          "subject": {
            "kind": "wep",
            "namespace": "data",
            "name": "db-*",
            "name_scope": "aggregated",
            "address": null,
            "labels": {
              "app": "db"
            }
          },
          "peer": {
            "kind": "wep",
            "namespace": "shop",
            "name": "cart-*",
            "name_scope": "aggregated",
            "address": null,
            "labels": null
          },
          "protocol": "tcp",
          "protocol_number": 6,
          "port": 5432,
          "service": null,
          "totals": {
            "flows": 2,
            "flows_denied": 0,
            "connections_started": 3,
            "connections_completed": 1,
            "packets_in": 10,
            "packets_out": 9,
            "bytes_in": 1000,
            "bytes_out": 900,
            "first_seen_ms": 1790000010000,
            "last_seen_ms": 1790000050000
          },
          "revision": 77,
          "finality": "final",
          "enforced": {
            "answer": "allow",
            "missing": [],
            "trace": [
              {
                "profile": "kns.data",
                "action": "allow",
                "rule": 0
              }
            ]
          },
          "pending": {
            "answer": "deny",
            "missing": [],
            "trace": [
              {
                "tier": "default",
                "policy": {
                  "kind": "StagedNetworkPolicy",
                  "namespace": "data",
                  "name": "db-in"
                },
                "action": "deny",
                "rule": -1
              }
            ]
          },
          "outcome": "would-deny",
          "by": {
            "tier": "default",
            "policy": {
              "kind": "StagedNetworkPolicy",
              "namespace": "data",
              "name": "db-in"
            },
            "direction": "ingress",
            "rule": -1
          },
          "charged": {
            "kind": "StagedNetworkPolicy",
            "namespace": "data",
            "name": "db-in"
          },
          "blame": [
            {
              "kind": "StagedNetworkPolicy",
              "namespace": "data",
              "name": "db-in"
            }
          ],
          "missing": [],
          "staged": [
            {
              "policy": 0,
              "result": "deny"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&record).unwrap());
}

#[test]
fn a_later_schema_is_refused_and_not_guessed_at() {
    let mut record = EdgeRecord::from(&sample());
    record.schema = 2;
    let refused = EdgeRecord::from_json(&record.to_json());
    assert!(matches!(refused, Err(RecordError::Schema { found: 2, known: 1 })), "{refused:?}");
    assert!(matches!(EdgeReport::try_from(record), Err(RecordError::Schema { .. })));
}

#[test]
fn a_record_that_contradicts_itself_is_refused() {
    let check = |spoil: &dyn Fn(&mut EdgeRecord)| {
        let mut record = EdgeRecord::from(&sample());
        spoil(&mut record);
        EdgeReport::try_from(record).expect_err("a spoiled record was read").to_string()
    };
    assert_eq!(check(&|it| it.by = None), "outcome `would-deny` lacks `by`");
    assert_eq!(check(&|it| it.charged = None), "outcome `would-deny` lacks `charged`");
    assert_eq!(check(&|it| it.edge = "xyz".to_owned()), "`xyz` is not a digest of an edge");
    assert_eq!(
        check(&|it| it.enforced.trace[0].profile = None),
        "a hit needs a tier and a policy, or a profile"
    );
    assert_eq!(check(&|it| it.pending.trace[0].rule = Some(-2)), "`-2` is not the number of a rule");
}

fn recommendation() -> Recommendation {
    let workload = |namespace: &str, name: &str| Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(namespace.into()),
        name: name.into(),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: Some(LabelSet::default()),
    };
    let edge = Edge {
        direction: Direction::Egress,
        subject: workload("shop", "cart-*"),
        peer: workload("data", "db-*"),
        protocol: Protocol::TCP,
        port: Some(5432),
        service: None,
    };
    let window = ClosedWindow {
        namespace: "shop".into(),
        start: EventTime::from_secs(1_790_000_000),
        end: EventTime::from_secs(1_790_000_060),
        edges: vec![WindowEdge { edge: Arc::new(edge), totals: sample().totals }],
    };
    let set = PolicySet::new(Vec::new(), Vec::new(), Cluster::default(), Revision(7));
    let programs = Programs::compile(Arc::new(set));
    Recommender::new(Config::default()).observe(&window, &programs).unwrap().unwrap()
}

pub(in crate::sink) fn sample_recommendation() -> RecommendationRecord {
    RecommendationRecord::try_from(&recommendation()).unwrap()
}

#[test]
fn a_recommendation_gives_back_what_was_learned() {
    let record = sample_recommendation();
    let read = RecommendationRecord::from_json(&record.to_json()).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.key(), "shop");
    assert_eq!(read.learned().unwrap(), recommendation().learned);
}

#[test]
fn a_need_that_lacks_its_peer_is_refused() {
    let mut record = sample_recommendation();
    record.needs[0].peer.namespace = None;
    assert!(matches!(record.learned(), Err(RecordError::Peer)));
}
