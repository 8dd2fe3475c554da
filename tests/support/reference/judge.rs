//! Enforced against pending, what each staged policy did, and who is to blame.

use flowstage::evaluate::{Answer, Connection, Judgement, Missing, Outcome, StagedHit, Verdict};
use flowstage::model::{
    Action, Direction, EndpointKind, HitOwner, Name, PolicyId, RuleIndex, RuleRef, Trace,
};
use flowstage::policy::{PolicySet, Rule, RuleAction};

use super::ends::{End, Packet, host_of, object_of_host};
use super::walk::{self, Charge, Findings, Mode, Question, Role, Scope, Subject, Tier};

/// The slow evaluator of one policy set.
#[derive(Clone, Debug)]
pub struct Reference<'a> {
    set: &'a PolicySet,
    tiers: Vec<Tier<'a>>,
    mode: Mode,
}

impl<'a> Reference<'a> {
    pub fn new(set: &'a PolicySet, mode: Mode) -> Self {
        Self { set, tiers: walk::tiers(set), mode }
    }

    /// The answer of one end with the policies of `scope`.
    pub fn verdict(
        &self,
        scope: Scope<'_>,
        charge: Charge,
        direction: Direction,
        connection: &Connection<'_>,
    ) -> Verdict {
        self.ask(scope, charge, direction, connection).verdict
    }

    /// What the host endpoint of this name, through which the connection goes, says with the policies of `scope`.
    pub fn forwarded(
        &self,
        host: &Name,
        scope: Scope<'_>,
        direction: Direction,
        connection: &Connection<'_>,
    ) -> Verdict {
        let packet = Packet::new(self.set.cluster(), connection);
        let host = object_of_host(self.set.cluster(), host).expect("a host endpoint of the catalog");
        let subject = Subject { role: Role::Forwarder, object: &host, profiles: Vec::new() };
        walk::answer(self.question(scope, Charge::First, direction, &subject, &packet)).verdict
    }

    /// Everything that is said of one end.
    pub fn judge(&self, direction: Direction, connection: &Connection<'_>) -> Judgement {
        let ask = |scope: Scope<'_>| self.ask(scope, Charge::First, direction, connection);
        let enforced = ask(Scope::Enforced).verdict;
        let Findings { verdict: pending, staged } = ask(Scope::Pending);
        let places: Vec<usize> = staged.iter().map(|(place, _)| *place).collect();
        let would_deny = enforced.answer == Answer::Allow && pending.answer == Answer::Deny;
        let blame = if would_deny {
            blame(&places, &|staged| ask(Scope::EnforcedAnd(staged)).verdict.answer == Answer::Deny)
        } else {
            Vec::new()
        };
        let blame: Vec<PolicyId> =
            blame.into_iter().map(|place| self.set.policies()[place].id.clone()).collect();
        let hits = staged
            .into_iter()
            .map(|(place, result)| StagedHit { policy: u32::try_from(place).expect("few policies"), result });
        Judgement {
            direction,
            outcome: outcome(direction, &enforced, &pending, &blame),
            staged: hits.collect(),
            enforced,
            pending,
            blame,
        }
    }

    fn ask(
        &self,
        scope: Scope<'_>,
        charge: Charge,
        direction: Direction,
        connection: &Connection<'_>,
    ) -> Findings {
        let packet = Packet::new(self.set.cluster(), connection);
        let end = match direction {
            Direction::Egress => &packet.source,
            Direction::Ingress => &packet.dest,
        };
        // The checker evaluates pods alone: what is pending at a host is what is enforced.
        let is_host = end.endpoint.kind == EndpointKind::Host;
        let scope = match scope {
            Scope::Pending if is_host && self.mode == Mode::Conformance => Scope::Enforced,
            other => other,
        };
        let Some(subject) = self.subject(direction, end) else {
            let answer = Answer::Undetermined(Missing::ENDPOINT);
            return Findings { verdict: Verdict { answer, trace: Trace::default() }, staged: Vec::new() };
        };
        walk::answer(self.question(scope, charge, direction, &subject, &packet))
    }

