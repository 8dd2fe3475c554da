//! A view of plain values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowstage::aggregate::{
    EdgeDigest, EdgeReport, EdgeStore, Finality, Pane, PolicyTotals, Spec, StoreLimits, Totals,
};
use flowstage::evaluate::{Answer, Judgement, Missing, Outcome, Verdict};
use flowstage::http::{
    CountersItem, EdgePage, MemberItem, PartitionItem, PipelineStatus, PolicyItem, PolicySetItem, View,
};
use flowstage::model::{
    Action, Counters, Direction, Edge, Endpoint, EndpointKind, EventTime, HitOwner, Name, NameScope,
    PolicyHit, PolicyId, PolicyKind, Protocol, RecordedAction, RuleIndex, RuleRef, Trace,
};
use flowstage::policy::{GlobalScope, Order, Policy, Revision, StagedAction, Types};
use flowstage::sink::render::RecommendationRecord;
use flowstage::telemetry::{DeniedFlows, DirectionLabel, Metrics, PolicySeries, TransitionLabel};

pub(crate) struct Fake {
    pub(crate) edges: EdgeStore,
    pub(crate) policies: Vec<PolicyItem>,
    pub(crate) revision: AtomicU64,
    pub(crate) recommendations: Vec<Arc<RecommendationRecord>>,
}

impl View for Fake {
    fn status(&self) -> PipelineStatus {
        let partition = PartitionItem {
            topic: "flows".into(),
            partition: 0,
            position: Some(10),
            committed: None,
            lag_records: Some(3),
            watermark_ms: Some(1_700_000_000_000),
        };
        PipelineStatus {
            members: vec![MemberItem { name: "worker-0".into(), partitions: vec![partition] }],
            policy_set: Some(PolicySetItem { revision: Revision(7).to_string(), enforced: 1, staged: 1 }),
            watermark_ms: Some(1_700_000_000_000),
            edges: self.edges.len(),
            recommendations: self.recommendations.len() as u64,
            counters: CountersItem { records: 10, flows: 8, rejected: 1, filtered: 1, ..Default::default() },
        }
    }

    fn edges(&self, page: &mut EdgePage) {
        self.edges.edges().iter().for_each(|it| page.offer(it));
    }

    fn denies(&self, page: &mut EdgePage) {
        self.edges.denies().iter().for_each(|it| page.offer(it));
    }

    fn policies(&self) -> (Revision, Vec<PolicyItem>) {
        (Revision(self.revision.load(Ordering::Relaxed)), self.policies.clone())
    }

    fn recommendations(&self) -> Vec<Arc<RecommendationRecord>> {
        self.recommendations.clone()
    }

    fn recommendation(&self, namespace: &str) -> Option<Arc<RecommendationRecord>> {
        self.recommendations.iter().find(|it| it.namespace.0 == namespace).cloned()
    }
}

fn endpoint(namespace: &str, name: &str) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(Name::from(namespace)),
        name: Name::from(name),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: None,
    }
}

fn totals(flows: u64) -> Totals {
    Totals::of_flow(
        &Counters {
            connections_live: flows,
            connections_started: flows,
            connections_completed: 0,
            packets_in: 1,
            packets_out: 1,
            bytes_in: 10,
            bytes_out: 10,
        },
        RecordedAction::Allow,
        EventTime::from_secs(1),
    )
}

fn staged_policy(namespace: &str) -> PolicyId {
    PolicyId {
        kind: PolicyKind::StagedNetworkPolicy,
        namespace: Some(Name::from(namespace)),
        name: Name::from("default.web"),
    }
}

/// Makes a store of the first `edges` edges.
pub(crate) fn store(edges: impl IntoIterator<Item = u32>) -> EdgeStore {
    let minute = Duration::from_secs(60);
    let spec = Spec::new(minute * 60, minute, minute, minute).unwrap();
    let store = EdgeStore::new(spec, StoreLimits::default());
    store.set_current(Revision(7));
    edges.into_iter().for_each(|it| store.apply(&edge(it)));
    store
}

