//! Tiers, policies, rules, profiles: one path, and all the paths that are possible.

use std::collections::BTreeMap;

use flowstage::evaluate::{Answer, Missing, StagedResult, Verdict};
use flowstage::model::{Action, Direction, HitOwner, Name, PolicyHit, RuleIndex, Trace};
use flowstage::policy::{DefaultAction, Policy, PolicySet, Rule, RuleAction, StagedAction};

use super::ends::{Object, Packet};
use super::rule;
use super::truth::Truth;

/// Whose rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The data plane's, but that a `notNets` with prefixes of the other family alone holds: so the recorded answers
    /// have it, which come from a corrected copy of the checker.
    Strict,
    /// The data plane's to the letter: a rule is not rendered for a family of which its `notNets` have no prefix.
    Rendered,
    /// Those of the checker that writes pending traces.
    Conformance,
}

/// Which policies take part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope<'a> {
    /// Those in force.
    Enforced,
    /// Those in force, and the staged ones as though they were.
    Pending,
    /// Those in force, and these of the staged ones, by their place in the set.
    EnforcedAnd(&'a [usize]),
}

impl Scope<'_> {
    /// A staged removal never takes part: it is dropped before the evaluation.
    fn holds(self, place: usize, policy: &Policy) -> bool {
        if !policy.id.kind.is_staged() {
            return true;
        }
        let joins = match self {
            Self::Enforced => false,
            Self::Pending => true,
            Self::EnforcedAnd(staged) => staged.contains(&place),
        };
        joins && policy.staged_action != Some(StagedAction::Delete)
    }
}

/// Which policy of the tier an end of tier is charged to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// The first in scope, as pending traces do.
    First,
    /// The last that selects the endpoint, as Felix's enforced traces do. Its cache counts policies for untracked and
    /// untranslated traffic too, though pods are not judged by them.
    Last,
}

/// What the end whose policies decide is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Pod,
    /// A host endpoint, of whose own traffic the question is.
    Host,
    /// A host endpoint that the traffic goes through.
    Forwarder,
}

/// The lists that the policies of an endpoint are split into. They are visited in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum List {
    /// Before connection tracking.
    Untracked,
    /// Before translation.
    PreDnat,
    /// What is for the endpoint itself.
    Normal,
    /// What goes through it.
    Forward,
}

impl Role {
    /// Pods have but the normal list. What goes through a host does not come to its normal list.
    fn lists(self) -> &'static [List] {
        match self {
            Self::Pod => &[List::Normal],
            Self::Host => &[List::Untracked, List::PreDnat, List::Normal],
            Self::Forwarder => &[List::Untracked, List::PreDnat, List::Forward],
        }
    }
}

impl List {
    fn holds(self, policy: &Policy) -> bool {
        let flags = &policy.global;
        let is_late = !flags.do_not_track && !flags.pre_dnat;
        match self {
            Self::Untracked => flags.do_not_track,
            Self::PreDnat => flags.pre_dnat,
            Self::Normal => is_late,
            Self::Forward => is_late && flags.apply_on_forward,
        }
    }

    /// In the first two lists a tier has no end: what matches nothing falls through.
    fn has_ends(self) -> bool {
        matches!(self, Self::Normal | Self::Forward)
    }
}

/// The end whose policies decide.
#[derive(Debug)]
pub struct Subject<'a> {
    pub role: Role,
    pub object: &'a Object,
    /// Its profiles by name, each with its rules for the direction.
    pub profiles: Vec<(Name, Vec<Rule>)>,
}

/// A tier with its policies in the order in which they are asked, each with its place in the set.
#[derive(Clone, Debug)]
pub struct Tier<'a> {
    name: Name,
    /// Whether there is such a tier, or only policies name it.
    exists: bool,
    default_action: DefaultAction,
    policies: Vec<(usize, &'a Policy)>,
}

/// One question: who is judged, by which rules, about which packet.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub set: &'a PolicySet,
    pub tiers: &'a [Tier<'a>],
    pub mode: Mode,
    pub charge: Charge,
    pub scope: Scope<'a>,
    pub direction: Direction,
    pub subject: &'a Subject<'a>,
    pub packet: &'a Packet<'a>,
}

