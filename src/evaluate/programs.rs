//! One revision of a policy set, compiled.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::change::{Change, is_same, origins, places};
use super::class::{Class, classify};
use super::compiled::{Chain, CompiledPolicy, Rules, SelectedBy};
use super::compose::{policy_selector, rule_namespace};
use super::options::{Families, Mode, Options, Switches};
use super::party::Party;
use super::plan::TierEnd;
use super::port_classes::PortClasses;
use super::question::{Question, QuestionId, Questions};
use super::roster::Roster;
use super::rule::CompiledRule;
use super::whereabouts::{Family, FamilySet, is_short};
use crate::model::{Direction, Endpoint, Name, Protocol};
use crate::policy::{Policy, PolicySet, Profile, Revision, StagedAction};

/// Enforced and pending programs of one revision; always swapped together.
#[derive(Debug)]
pub struct Programs {
    set: Arc<PolicySet>,
    options: Options,
    switches: Switches,
    roster: Arc<Roster>,
    questions: Arc<Questions>,
    policies: Vec<CompiledPolicy>,
    profiles: HashMap<Name, Rules>,
    selected_by: SelectedBy,
    /// Names of tiers that do not exist, in order.
    dangling: Vec<Name>,
    ports: PortClasses,
    /// How many questions the last full compilation had.
    asked: usize,
    /// See [`Programs::checkers`].
    checkers: OnceLock<Vec<Arc<Self>>>,
    /// What programs have in common that descend from one compilation; see [`Programs::continues`].
    lineage: Arc<()>,
}

impl Programs {
    /// Compiles a set by the data plane's rules.
    #[must_use]
    pub fn compile(set: Arc<PolicySet>) -> Self {
        Self::compile_with(set, Options::default())
    }