    fn question<'q>(
        &'q self,
        scope: Scope<'q>,
        charge: Charge,
        direction: Direction,
        subject: &'q Subject<'q>,
        packet: &'q Packet<'q>,
    ) -> Question<'q> {
        let Self { set, tiers, mode } = self;
        Question { set, tiers, mode: *mode, charge, scope, direction, subject, packet }
    }

    /// The end whose policies decide; nothing for an end that has none, for a host that the catalog does not have, and
    /// for a pod of which not even the namespace is known.
    fn subject<'b>(&self, direction: Direction, end: &'b End<'_>) -> Option<Subject<'b>> {
        let object = end.own.as_ref()?;
        let profiles = match end.endpoint.kind {
            EndpointKind::Workload => vec![namespace_profile(end.endpoint.namespace.as_ref()?)],
            EndpointKind::Host => self.host_profiles(direction, end)?,
            EndpointKind::NetworkSet | EndpointKind::Network => return None,
        };
        let role = if end.endpoint.kind == EndpointKind::Host { Role::Host } else { Role::Pod };
        Some(Subject { role, object, profiles })
    }

    /// The profiles that a host endpoint lists. One that does not exist denies; the checker skips it.
    fn host_profiles(&self, direction: Direction, end: &End<'_>) -> Option<Vec<(Name, Vec<Rule>)>> {
        let cluster = self.set.cluster();
        let host = host_of(cluster, end.endpoint)?;
        let is_skipped = |name: &Name| self.mode == Mode::Conformance && !self.exists(name);
        let profile = |name: &Name| match cluster.profiles.iter().find(|it| it.name == *name) {
            Some(profile) => match direction {
                Direction::Ingress => profile.ingress.clone(),
                Direction::Egress => profile.egress.clone(),
            },
            None if self.allows_all(name) => vec![everything(Action::Allow)],
            None => vec![everything(Action::Deny)],
        };
        let profiles = host.profiles.iter().filter(|it| !is_skipped(it));
        Some(profiles.map(|name| (name.clone(), profile(name))).collect())
    }

    /// Whether there is a profile: one that was written, the one that automatic host endpoints have, or that of a
    /// namespace.
    fn exists(&self, profile: &Name) -> bool {
        let profiles = &self.set.cluster().profiles;
        self.allows_all(profile) || profiles.iter().any(|it| it.name == *profile)
    }

    fn allows_all(&self, profile: &Name) -> bool {
        let namespaces = &self.set.cluster().namespaces;
        let of_namespace = |name: &str| namespaces.iter().any(|it| it.name.as_str() == name);
        *profile == "projectcalico-default-allow" || profile.strip_prefix("kns.").is_some_and(of_namespace)
    }
}

/// A pod's first profile is that of its namespace, which allows everything in both directions.
fn namespace_profile(namespace: &Name) -> (Name, Vec<Rule>) {
    (Name::from(format!("kns.{namespace}")), vec![everything(Action::Allow)])
}

fn everything(action: Action) -> Rule {
    Rule::new(RuleAction::Terminal(action))
}

/// The one verdict against the other.
fn outcome(direction: Direction, enforced: &Verdict, pending: &Verdict, blame: &[PolicyId]) -> Outcome {
    let by = || {
        let (owner, rule) = match pending.trace.0.last() {
            Some(hit) => (hit.owner.clone(), hit.rule),
            None => (HitOwner::Profile(Name::from("")), RuleIndex::Unknown),
        };
        RuleRef { owner, direction, rule }
    };
    match (enforced.answer, pending.answer) {
        (Answer::Undetermined(a), Answer::Undetermined(b)) => Outcome::Undetermined { missing: a.union(b) },
        (Answer::Undetermined(missing), _) | (_, Answer::Undetermined(missing)) => {
            Outcome::Undetermined { missing }
        }
        (Answer::Allow, Answer::Allow) | (Answer::Deny, Answer::Deny) => Outcome::Agrees,
        (Answer::Allow, Answer::Deny) => {
            let by = by();
            let charged = match &by.owner {
                HitOwner::Policy { policy, .. } if policy.kind.is_staged() => policy.clone(),
                HitOwner::Policy { .. } | HitOwner::Profile(_) => {
                    blame.first().expect("without staged policies it was allowed").clone()
                }
            };
            Outcome::WouldDeny { by, charged }
        }
        (Answer::Deny, Answer::Allow) => Outcome::WouldAllow { by: by() },
    }
}

/// The staged policies that each alone would deny, on top of the enforced ones; if none does, the first of the
/// smallest sets that jointly do.
fn blame(staged: &[usize], denies: &dyn Fn(&[usize]) -> bool) -> Vec<usize> {
    let alone: Vec<usize> = staged.iter().copied().filter(|it| denies(&[*it])).collect();
    if !alone.is_empty() {
        return alone;
    }
    (2..=staged.len())
        .flat_map(|size| subsets(staged, size))
        .find(|subset| denies(subset))
        .expect("all of them together deny")
}

/// All subsets of a size, in the order of their members.
fn subsets(items: &[usize], size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let with_first = |at: usize| {
        subsets(&items[at + 1..], size - 1).into_iter().map(move |mut rest| {
            rest.insert(0, items[at]);
            rest
        })
    };
    (0..items.len()).flat_map(with_first).collect()
}
