//! Turns walks into judgements.

use super::class::Class;
use super::connection::Connection;
use super::found::{Hit, Hitter, Walked};
use super::options::EndOfTier;
use super::party::{Owner, Party};
use super::plan::Plan;
use super::programs::Programs;
use super::rule::Facts;
use super::verdict::{Answer, Judgement, Missing, Outcome, StagedHit, Verdict};
use super::walk::{Scope, walk};
use super::whereabouts::Family;
use crate::model::{
    Action, Direction, HitOwner, IcmpMessage, Name, PolicyHit, PolicyId, Protocol, RuleIndex, RuleRef, Trace,
};

/// Sets of policies are tried for joint blame in order of size, up to so many: all sets of twelve policies, or all
/// pairs and triples of twenty-nine. A few milliseconds at worst, once for a judgement. Beyond it policies are left
/// out one by one, which ends at a set of which none can be spared, but perhaps not at a smallest.
const JOINT_BLAME_WALKS_MAX: u32 = 4_096;

/// What is asked, without the ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Service {
    pub(super) direction: Direction,
    pub(super) protocol: Protocol,
    pub(super) source_port: Option<u16>,
    pub(super) dest_port: Option<u16>,
    pub(super) icmp: Option<IcmpMessage>,
}

/// One question to the programs: an end with its plan, the other end, and a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) programs: &'a Programs,
    pub(super) plan: &'a Plan,
    /// The IP version; nothing when neither end tells it.
    pub(super) family: Option<Family>,
    pub(super) subject: &'a Class,
    pub(super) peer: &'a Class,
    pub(super) service: Service,
}

/// Which of the two verdicts is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    Enforced,
    Pending,
}

/// Buffers that outlive a case.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) enforced: Walked,
    pub(super) pending: Walked,
}

impl Scratch {
    /// Tells whether the staged policies deny what is allowed, so that some are to blame.
    pub(super) fn may_blame(&self) -> bool {
        self.enforced.may_allow && self.pending.may_deny
    }
}

