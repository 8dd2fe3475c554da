//! One revision of a policy set, compiled.

use std::collections::HashMap;
use std::sync::Arc;

use super::class::{Class, classify};
use super::compose::{policy_selector, rule_namespace};
use super::options::{Options, Switches};
use super::party::Party;
use super::plan::{Chain, TierEnd};
use super::port_classes::PortClasses;
use super::question::{Question, QuestionId, Questions};
use super::roster::Roster;
use super::rule::CompiledRule;
use super::whereabouts::{Family, FamilySet};
use crate::model::{Direction, Endpoint, Name, Protocol};
use crate::policy::{Policy, PolicySet, Profile, Revision, StagedAction, Types};

/// One policy, compiled.
#[derive(Debug)]
pub(super) struct CompiledPolicy {
    /// The tier, by its place in the set; behind all those for tiers that do not exist.
    pub(super) tier: u32,
    pub(super) is_staged: bool,
    pub(super) types: Types,
    pub(super) chain: Chain,
    rules: Arc<Rules>,
}

/// The rules of a policy or profile, compiled.
#[derive(Debug, Default)]
struct Rules {
    ingress: Vec<CompiledRule>,
    egress: Vec<CompiledRule>,
}

impl Rules {
    fn of(&self, direction: Direction) -> &[CompiledRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl CompiledPolicy {
    pub(super) fn rules(&self, direction: Direction) -> &[CompiledRule] {
        self.rules.of(direction)
    }
}

/// Enforced and pending programs of one revision; always swapped together.
#[derive(Debug)]
pub struct Programs {
    set: Arc<PolicySet>,
    options: Options,
    switches: Switches,
    roster: Arc<Roster>,
    questions: Questions,
    policies: Vec<CompiledPolicy>,
    profiles: HashMap<Name, Rules>,
    /// Policies by the question whether they apply.
    selected_by: HashMap<QuestionId, Vec<u32>>,
    /// Names of tiers that do not exist, in order.
    dangling: Vec<Name>,
    ports: PortClasses,
}

impl Programs {
    /// Compiles a set by the data plane's rules.
    #[must_use]
    pub fn compile(set: Arc<PolicySet>) -> Self {
        Self::compile_with(set, Options::default())
    }

    /// Compiles a set.
    #[must_use]
    pub fn compile_with(set: Arc<PolicySet>, options: Options) -> Self {
        let roster = Arc::new(Roster::new(set.cluster()));
        let switches = options.switches();
        let source = Arc::clone(&set);
        let mut programs = Self {
            set,
            options,
            switches,
            roster,
            questions: Questions::default(),
            policies: Vec::with_capacity(source.policies().len()),
            profiles: HashMap::new(),
            selected_by: HashMap::new(),
            dangling: Vec::new(),
            ports: PortClasses::default(),
        };
        let tiers = tier_places(&source);
        for policy in source.policies() {
            let tier = programs.tier_place(&tiers, &policy.tier);
            let selected = takes_part(policy)
                .then(|| programs.questions.id(Question::Selected(policy_selector(policy))));
            let rules = Arc::new(programs.compile_policy_rules(policy));
            programs.push(policy, tier, selected, rules);
        }
        for profile in &source.cluster().profiles {
            let rules = programs.compile_profile(profile);
            programs.profiles.insert(profile.name.clone(), rules);
        }
        programs.ports = PortClasses::new(&programs);
        programs
    }

    fn push(&mut self, policy: &Policy, tier: u32, selected: Option<QuestionId>, rules: Arc<Rules>) {
        let index = u32::try_from(self.policies.len()).unwrap_or(u32::MAX);
        if let Some(question) = selected {
            self.selected_by.entry(question).or_default().push(index);
        }
        let chain = if policy.global.do_not_track {
            Chain::Untracked
        } else if policy.global.pre_dnat {
            Chain::Untranslated
        } else {
            Chain::Normal
        };
        let is_staged = policy.id.kind.is_staged();
        self.policies.push(CompiledPolicy { tier, is_staged, types: policy.types, chain, rules });
    }

    fn tier_place(&mut self, tiers: &HashMap<Name, u32>, name: &Name) -> u32 {
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
        let questions = &mut self.questions;
        let mut compile = |direction: Direction| {
            policy
                .rules(direction)
                .iter()
                .map(|it| CompiledRule::new(it, namespace, direction, questions, switches))
                .collect()
        };
        Rules { ingress: compile(Direction::Ingress), egress: compile(Direction::Egress) }
    }

    fn compile_profile(&mut self, profile: &Profile) -> Rules {
        let switches = self.switches;
        let questions = &mut self.questions;
        let mut compile = |rules: &[crate::policy::Rule], direction| {
            rules.iter().map(|it| CompiledRule::new(it, None, direction, questions, switches)).collect()
        };
        Rules {
            ingress: compile(&profile.ingress, Direction::Ingress),
            egress: compile(&profile.egress, Direction::Egress),
        }
    }

    /// Returns the revision of the set.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.set.revision()
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

    pub(super) const fn switches(&self) -> Switches {
        self.switches
    }

    pub(super) const fn questions(&self) -> &Questions {
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
        self.set.policies().get(usize::try_from(index).ok()?)
    }

    pub(super) fn selected_by(&self, question: QuestionId) -> &[u32] {
        self.selected_by.get(&question).map_or(&[], Vec::as_slice)
    }

    pub(super) fn profile_rules(&self, name: &Name, direction: Direction) -> Option<&[CompiledRule]> {
        self.profiles.get(name).map(|it| it.of(direction))
    }

    pub(super) fn all_rules(&self) -> impl Iterator<Item = &CompiledRule> {
        let of_policies = self.policies.iter().map(|it| it.rules.as_ref());
        of_policies.chain(self.profiles.values()).flat_map(|it| it.ingress.iter().chain(&it.egress))
    }

    /// Returns the class of a destination port: ports of one class are alike to every rule.
    pub(super) fn port_class(&self, port: Option<u16>) -> u32 {
        self.ports.of(port)
    }

    /// Estimates the memory held by the compiled form, in bytes, without the set that it was compiled from.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rules: usize = self.all_rules().map(CompiledRule::bytes).sum();
        let policies = self.policies.capacity() * (size_of::<CompiledPolicy>() + size_of::<Rules>());
        let selected_by = self.selected_by.capacity() * (size_of::<(QuestionId, Vec<u32>)>() + 1 + 8);
        rules + policies + selected_by + self.questions.bytes() + self.roster.bytes()
    }

    pub(super) fn tier_end(&self, tier: u32) -> TierEnd {
        let found = usize::try_from(tier).ok().and_then(|it| self.set.tiers().get(it));
        found.map_or(TierEnd::Dangling, |it| TierEnd::Default(it.default_action))
    }

    /// Returns what is known of an endpoint.
    pub(super) fn party<'a>(&'a self, endpoint: &Endpoint) -> Party<'a> {
        Party::resolve(endpoint, &self.roster, self.set.cluster())
    }

    /// Answers every question for a party, as an address of one IP version; of the other, if it has none of this one.
    pub(super) fn class(&self, party: &Party<'_>, family: Family) -> Class {
        let families = party.whereabouts.families();
        let family = if families.contains(family) { Some(family) } else { families.iter().next() };
        classify(party, family.unwrap_or(Family::V4), &self.questions, &self.roster, self.switches)
    }

    /// Returns the IP versions that a connection between two places may have.
    pub(super) fn families(&self, source: FamilySet, dest: FamilySet, protocol: Protocol) -> FamilySet {
        let either = if source.and(dest).is_empty() { source } else { source.and(dest) };
        let assumed = match self.options.families {
            super::options::Families::Learned => self.roster.families(),
            super::options::Families::V4 => FamilySet::only(Family::V4),
            super::options::Families::V6 => FamilySet::only(Family::V6),
        };
        let implied = match protocol {
            Protocol::ICMP => FamilySet::only(Family::V4),
            Protocol::ICMPV6 => FamilySet::only(Family::V6),
            _ => FamilySet::ALL,
        };
        // What the addresses say stands; the rest only chooses where they leave both open.
        let mut families = either;
        for hint in [implied, assumed] {
            if !families.and(hint).is_empty() {
                families = families.and(hint);
            }
        }
        families
    }
}

/// Places of the tiers by name.
fn tier_places(set: &PolicySet) -> HashMap<Name, u32> {
    let places = set.tiers().iter().zip(0_u32..);
    places.map(|(tier, place)| (tier.name.clone(), place)).collect()
}

/// A staged removal is dropped before anything is evaluated; what it would remove stays.
fn takes_part(policy: &Policy) -> bool {
    policy.staged_action != Some(StagedAction::Delete)
}