    /// Compiles a set.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the set is handed over: whoever compiles it shares it"
    )]
    pub fn compile_with(set: Arc<PolicySet>, options: Options) -> Self {
        Self::build(&set, options, None)
    }

    /// Compiles the next set and takes over what is the same, by the same options. Also tells what has changed, so
    /// that only the edges which that touches need be judged again.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the set is handed over: whoever compiles it shares it"
    )]
    pub fn recompile(&self, set: Arc<PolicySet>) -> (Self, Change) {
        // Questions that nobody asks any more are kept, as their places are taken; after so many that they outnumber
        // the others all is compiled anew.
        let asked_at_most = self.asked.saturating_mul(2).saturating_add(1_024);
        let before = (self.questions.len() <= asked_at_most).then_some(self);
        let programs = Self::build(&set, self.options.clone(), before);
        let change = Change::between(self, &programs);
        (programs, change)
    }

    /// Compares with earlier programs, however many revisions ago, so that only what was touched since is judged again.
    #[must_use]
    pub fn change_since(&self, before: &Self) -> Change {
        Change::between(before, self)
    }

    fn build(set: &Arc<PolicySet>, options: Options, before: Option<&Self>) -> Self {
        let switches = options.switches();
        let same_cluster = before.filter(|it| is_same_cluster(&it.set, set));
        let roster =
            same_cluster.map_or_else(|| Arc::new(Roster::new(set.cluster())), |it| Arc::clone(&it.roster));
        let mut programs = Self {
            set: Arc::clone(set),
            options,
            switches,
            roster,
            questions: before.map(|it| Arc::clone(&it.questions)).unwrap_or_default(),
            policies: Vec::with_capacity(set.policies().len()),
            profiles: HashMap::new(),
            selected_by: SelectedBy::default(),
            dangling: Vec::new(),
            ports: PortClasses::default(),
            asked: 0,
            checkers: OnceLock::new(),
            lineage: before.map(|it| Arc::clone(&it.lineage)).unwrap_or_default(),
        };
        let came = programs.compile_policies(before);
        for profile in &set.cluster().profiles {
            let rules = programs.compile_profile(profile);
            programs.profiles.insert(profile.name.clone(), rules);
        }
        programs.selected_by = SelectedBy::new(programs.questions.len(), &programs.policies);
        // Bounds that nobody draws any more part ports that are alike, which does no harm.
        programs.ports = match same_cluster {
            Some(it) if it.questions.others.is_empty() == programs.questions.others.is_empty() => {
                it.ports.with(came.iter().flat_map(|it| it.all()))
            }
            _ => PortClasses::new(&programs),
        };
        programs.asked = before.map_or(programs.questions.len(), |it| it.asked);
        programs
    }

    /// Compiles the policies of the set, but takes over those that `before` had. Returns the rules of the others.
    fn compile_policies(&mut self, before: Option<&Self>) -> Vec<Arc<Rules>> {
        let set = Arc::clone(&self.set);
        let old = before.map_or(&[][..], |it| it.set.policies());
        let origins = origins(&places(old, set.policies()), set.policies().len());
        let tiers = tier_places(&set);
        let mut came = Vec::new();
        let mut tier: Option<(&Name, u32)> = None;
        for (policy, origin) in set.policies().iter().zip(origins) {
            // Policies of one tier stand together.
            let place = match tier {
                Some((name, place)) if policy.tier == *name => place,
                _ => self.tier_place(&tiers, &policy.tier),
            };
            tier = Some((&policy.tier, place));
            let known = origin.filter(|it| old.get(*it).is_some_and(|it| is_same(it, policy)));
            let known = known.and_then(|it| before?.policies.get(it));
            let (selected, rules) = match known {
                Some(known) => (known.selected, Arc::clone(&known.rules)),
                None => {
                    let (selected, rules) = self.compile_policy(policy);
                    came.push(Arc::clone(&rules));
                    (selected, rules)
                }
            };
            self.push(policy, place, selected, rules);
        }
        came
    }

    fn compile_policy(&mut self, policy: &Policy) -> (Option<QuestionId>, Arc<Rules>) {
        let selected = takes_part(policy)
            .then(|| Question::Selected(policy_selector(policy)))
            .map(|it| ask(&mut self.questions, it));
        (selected, Arc::new(self.compile_policy_rules(policy)))
    }

    fn push(&mut self, policy: &Policy, tier: u32, selected: Option<QuestionId>, rules: Arc<Rules>) {
        let chain = if policy.global.do_not_track {
            Chain::Untracked
        } else if policy.global.pre_dnat {
            Chain::Untranslated
        } else {
            Chain::Normal
        };
        let is_staged = policy.id.kind.is_staged();
        self.policies.push(CompiledPolicy { tier, is_staged, types: policy.types, chain, selected, rules });
    }

    fn tier_place(&mut self, tiers: &HashMap<&Name, u32>, name: &Name) -> u32 {
        if let Some(place) = tiers.get(name) {
            return *place;
        }
        // Policies of one such tier stand together, so it is the last one or a new one.
        if self.dangling.last() != Some(name) {
            self.dangling.push(name.clone());
        }
        let place = self.set.tiers().len() + self.dangling.len() - 1;
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn compile_policy_rules(&mut self, policy: &Policy) -> Rules {
        let namespace = rule_namespace(&policy.id);
        let switches = self.switches;
        let mut ask = |question| ask(&mut self.questions, question);
        let mut compile = |direction: Direction| {
            let rules = policy.rules(direction).iter();
            rules.map(|it| CompiledRule::new(it, namespace, direction, &mut ask, switches)).collect()
        };
        Rules::new(compile(Direction::Ingress), compile(Direction::Egress))
    }

    fn compile_profile(&mut self, profile: &Profile) -> Rules {
        let switches = self.switches;
        let mut ask = |question| ask(&mut self.questions, question);
        let mut compile = |rules: &[crate::policy::Rule], direction| {
            rules.iter().map(|it| CompiledRule::new(it, None, direction, &mut ask, switches)).collect()
        };
        Rules::new(compile(&profile.ingress, Direction::Ingress), compile(&profile.egress, Direction::Egress))
    }

    /// Returns the revision of the set.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.set.revision()
    }

    /// Tells whether these programs were compiled from `before`, perhaps in many steps. Two that were compiled from the
    /// same ones share their lineage too, but what each asked since then may stand at the same places.
    pub(super) fn continues(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.lineage, &before.lineage) && self.questions.begin_as(&before.questions)
    }

    /// Returns the set.
    #[must_use]
    pub const fn set(&self) -> &Arc<PolicySet> {
        &self.set
    }

    /// Returns how it was compiled.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the set by the rules of Calico's checker, compiled when first asked for.
    #[must_use]
    pub fn checker(&self) -> Option<&Arc<Self>> {
        self.checkers().first()
    }

    /// Compiles the set by the rules of Calico's checker now, and takes over from `before` what is the same. Without it
    /// whoever asks first does it, from nothing.
    pub fn prepare_checker(&self, before: Option<&Self>) {
        let known = before.and_then(|it| it.checkers.get());
        let known = known.filter(|it| it.len() == checker_switches(&self.set).count());
        let next = |it: &Arc<Self>| Arc::new(it.recompile(Arc::clone(&self.set)).0);
        self.checkers.get_or_init(|| match known {
            Some(known) => known.iter().map(next).collect(),
            None => self.compile_checkers(),
        });
    }

    /// Returns the set by the rules of Calico's checker: as the list of divergences has them, and, where the cluster
    /// has network sets that make a difference, with the defect of one release in them.
    pub(super) fn checkers(&self) -> &[Arc<Self>] {
        self.checkers.get_or_init(|| self.compile_checkers())
    }

    fn compile_checkers(&self) -> Vec<Arc<Self>> {
        let variants = checker_switches(&self.set).map(|switches| {
            let options =
                Options { mode: Mode::Conformance, switches: Some(switches), ..self.options.clone() };
            Arc::new(Self::compile_with(Arc::clone(&self.set), options))
        });
        variants.collect()
    }

    pub(super) const fn switches(&self) -> Switches {
        self.switches
    }

    pub(super) fn questions(&self) -> &Questions {
        &self.questions
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(super) fn policy(&self, index: u32) -> Option<&CompiledPolicy> {
        self.policies.get(usize::try_from(index).ok()?)
    }

    /// Returns a policy as it was written.
    pub(super) fn written(&self, index: u32) -> Option<&Policy> {
        self.set.policies().get(usize::try_from(index).ok()?).map(Arc::as_ref)
    }

    pub(super) fn selected_by(&self, question: QuestionId) -> &[u32] {
        self.selected_by.of(question)
    }

    pub(super) fn profile_rules(&self, name: &Name, direction: Direction) -> Option<&[CompiledRule]> {
        self.profiles.get(name).map(|it| it.of(direction))
    }

    pub(super) fn all_rules(&self) -> impl Iterator<Item = &CompiledRule> {
        let of_policies = self.policies.iter().map(|it| it.rules.as_ref());
        of_policies.chain(self.profiles.values()).flat_map(Rules::all)
    }

    /// Returns the class of a destination port: ports of one class are alike to every rule.
    pub(super) fn port_class(&self, port: Option<u16>) -> u32 {
        self.ports.of(port)
    }

    /// Estimates the memory held by the compiled form, in bytes, without the set that it was compiled from. The form by
    /// the checker's rules counts too, once it is there.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_policies = self.policies.iter().map(|it| it.rules.as_ref());
        let rules: usize = of_policies.chain(self.profiles.values()).map(Rules::bytes).sum();
        let policies = self.policies.capacity() * size_of::<CompiledPolicy>();
        let selected_by = (self.policies.len() + self.questions.len()) * size_of::<u32>();
        let checkers: usize = self.checkers.get().into_iter().flatten().map(|it| it.bytes()).sum();
        rules + policies + selected_by + self.questions.bytes() + self.roster.bytes() + checkers
    }

    pub(super) fn tier_end(&self, tier: u32) -> TierEnd {
        let found = usize::try_from(tier).ok().and_then(|it| self.set.tiers().get(it));
        found.map_or(TierEnd::Dangling, |it| TierEnd::Default(it.default_action))
    }

    /// Returns what is known of an endpoint.
    pub(super) fn party<'a>(&'a self, endpoint: &Endpoint) -> Party<'a> {
        Party::resolve(endpoint, &self.roster, self.set.cluster(), &self.options.pod_networks)
    }

    /// Answers every question for a party, as an address of one IP version, or of either.
    pub(super) fn class(&self, party: &Party<'_>, family: Option<Family>) -> Class {
        classify(party, family, &self.questions, &self.roster, self.switches)
    }

    /// Returns the IP version of a connection between two places: what one of them tells, else what the protocol or
    /// the options do.
    pub(super) fn family(&self, source: FamilySet, dest: FamilySet, protocol: Protocol) -> Option<Family> {
        let implied = match protocol {
            Protocol::ICMP => FamilySet::only(Family::V4),
            Protocol::ICMPV6 => FamilySet::only(Family::V6),
            _ => FamilySet::ALL,
        };
        let assumed = match self.options.families {
            Families::Open => FamilySet::ALL,
            Families::Learned => self.roster.families(),
            Families::V4 => FamilySet::only(Family::V4),
            Families::V6 => FamilySet::only(Family::V6),
        };
        [source, dest, implied, assumed].into_iter().find_map(FamilySet::single)
    }
}