impl<'a> Case<'a> {
    pub(super) const fn owner(&self) -> &'a Owner {
        &self.subject.owner
    }

    pub(super) const fn facts(&self) -> Facts<'a> {
        let Service { direction, protocol, source_port, dest_port, icmp } = self.service;
        let (source, dest) = match direction {
            Direction::Egress => (self.subject, self.peer),
            Direction::Ingress => (self.peer, self.subject),
        };
        Facts { direction, family: self.family, source, dest, protocol, source_port, dest_port, icmp }
    }

    fn run(&self, scope: Scope<'_>, found: &mut Walked) {
        walk(self.programs, self.plan, self.owner(), scope, &self.facts(), found);
    }

    /// Tells whether what is pending can differ from what is enforced.
    fn has_pending(&self) -> bool {
        let is_host = matches!(self.owner(), Owner::Host(_) | Owner::UnknownHost | Owner::Forwarded);
        self.plan.has_staged && !(is_host && self.programs.switches().hosts_not_pending)
    }

    /// Tells whether the verdict is the same for every peer and service: nothing applies, and nobody's profiles have
    /// rules.
    pub(super) fn asks_nothing(&self) -> bool {
        let asks = match self.owner() {
            Owner::Host(_) => true,
            Owner::Pod(_) | Owner::UnknownHost | Owner::Forwarded | Owner::Nobody => false,
        };
        self.plan.tiers.is_empty() && !asks
    }

    /// Walks both programs.
    pub(super) fn walk_both(&self, scratch: &mut Scratch) {
        self.run(Scope::Enforced, &mut scratch.enforced);
        if self.has_pending() {
            self.run(Scope::Pending, &mut scratch.pending);
        } else {
            scratch.pending.clone_from(&scratch.enforced);
        }
    }

    /// Answers what is enforced, alone.
    pub(super) fn enforced(&self) -> Verdict {
        self.answer(Scope::Enforced, self.programs.options().end_of_tier)
    }

    /// Answers what is pending, alone.
    fn pending(&self) -> Verdict {
        self.answer(if self.has_pending() { Scope::Pending } else { Scope::Enforced }, EndOfTier::First)
    }

    fn answer(&self, scope: Scope<'_>, end_of_tier: EndOfTier) -> Verdict {
        let mut found = Walked::default();
        self.run(scope, &mut found);
        self.verdict(&found, end_of_tier)
    }

    /// Builds the judgement from what [`Case::walk_both`] found.
    pub(super) fn judgement(&self, scratch: &Scratch) -> Judgement {
        let enforced = self.verdict(&scratch.enforced, self.programs.options().end_of_tier);
        let pending = self.verdict(&scratch.pending, EndOfTier::First);
        let staged: Vec<StagedHit> = scratch
            .pending
            .staged
            .iter()
            .map(|(policy, result)| StagedHit { policy: *policy, result: result.single() })
            .collect();
        let mut blame = Vec::new();
        let outcome = match (enforced.answer, pending.answer) {
            (Answer::Undetermined(a), Answer::Undetermined(b)) => {
                Outcome::Undetermined { missing: a.union(b) }
            }
            (Answer::Undetermined(missing), _) | (_, Answer::Undetermined(missing)) => {
                Outcome::Undetermined { missing }
            }
            (Answer::Allow, Answer::Allow) | (Answer::Deny, Answer::Deny) => Outcome::Agrees,
            (Answer::Deny, Answer::Allow) => Outcome::WouldAllow { by: self.decider(&pending) },
            (Answer::Allow, Answer::Deny) => {
                blame = self.blame(&staged);
                self.would_deny(&pending, &blame)
            }
        };
        Judgement { direction: self.service.direction, enforced, pending, outcome, blame, staged }
    }

    fn verdict(&self, found: &Walked, end_of_tier: EndOfTier) -> Verdict {
        let answer = if found.is_error {
            Answer::Undetermined(Missing::NOTHING)
        } else if found.may_allow && found.may_deny {
            Answer::Undetermined(found.missing)
        } else if found.may_allow {
            Answer::Allow
        } else {
            Answer::Deny
        };
        let count = match answer {
            // Calico publishes no part of a trace that ended in an error.
            Answer::Undetermined(_) if found.is_error => 0,
            Answer::Undetermined(_) => found.hits_before_doubt.unwrap_or(usize::MAX),
            Answer::Allow | Answer::Deny => usize::MAX,
        };
        let hits = found.hits.iter().take(count).filter_map(|it| self.policy_hit(it, end_of_tier));
        Verdict { answer, trace: Trace(hits.collect()) }
    }

    fn policy_hit(&self, hit: &Hit, end_of_tier: EndOfTier) -> Option<PolicyHit> {
        let owner = match hit.by {
            Hitter::Policy(policy) => {
                let charged = match (hit.rule, end_of_tier) {
                    (None, EndOfTier::Last) => hit.last,
                    (Some(_), _) | (None, EndOfTier::First) => policy,
                };
                let policy = self.programs.written(charged)?;
                HitOwner::Policy { tier: policy.tier.clone(), policy: policy.id.clone() }
            }
            Hitter::Profile(place) => HitOwner::Profile(self.profile(place)?),
        };
        let rule = hit.rule.map_or(RuleIndex::EndOfTier, RuleIndex::Rule);
        Some(PolicyHit { owner, action: hit.action, rule })
    }

    fn profile(&self, place: u32) -> Option<Name> {
        match self.owner() {
            Owner::Pod(namespace) => Some(Name::from(format!("kns.{namespace}"))),
            Owner::Host(profiles) => profiles.get(usize::try_from(place).ok()?).cloned(),
            Owner::UnknownHost | Owner::Forwarded | Owner::Nobody => None,
        }
    }

    /// Returns the rule that decided: the last hit, or, where no profile matched and so no hit was left, the last
    /// profile without a rule.
    fn decider(&self, verdict: &Verdict) -> RuleRef {
        let direction = self.service.direction;
        let last = verdict.trace.0.last().filter(|it| it.action != Action::Pass);
        if let Some(hit) = last {
            return RuleRef { owner: hit.owner.clone(), direction, rule: hit.rule };
        }
        let last = match self.owner() {
            Owner::Host(profiles) => profiles.last().cloned(),
            Owner::Pod(_) | Owner::UnknownHost | Owner::Forwarded | Owner::Nobody => None,
        };
        let owner = HitOwner::Profile(last.unwrap_or_else(|| Name::from("")));
        RuleRef { owner, direction, rule: RuleIndex::Unknown }
    }

    fn would_deny(&self, pending: &Verdict, blame: &[PolicyId]) -> Outcome {
        let by = self.decider(pending);
        let staged_owner = match &by.owner {
            HitOwner::Policy { policy, .. } if policy.kind.is_staged() => Some(policy.clone()),
            HitOwner::Policy { .. } | HitOwner::Profile(_) => None,
        };
        match staged_owner.or_else(|| blame.first().cloned()) {
            Some(charged) => Outcome::WouldDeny { by, charged },
            // Only staged policies can tell the two verdicts apart, and together they do; so this is not reached.
            None => Outcome::Agrees,
        }
    }

    /// Returns the staged policies that deny alone; if none does, a smallest set that does together.
    fn blame(&self, staged: &[StagedHit]) -> Vec<PolicyId> {
        let all: Vec<u32> = staged.iter().map(|it| it.policy).collect();
        let mut found = Walked::default();
        let mut denies = |some: &[u32]| {
            self.run(Scope::With(some), &mut found);
            found.may_deny && !found.may_allow && !found.is_error
        };
        let alone: Vec<u32> = all.iter().copied().filter(|it| denies(&[*it])).collect();
        let guilty = if alone.is_empty() { jointly(&all, denies) } else { alone };
        guilty.iter().filter_map(|it| self.programs.written(*it)).map(|it| it.id.clone()).collect()
    }
}