/// What came of a question, over all possible paths.
#[derive(Debug)]
pub struct Findings {
    pub verdict: Verdict,
    /// For each staged policy in scope that selects the subject, by its place in the set.
    pub staged: Vec<(usize, StagedResult)>,
}

/// Follows every possible path and says what they have in common.
pub fn answer(question: Question<'_>) -> Findings {
    let mut forks = Forks::default();
    let mut paths = vec![path(question, &mut forks)];
    while forks.turn() {
        paths.push(path(question, &mut forks));
        assert!(paths.len() < 1 << 20, "a world with too much unknown");
    }
    let first = &paths[0];
    let staged = staged_results(question, &paths);
    // The checker publishes nothing where it gives up.
    if paths.iter().any(|it| it.is_error) {
        let verdict = Verdict { answer: Answer::Undetermined(Missing::NOTHING), trace: Trace::default() };
        return Findings { verdict, staged };
    }
    let is_decided = paths.iter().all(|it| it.is_allowed == first.is_allowed);
    let verdict = match (is_decided, first.is_allowed) {
        (true, true) => Verdict { answer: Answer::Allow, trace: Trace(first.hits.clone()) },
        (true, false) => Verdict { answer: Answer::Deny, trace: Trace(first.hits.clone()) },
        (false, _) => Verdict {
            answer: Answer::Undetermined(forks.missing),
            trace: Trace(first.hits[..first.hits_before_fork].to_vec()),
        },
    };
    Findings { verdict, staged }
}

/// The turns taken where a condition is Unknown. The first path says no at every one; [`Forks::turn`] goes on to the
/// next path, until every way was gone.
#[derive(Default, Debug)]
struct Forks {
    turns: Vec<bool>,
    passed: usize,
    missing: Missing,
}

impl Forks {
    fn holds(&mut self, condition: Truth) -> bool {
        match condition {
            Truth::True => true,
            Truth::False => false,
            Truth::Unknown(missing) => {
                self.missing = self.missing.union(missing);
                if self.passed == self.turns.len() {
                    self.turns.push(false);
                }
                self.passed += 1;
                self.turns[self.passed - 1]
            }
        }
    }

    fn turn(&mut self) -> bool {
        self.passed = 0;
        while self.turns.pop_if(|it| *it).is_some() {}
        self.turns.last_mut().is_some_and(|it| !std::mem::replace(it, true))
    }
}

/// One path: every condition is True or False.
#[derive(Debug)]
struct Path {
    is_allowed: bool,
    /// Whether the checker would give up.
    is_error: bool,
    hits: Vec<PolicyHit>,
    hits_before_fork: usize,
    /// What the policies that were asked did; nothing for one that did not select the subject.
    asked: BTreeMap<usize, Option<StagedResult>>,
}

/// How a list of rules or a tier ended.
enum End {
    Decided(bool),
    Next,
}

/// Visits list after list, tier after tier, then the profiles. A port that is failsafe is open before all of them.
fn path(question: Question<'_>, forks: &mut Forks) -> Path {
    let mut path = Path {
        is_allowed: false,
        is_error: false,
        hits: Vec::new(),
        hits_before_fork: usize::MAX,
        asked: BTreeMap::new(),
    };
    let role = question.subject.role;
    if role == Role::Host && ask(forks, &mut path, is_failsafe(question)) {
        path.is_allowed = true;
        return finish(path, forks);
    }
    for list in role.lists() {
        for tier in question.tiers {
            if let End::Decided(is_allowed) = visit_tier(question, *list, tier, forks, &mut path) {
                path.is_allowed = is_allowed;
                return finish(path, forks);
            }
        }
    }
    path.is_allowed = match role {
        Role::Pod | Role::Host => visit_profiles(question, forks, &mut path),
        Role::Forwarder => true,
    };
    finish(path, forks)
}

/// The ports of a host that no policy closes, by protocol number: those of SSH, DHCP, DNS, BGP, etcd, Typha and the
/// API server.
fn is_failsafe(question: Question<'_>) -> Truth {
    const BOTH: [(u8, u16); 7] = [(6, 179), (6, 2379), (6, 2380), (6, 5473), (6, 6443), (6, 6666), (6, 6667)];
    let more = match question.direction {
        Direction::Ingress => [(6, 22), (17, 68)],
        Direction::Egress => [(17, 53), (17, 67)],
    };
    let mut open = BOTH.iter().chain(&more).filter(|(protocol, _)| *protocol == question.packet.protocol.0);
    match question.packet.dest.port {
        Some(port) => Truth::of(open.any(|(_, it)| *it == port)),
        None if open.next().is_some() => Truth::Unknown(Missing::DEST_PORT),
        None => Truth::False,
    }
}

