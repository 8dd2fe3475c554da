//! The series of staged policies: made at 0 when a policy set is loaded, removed when a policy is gone.
//!
//! A counter that is born at 1 has no rate before its second step, so the first would-be deny would be invisible to
//! an alert. Handles are kept by the policy's place in its set: a worker adds without looking labels up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::family::{Counter, Gauge, Gauges, OTHER};
use super::metrics::Families;

/// The most policies that get series of their own. At 34 series a policy, 500 keep a process below 20 000 series.
const POLICIES_MAX: usize = 500;

/// The labels that name a staged policy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicySeries {
    /// The kind, as the API spells it.
    pub kind: String,
    /// The tier.
    pub tier: String,
    /// The namespace; empty for a global policy.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl PolicySeries {
    fn labels(&self) -> [&str; 4] {
        [&self.kind, &self.tier, &self.namespace, &self.name]
    }

    fn other() -> Self {
        Self { kind: OTHER.into(), tier: OTHER.into(), namespace: OTHER.into(), name: OTHER.into() }
    }
}

/// The label `direction`: which end of the flow the policy governs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirectionLabel {
    /// Into the destination.
    Ingress,
    /// Out of the source.
    Egress,
}

impl DirectionLabel {
    const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// The label `verdict`: what a staged policy did with a flow that it selects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerdictLabel {
    /// A rule let the flow through.
    Allow,
    /// A rule, or the end of the tier, dropped it.
    Deny,
    /// A rule left the tier.
    Pass,
    /// None of its rules matched.
    NoMatch,
    /// An earlier policy or tier decided.
    NotReached,
}

impl VerdictLabel {
    const ALL: [Self; 5] = [Self::Allow, Self::Deny, Self::Pass, Self::NoMatch, Self::NotReached];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Pass => "pass",
            Self::NoMatch => "no_match",
            Self::NotReached => "not_reached",
        }
    }
}

/// The label `transition`: what the enforced policies do with a flow that a staged policy denies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransitionLabel {
    /// It is allowed now: enforcing the policy would break it.
    NewlyDenied,
    /// It is denied now too.
    AlreadyDenied,
}

impl TransitionLabel {
    const ALL: [Self; 2] = [Self::NewlyDenied, Self::AlreadyDenied];

    const fn as_str(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly_denied",
            Self::AlreadyDenied => "already_denied",
        }
    }
}

/// The label `reason`: what a flow lacks, so that a policy cannot be judged on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissingLabel {
    /// Labels of either end.
    Labels,
    /// An address.
    Address,
    /// A port, or what a named port stands for.
    Port,
    /// A namespace's labels.
    Namespace,
    /// A service account.
    ServiceAccount,
    /// An ICMP message or an HTTP request.
    Protocol,
    /// The domain names behind an address.
    Domain,
    /// The host endpoint.
    Endpoint,
}

impl MissingLabel {
    const ALL: [Self; 8] = [
        Self::Labels,
        Self::Address,
        Self::Port,
        Self::Namespace,
        Self::ServiceAccount,
        Self::Protocol,
        Self::Domain,
        Self::Endpoint,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Address => "address",
            Self::Port => "port",
            Self::Namespace => "namespace",
            Self::ServiceAccount => "service_account",
            Self::Protocol => "protocol",
            Self::Domain => "domain",
            Self::Endpoint => "endpoint",
        }
    }

    /// Finds the reason for an attribute as the evaluation names it, such as `source labels`.
    #[must_use]
    pub fn from_attribute(name: &str) -> Option<Self> {
        Some(match name {
            "source labels" | "destination labels" => Self::Labels,
            "source address" | "destination address" => Self::Address,
            "source port" | "destination port" | "named ports" => Self::Port,
            "source namespace" | "destination namespace" => Self::Namespace,
            "source service account" | "destination service account" => Self::ServiceAccount,
            "ICMP type and code" | "HTTP request" => Self::Protocol,
            "domain names" => Self::Domain,
            "host endpoint" => Self::Endpoint,
            _ => return None,
        })
    }
}

/// Flows that a staged policy denies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeniedFlows {
    /// How many records.
    pub flows: u64,
    /// The connections that they speak of.
    pub connections: u64,
    /// Their bytes, both ways.
    pub bytes: u64,
}

/// The counters of one staged policy.
pub struct PolicySlot {
    series: PolicySeries,
    flows: [[Counter; 5]; 2],
    denied_flows: [[Counter; 2]; 2],
    denied_connections: [[Counter; 2]; 2],
    denied_bytes: [[Counter; 2]; 2],
    newly_allowed: [Counter; 2],
    indeterminate: [Counter; 8],
    // A gauge at 0 would say 1970, so this one is born with its first value.
    last_deny: OnceLock<Gauge>,
    last_deny_family: Gauges<4>,
}

impl PolicySlot {
    fn create(families: &Families, series: PolicySeries) -> Self {
        let [kind, tier, namespace, name] = series.labels();
        families.staged_policy_info.with([kind, tier, namespace, name]).set(1.0);
        let by_transition = |counter: &dyn Fn([&str; 6]) -> Counter| {
            DirectionLabel::ALL.map(|direction| {
                TransitionLabel::ALL.map(|transition| {
                    counter([kind, tier, namespace, name, direction.as_str(), transition.as_str()])
                })
            })
        };
        Self {
            flows: DirectionLabel::ALL.map(|direction| {
                VerdictLabel::ALL.map(|verdict| {
                    let labels = [kind, tier, namespace, name, direction.as_str(), verdict.as_str()];
                    families.staged_flows.with(labels)
                })
            }),
            denied_flows: by_transition(&|labels| families.staged_denied_flows.with(labels)),
            denied_connections: by_transition(&|labels| families.staged_denied_connections.with(labels)),
            denied_bytes: by_transition(&|labels| families.staged_denied_bytes.with(labels)),
            newly_allowed: DirectionLabel::ALL.map(|direction| {
                families.staged_newly_allowed_flows.with([kind, tier, namespace, name, direction.as_str()])
            }),
            indeterminate: MissingLabel::ALL.map(|reason| {
                families.staged_indeterminate_flows.with([kind, tier, namespace, name, reason.as_str()])
            }),
            last_deny: OnceLock::new(),
            last_deny_family: families.staged_policy_last_deny_timestamp.clone(),
            series,
        }
    }