/// Returns the id of a question; a shared table is copied when the question is new to it.
fn ask(questions: &mut Arc<Questions>, question: Question) -> QuestionId {
    questions.known(&question).unwrap_or_else(|| Arc::make_mut(questions).id(question))
}

/// Returns the rules of Calico's checker, once for each way in which they may be meant; see [`Programs::checkers`].
fn checker_switches(set: &PolicySet) -> impl Iterator<Item = Switches> + use<> {
    let has_short = set.cluster().network_sets.iter().flat_map(|it| &it.nets).any(is_short);
    let variants = [false, true].into_iter().take(if has_short { 2 } else { 1 });
    variants.map(|short_set_members_lost| Switches { short_set_members_lost, ..Switches::CHECKER })
}

fn is_same_cluster(one: &PolicySet, other: &PolicySet) -> bool {
    Arc::ptr_eq(one.cluster(), other.cluster()) || one.cluster() == other.cluster()
}

/// Places of the tiers by name.
fn tier_places(set: &PolicySet) -> HashMap<&Name, u32> {
    set.tiers().iter().map(|it| &it.name).zip(0_u32..).collect()
}

/// A staged removal is dropped before anything is evaluated; what it would remove stays.
fn takes_part(policy: &Policy) -> bool {
    policy.staged_action != Some(StagedAction::Delete)
}