fn finish(mut path: Path, forks: &Forks) -> Path {
    if forks.passed == 0 {
        path.hits_before_fork = path.hits.len();
    }
    path.hits_before_fork = path.hits_before_fork.min(path.hits.len());
    path
}

/// The tiers in order. Those that only policies name come last, by name, and drop at their end.
pub fn tiers(set: &PolicySet) -> Vec<Tier<'_>> {
    let mut tiers: Vec<_> =
        set.tiers().iter().map(|it| (it.order, it.name.clone(), it.default_action)).collect();
    tiers.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut tiers: Vec<_> = tiers.into_iter().map(|(_, name, action)| (name, true, action)).collect();
    let mut dangling: Vec<Name> = set.policies().iter().map(|it| it.tier.clone()).collect();
    dangling.retain(|name| !tiers.iter().any(|(known, _, _)| known == name));
    dangling.sort();
    dangling.dedup();
    tiers.extend(dangling.into_iter().map(|name| (name, false, DefaultAction::Deny)));
    let with_policies = |(name, exists, default_action)| {
        let policies = policies(set, &name);
        Tier { name, exists, default_action, policies }
    };
    tiers.into_iter().map(with_policies).collect()
}

/// The policies of a tier in order, each with its place in the set: by order, those without one last; then by the
/// text of name, namespace and kind.
fn policies<'a>(set: &'a PolicySet, tier: &Name) -> Vec<(usize, &'a Policy)> {
    let all = set.policies().iter().map(AsRef::as_ref).enumerate();
    let mut policies: Vec<(usize, &Policy)> = all.filter(|(_, it)| it.tier == *tier).collect();
    policies.sort_by(|(_, a), (_, b)| {
        let order = |it: &Policy| it.order.value().unwrap_or(f64::INFINITY);
        let text = |it: &Policy| {
            let namespace = it.id.namespace.as_deref().unwrap_or("");
            format!("{}/{namespace}/{}", it.id.name, it.id.kind.as_str())
        };
        order(a).total_cmp(&order(b)).then_with(|| text(a).cmp(&text(b)))
    });
    policies
}

/// Visits the policies of a tier that govern the direction and select the subject. The first rule that matches decides
/// or leaves the tier. If none does, and any policy was in scope, the tier's default action applies.
fn visit_tier(
    question: Question<'_>,
    list: List,
    tier: &Tier<'_>,
    forks: &mut Forks,
    path: &mut Path,
) -> End {
    let gives_up = question.mode == Mode::Conformance && !tier.exists && list.has_ends();
    let mut in_scope: Vec<(usize, &Policy)> = Vec::new();
    let mut hosts_only: Vec<(usize, &Policy)> = Vec::new();
    for (place, policy) in tier.policies.iter().copied() {
        if !question.scope.holds(place, policy) || !policy.types.governs(question.direction) {
            continue;
        }
        if !list.holds(policy) {
            if question.subject.role == Role::Pod {
                hosts_only.push((place, policy));
            }
            continue;
        }
        if !ask(forks, path, rule::policy_selects(policy, question.subject.object)) {
            path.asked.insert(place, None);
            continue;
        }
        in_scope.push((place, policy));
        let namespace = policy.id.namespace.as_ref();
        let hit = first_match(question, list, namespace, policy.rules(question.direction), forks, path);
        let Some((index, action)) = hit else {
            path.is_error |= gives_up;
            path.asked.insert(place, Some(StagedResult::NoMatch));
            continue;
        };
        let result = match action {
            Action::Allow => StagedResult::Allow,
            Action::Deny => StagedResult::Deny,
            Action::Pass => StagedResult::Pass,
        };
        path.asked.insert(place, Some(result));
        path.hits.push(policy_hit(&tier.name, policy, action, RuleIndex::Rule(index)));
        return match action {
            Action::Allow => End::Decided(true),
            Action::Deny => End::Decided(false),
            Action::Pass => End::Next,
        };
    }
    let Some((place, policy)) = in_scope.first().copied() else { return End::Next };
    if !list.has_ends() {
        return End::Next;
    }
    let policy = match question.charge {
        Charge::First => policy,
        Charge::Last => last_selecting(question, &in_scope, &hosts_only),
    };
    match tier.default_action {
        DefaultAction::Pass => {
            path.hits.push(policy_hit(&tier.name, policy, Action::Pass, RuleIndex::EndOfTier));
            End::Next
        }
        DefaultAction::Deny => {
            path.hits.push(policy_hit(&tier.name, policy, Action::Deny, RuleIndex::EndOfTier));
            path.asked.insert(place, Some(StagedResult::Deny));
            End::Decided(false)
        }
    }
}