    fn remove(&self, families: &Families) {
        let [kind, tier, namespace, name] = self.series.labels();
        families.staged_policy_info.remove([kind, tier, namespace, name]);
        families.staged_policy_last_deny_timestamp.remove([kind, tier, namespace, name]);
        for direction in DirectionLabel::ALL.map(DirectionLabel::as_str) {
            for verdict in VerdictLabel::ALL.map(VerdictLabel::as_str) {
                families.staged_flows.remove([kind, tier, namespace, name, direction, verdict]);
            }
            for transition in TransitionLabel::ALL.map(TransitionLabel::as_str) {
                let labels = [kind, tier, namespace, name, direction, transition];
                families.staged_denied_flows.remove(labels);
                families.staged_denied_connections.remove(labels);
                families.staged_denied_bytes.remove(labels);
            }
            families.staged_newly_allowed_flows.remove([kind, tier, namespace, name, direction]);
        }
        for reason in MissingLabel::ALL.map(MissingLabel::as_str) {
            families.staged_indeterminate_flows.remove([kind, tier, namespace, name, reason]);
        }
    }

    /// Adds flows that the policy selects, by what it did with them.
    pub fn add_flows(&self, direction: DirectionLabel, verdict: VerdictLabel, flows: u64) {
        self.flows[direction as usize][verdict as usize].add(flows);
    }

    /// Adds flows that the policy denies; `seconds` is the latest event time among them, as Unix time.
    pub fn add_denied(
        &self,
        direction: DirectionLabel,
        transition: TransitionLabel,
        denied: DeniedFlows,
        seconds: f64,
    ) {
        let DeniedFlows { flows, connections, bytes } = denied;
        self.denied_flows[direction as usize][transition as usize].add(flows);
        self.denied_connections[direction as usize][transition as usize].add(connections);
        self.denied_bytes[direction as usize][transition as usize].add(bytes);
        if flows > 0 {
            self.last_deny.get_or_init(|| self.last_deny_family.with(self.series.labels())).raise_to(seconds);
        }
    }

    /// Adds flows that are dropped now and that the policy would let through.
    pub fn add_newly_allowed(&self, direction: DirectionLabel, flows: u64) {
        self.newly_allowed[direction as usize].add(flows);
    }

    /// Adds flows that the policy cannot be judged on.
    pub fn add_indeterminate(&self, missing: MissingLabel, flows: u64) {
        self.indeterminate[missing as usize].add(flows);
    }

    /// Returns the denied flows so far, both directions together.
    #[must_use]
    pub fn denied(&self, transition: TransitionLabel) -> u64 {
        self.denied_flows.iter().map(|it| it[transition as usize].get()).sum()
    }

    /// Returns the flows that were judged so far, both directions and all verdicts together.
    #[must_use]
    pub fn evaluated(&self) -> u64 {
        self.flows.iter().flatten().map(Counter::get).sum()
    }

    /// Returns the flows that are dropped now and that the policy would let through, so far.
    #[must_use]
    pub fn newly_allowed(&self) -> u64 {
        self.newly_allowed.iter().map(Counter::get).sum()
    }

    /// Returns the flows that could not be judged so far.
    #[must_use]
    pub fn indeterminate(&self) -> u64 {
        self.indeterminate.iter().map(Counter::get).sum()
    }
}

impl fmt::Debug for PolicySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicySlot({:?})", self.series)
    }
}

/// The counters of one policy set, by each policy's place in the list that was installed.
#[derive(Clone, Default, Debug)]
pub struct PolicyCounters(Arc<[Arc<PolicySlot>]>);

impl PolicyCounters {
    /// Returns the counters of the policy at `place` of the list that was installed.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&PolicySlot> {
        self.0.get(place).map(AsRef::as_ref)
    }

    /// Returns how many policies were installed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether the set has no staged policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The policies that have series now.
#[derive(Default, Debug)]
pub(super) struct Installed {
    slots: HashMap<PolicySeries, Arc<PolicySlot>>,
    other: Option<Arc<PolicySlot>>,
}

impl Installed {
    /// Removes what is not in `policies`, creates what is new, and keeps the counts of what stays.
    pub(super) fn install(&mut self, families: &Families, policies: &[PolicySeries]) -> PolicyCounters {
        self.slots.retain(|series, slot| {
            let stays = policies.contains(series);
            if !stays {
                slot.remove(families);
            }
            stays
        });
        let slots = policies.iter().map(|series| self.slot(families, series)).collect();
        PolicyCounters(slots)
    }

    fn slot(&mut self, families: &Families, series: &PolicySeries) -> Arc<PolicySlot> {
        if let Some(slot) = self.slots.get(series) {
            return Arc::clone(slot);
        }
        if self.slots.len() < POLICIES_MAX {
            let slot = Arc::new(PolicySlot::create(families, series.clone()));
            self.slots.insert(series.clone(), Arc::clone(&slot));
            return slot;
        }
        families.series_dropped.with(["flowstage_staged_policy_info"]).inc();
        let other =
            self.other.get_or_insert_with(|| Arc::new(PolicySlot::create(families, PolicySeries::other())));
        Arc::clone(other)
    }
}