/// Makes the `n`-th edge: its namespace and its outcome follow from the number.
pub(crate) fn edge(n: u32) -> EdgeReport {
    let namespace = ["shop", "pay", "blog"][n as usize % 3];
    let owner = HitOwner::Policy { tier: Name::from("default"), policy: staged_policy(namespace) };
    let by = RuleRef { owner: owner.clone(), direction: Direction::Ingress, rule: RuleIndex::Rule(0) };
    let (answer, outcome) = match n % 4 {
        0 => (Answer::Deny, Outcome::WouldDeny { by, charged: staged_policy(namespace) }),
        1 => (Answer::Allow, Outcome::WouldAllow { by }),
        2 => (
            Answer::Undetermined(Missing::SOURCE_LABELS),
            Outcome::Undetermined { missing: Missing::SOURCE_LABELS },
        ),
        _ => (Answer::Allow, Outcome::Agrees),
    };
    let hit = PolicyHit { owner, action: Action::Deny, rule: RuleIndex::Rule(0) };
    let would_deny = matches!(outcome, Outcome::WouldDeny { .. });
    EdgeReport {
        policy_set: Revision(7),
        pane: Pane(i64::from(n / 5)),
        start: EventTime::from_secs(i64::from(n / 5) * 60),
        end: EventTime::from_secs(i64::from(n / 5) * 60 + 60),
        edge: Arc::new(Edge {
            direction: Direction::Ingress,
            subject: endpoint(namespace, &format!("web-{n}")),
            peer: endpoint("client", "curl"),
            protocol: Protocol::TCP,
            port: Some(443),
            service: None,
        }),
        // Spread, so that the order of the keys is not the order of the numbers.
        digest: EdgeDigest(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        totals: totals(u64::from(n)),
        revision: 1,
        finality: Finality::Provisional,
        judgement: Arc::new(Judgement {
            direction: Direction::Ingress,
            enforced: Verdict { answer: Answer::Allow, trace: Trace::default() },
            pending: Verdict { answer, trace: Trace(if would_deny { vec![hit] } else { Vec::new() }) },
            outcome,
            blame: if would_deny { vec![staged_policy(namespace)] } else { Vec::new() },
            staged: Vec::new(),
        }),
    }
}

fn policy(id: PolicyId) -> Policy {
    Policy {
        staged_action: id.kind.is_staged().then_some(StagedAction::Set),
        id,
        tier: Name::from("default"),
        order: Order::new(100.0),
        selector: None,
        service_account_selector: None,
        types: Types { ingress: true, egress: false },
        ingress: Vec::new(),
        egress: Vec::new(),
        global: GlobalScope::default(),
        labels: Default::default(),
    }
}

pub(crate) fn policies(metrics: &Metrics) -> Vec<PolicyItem> {
    let series = PolicySeries {
        kind: "StagedNetworkPolicy".into(),
        tier: "default".into(),
        namespace: "shop".into(),
        name: "default.web".into(),
    };
    let counters = metrics.install_policies(&[series]);
    let slot = counters.get(0).unwrap();
    let denied = DeniedFlows { flows: 4, connections: 4, bytes: 4 };
    slot.add_denied(DirectionLabel::Ingress, TransitionLabel::NewlyDenied, denied, 1.0);
    let totals = PolicyTotals { newly_denied: 4, ..PolicyTotals::default() };
    (0..5)
        .map(|place| match place {
            0 => PolicyItem::new(place, &policy(staged_policy("shop")), Some(totals)),
            _ => {
                let id = PolicyId {
                    kind: PolicyKind::NetworkPolicy,
                    namespace: Some(Name::from("pay")),
                    name: Name::from(format!("default.p{place}")),
                };
                PolicyItem::new(place, &policy(id), None)
            }
        })
        .collect()
}

pub(crate) fn recommendations() -> Vec<Arc<RecommendationRecord>> {
    let make = |(namespace, status): (&str, &str)| {
        let json = serde_json::json!({
            "schema": 1,
            "namespace": namespace,
            "status": status,
            "policy": { "kind": "StagedNetworkPolicy" },
            "yaml": format!("kind: StagedNetworkPolicy\nmetadata:\n  namespace: {namespace}\n"),
            "evidence": [],
            "window_end": "1970-01-01T00:00:03Z",
            "window_end_ms": 3000,
            "learning_since": "1970-01-01T00:00:00Z",
            "learning_since_ms": 0,
            "changed": "1970-01-01T00:00:01Z",
            "changed_ms": 1000,
            "policy_set": Revision(7).to_string(),
            "fingerprint": "0000000000000001",
            "edges_verified": 5,
            "edges_undetermined": 1,
            "edges_would_allow": 0,
            "omitted": {
                "denied": 0, "itself": 0, "decided_earlier": 0, "subject": 0, "peer_unknown": 0, "protocol": 0
            },
            "needs": [],
        });
        Arc::new(RecommendationRecord::from_json(json.to_string().as_bytes()).unwrap())
    };
    [("shop", "Stable"), ("pay", "Learning"), ("blog", "Stable")].map(make).into()
}