/// The last policy of the tier that selects the subject, whether or not pods are judged by it.
fn last_selecting<'a>(
    question: Question<'_>,
    in_scope: &[(usize, &'a Policy)],
    hosts_only: &[(usize, &'a Policy)],
) -> &'a Policy {
    let selects = |it: &Policy| rule::policy_selects(it, question.subject.object) == Truth::True;
    let hosts_only = hosts_only.iter().filter(|(_, it)| selects(it));
    let last = in_scope.iter().chain(hosts_only).max_by_key(|(place, _)| *place);
    last.expect("the tier has a policy in scope").1
}

/// The first rule that matches and does more than write a log line.
fn first_match(
    question: Question<'_>,
    list: List,
    policy_namespace: Option<&Name>,
    rules: &[Rule],
    forks: &mut Forks,
    path: &mut Path,
) -> Option<(u32, Action)> {
    for (index, rule) in (0..).zip(rules) {
        let RuleAction::Terminal(action) = rule.action else { continue };
        let seen = if list == List::PreDnat { rule::Seen::BeforeTranslation } else { rule::Seen::Final };
        let cluster = question.set.cluster();
        let matches = rule::matches(question.mode, cluster, policy_namespace, rule, question.packet, seen);
        if ask(forks, path, matches) {
            return Some((index, action));
        }
    }
    None
}

/// Visits the profiles: the first rule that matches decides; a pass there is a deny, and so is no match at all.
fn visit_profiles(question: Question<'_>, forks: &mut Forks, path: &mut Path) -> bool {
    for (name, rules) in &question.subject.profiles {
        if let Some((index, action)) = first_match(question, List::Normal, None, rules, forks, path) {
            let action = if action == Action::Allow { Action::Allow } else { Action::Deny };
            let owner = HitOwner::Profile(name.clone());
            path.hits.push(PolicyHit { owner, action, rule: RuleIndex::Rule(index) });
            return action == Action::Allow;
        }
    }
    false
}

fn ask(forks: &mut Forks, path: &mut Path, condition: Truth) -> bool {
    if forks.passed == 0 && matches!(condition, Truth::Unknown(_)) {
        path.hits_before_fork = path.hits.len();
    }
    forks.holds(condition)
}

fn policy_hit(tier: &Name, policy: &Policy, action: Action, rule: RuleIndex) -> PolicyHit {
    let owner = HitOwner::Policy { tier: tier.clone(), policy: policy.id.clone() };
    PolicyHit { owner, action, rule }
}

/// What each staged policy in scope did on every path; undetermined where the paths differ.
fn staged_results(question: Question<'_>, paths: &[Path]) -> Vec<(usize, StagedResult)> {
    let mut results = Vec::new();
    let lists = question.subject.role.lists().iter();
    for (list, tier) in lists.flat_map(|list| question.tiers.iter().map(move |tier| (list, tier))) {
        for (place, policy) in tier.policies.iter().copied() {
            let takes_part = policy.id.kind.is_staged()
                && question.scope.holds(place, policy)
                && policy.types.governs(question.direction)
                && list.holds(policy);
            if !takes_part || rule::policy_selects(policy, question.subject.object) == Truth::False {
                continue;
            }
            let on = |path: &Path| path.asked.get(&place).copied().unwrap_or(Some(StagedResult::NotReached));
            let first = on(&paths[0]);
            let result = match first {
                Some(result) if paths.iter().all(|it| on(it) == first) => result,
                _ => StagedResult::Undetermined,
            };
            results.push((place, result));
        }
    }
    results
}