/// Returns the first, in the order of evaluation, of the smallest sets that deny together; see
/// [`JOINT_BLAME_WALKS_MAX`].
fn jointly(all: &[u32], mut denies: impl FnMut(&[u32]) -> bool) -> Vec<u32> {
    let mut walks = 0;
    for size in 2..=all.len() {
        let mut places: Vec<usize> = (0..size).collect();
        loop {
            let some: Vec<u32> = places.iter().filter_map(|it| all.get(*it)).copied().collect();
            walks += 1;
            if walks > JOINT_BLAME_WALKS_MAX {
                return without_the_spare(all, denies);
            }
            if denies(&some) {
                return some;
            }
            if !advance(&mut places, all.len()) {
                break;
            }
        }
    }
    all.to_vec()
}

/// Goes to the next choice of as many places below `count`, in lexicographic order; false after the last.
fn advance(places: &mut [usize], count: usize) -> bool {
    let size = places.len();
    let movable = places.iter().enumerate().rposition(|(idx, it)| it + size < count + idx);
    let Some(from) = movable else { return false };
    let Some(first) = places.get(from).map(|it| it + 1) else { return false };
    for (place, value) in places.iter_mut().skip(from).zip(first..) {
        *place = value;
    }
    true
}

/// Leaves out one policy after the other as long as the rest still denies.
fn without_the_spare(all: &[u32], mut denies: impl FnMut(&[u32]) -> bool) -> Vec<u32> {
    let mut left = all.to_vec();
    for policy in all {
        let rest: Vec<u32> = left.iter().copied().filter(|it| it != policy).collect();
        if denies(&rest) {
            left = rest;
        }
    }
    left
}

impl Programs {
    /// Judges one end of a connection, from nothing. A [`Judge`](super::Judge) remembers what it can.
    #[must_use]
    pub fn judge(&self, direction: Direction, connection: &Connection<'_>) -> Judgement {
        self.with_case(direction, connection, |case| {
            let mut scratch = Scratch::default();
            case.walk_both(&mut scratch);
            case.judgement(&scratch)
        })
    }

    /// Answers one of the two questions alone.
    pub(super) fn verdict(&self, which: Which, direction: Direction, connection: &Connection<'_>) -> Verdict {
        self.with_case(direction, connection, |case| match which {
            Which::Enforced => case.enforced(),
            Which::Pending => case.pending(),
        })
    }

    /// Resolves both ends and hands the case on.
    pub(super) fn with_case<T>(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        then: impl FnOnce(&Case<'_>) -> T,
    ) -> T {
        let (subject, peer) = match direction {
            Direction::Egress => (connection.source, connection.dest),
            Direction::Ingress => (connection.dest, connection.source),
        };
        let (subject, peer) = (self.party(subject), self.party(peer));
        let (of_subject, of_peer) = (subject.whereabouts.families(), peer.whereabouts.families());
        let family = match direction {
            Direction::Egress => self.family(of_subject, of_peer, connection.protocol),
            Direction::Ingress => self.family(of_peer, of_subject, connection.protocol),
        };
        // An address that is known has one version, whatever the other end says.
        let class = |party: &Party<'_>| {
            let own = party.whereabouts.address().and_then(|_| party.whereabouts.families().single());
            self.class(party, own.or(family))
        };
        let (subject, peer) = (class(&subject), class(&peer));
        let plan = Plan::new(self, &subject, direction);
        let service = Service {
            direction,
            protocol: connection.protocol,
            source_port: connection.source_port,
            dest_port: connection.dest_port,
            icmp: connection.icmp,
        };
        then(&Case { programs: self, plan: &plan, family, subject: &subject, peer: &peer, service })
    }
}
