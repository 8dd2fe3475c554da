//! Classes of ends: what answers every question alike is one class.
//!
//! ```text
//!   Endpoint --resolve--> Party --answer every question--> Class (bits)
//! ```
//!
//! Verdicts depend on classes alone, so they are remembered by class, and a new replica, or the next address of the
//! same range, costs nothing.

use super::options::Switches;
use super::party::{Belongs, Owner, Party};
use super::port_answer::PortAnswer;
use super::question::{Question, QuestionId, Questions};
use super::roster::{Roster, ServiceEntry, ports_named};
use super::truth::Truth;
use super::verdict::Missing;
use super::whereabouts::{Cover, Family, Whereabouts, is_short, short_lens};
use crate::model::{EndpointKind, IpNet, Name, Protocol};
use crate::policy::selector::Node;

/// The answers of one end, of one IP version.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Class {
    yes: Vec<u64>,
    /// Empty when every answer is known.
    unsure: Vec<u64>,
    /// What is missing for an answer that is not known, sorted; of prefixes it is the address, and not listed.
    missing: Vec<(QuestionId, Missing)>,
    ports: Vec<(QuestionId, PortAnswer)>,
    pub(super) owner: Owner,
}

impl Class {
    /// Answers a question. What is missing is named as of the source.
    pub(super) fn answer(&self, question: QuestionId) -> Truth {
        let (word, bit) = place(question);
        if self.yes.get(word).is_some_and(|it| it & bit != 0) {
            return Truth::True;
        }
        if self.unsure.get(word).is_none_or(|it| it & bit == 0) {
            return Truth::False;
        }
        let found = self.missing.binary_search_by_key(&question, |it| it.0).ok();
        let missing = found.and_then(|it| self.missing.get(it)).map(|it| it.1);
        Truth::Unknown(missing.unwrap_or(Missing::SOURCE_ADDRESS))
    }

    /// Returns the ports that answer a question.
    pub(super) fn ports(&self, question: QuestionId) -> Option<&PortAnswer> {
        let idx = self.ports.binary_search_by_key(&question, |it| it.0).ok()?;
        self.ports.get(idx).map(|it| &it.1)
    }

    /// Returns the questions that are not answered with no.
    pub(super) fn possible(&self) -> impl Iterator<Item = QuestionId> + '_ {
        self.yes.iter().enumerate().flat_map(|(word, yes)| {
            let mut bits = yes | self.unsure.get(word).copied().unwrap_or(0);
            std::iter::from_fn(move || {
                if bits == 0 {
                    return None;
                }
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                QuestionId::try_from(word * 64).ok().map(|it| it + bit)
            })
        })
    }

    /// Tells whether another class answers the first `count` questions alike, and is of the same owner.
    pub(super) fn agrees(&self, other: &Self, count: usize) -> bool {
        let has_place = |it: QuestionId| usize::try_from(it).is_ok_and(|it| it < count);
        let bits = |one: &[u64], other: &[u64]| {
            (0..count.div_ceil(64)).all(|word| {
                let of = |it: &[u64]| it.get(word).copied().unwrap_or(0);
                let in_use = if count - word * 64 >= 64 { u64::MAX } else { (1 << (count % 64)) - 1 };
                (of(one) ^ of(other)) & in_use == 0
            })
        };
        let missing = |it: &Self| it.missing.iter().filter(|it| has_place(it.0)).copied().collect::<Vec<_>>();
        let ports = |it: &Self| it.ports.iter().filter(|it| has_place(it.0)).cloned().collect::<Vec<_>>();
        self.owner == other.owner
            && bits(&self.yes, &other.yes)
            && bits(&self.unsure, &other.unsure)
            && missing(self) == missing(other)
            && ports(self) == ports(other)
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + (self.yes.capacity() + self.unsure.capacity()) * 8
            + self.missing.capacity() * size_of::<(QuestionId, Missing)>()
            + self.ports.capacity() * size_of::<(QuestionId, PortAnswer)>()
    }
}

fn place(question: QuestionId) -> (usize, u64) {
    (usize::try_from(question / 64).unwrap_or(usize::MAX), 1 << (question % 64))
}

/// Answers every question for one end, as an address of one IP version, or of either.
pub(super) fn classify(
    party: &Party<'_>,
    family: Option<Family>,
    questions: &Questions,
    roster: &Roster,
    switches: Switches,
) -> Class {
    let mut answers = Answers {
        class: Class {
            yes: vec![0; questions.len().div_ceil(64)],
            unsure: Vec::new(),
            missing: Vec::new(),
            ports: Vec::new(),
            owner: party.owner.clone(),
        },
        questions,
        doubts: Vec::new(),
    };
    answers.ask_selectors(party, family, switches);
    answers.ask_nets(party, family, switches);
    answers.ask_ports(party, family, roster, switches);
    answers.finish()
}

struct Answers<'q> {
    class: Class,
    questions: &'q Questions,
    doubts: Vec<(QuestionId, Missing)>,
}

impl Answers<'_> {
    fn set(&mut self, question: QuestionId, truth: Truth) {
        match truth {
            Truth::True => {
                let (word, bit) = place(question);
                if let Some(it) = self.class.yes.get_mut(word) {
                    *it |= bit;
                }
            }
            Truth::Unknown(missing) => self.doubts.push((question, missing)),
            Truth::False => {}
        }
    }

    fn ask_selectors(&mut self, party: &Party<'_>, family: Option<Family>, switches: Switches) {
        let is_subject = matches!(party.owner, Owner::Pod(_) | Owner::Host(_));
        let belongs = match switches.short_set_members_lost {
            true => party.belongs_to_rest(is_short),
            false => Some(Belongs::Surely),
        };
        if let Some(labels) = party.labels.as_deref() {
            let is_member = party.is_member && belongs.is_some();
            self.ask_labels(labels, is_subject, is_member, belongs.unwrap_or(Belongs::Surely));
        }
        party.for_others(family, |other| {
            self.ask_labels(other.labels, false, true, other.belongs);
        });
        if switches.short_set_members_lost
            && let Some(address) = party.whereabouts.address()
        {
            self.lose_short_members(party, Family::of(&address));
        }
    }

    /// Takes back what a short member of a set spoils: itself, and whatever is longer. What is shorter stays.
    fn lose_short_members(&mut self, party: &Party<'_>, family: Family) {
        let short = short_lens(family);
        let (mut lost, mut kept) = (self.blank(), self.blank());
        party.for_others(Some(family), |other| {
            if short.contains(&other.prefix_len) {
                lost.ask_labels(other.labels, false, true, other.belongs);
            } else if other.prefix_len < *short.start() {
                kept.ask_labels(other.labels, false, true, other.belongs);
            }
        });
        let words = lost.class.yes.iter().zip(&kept.class.yes);
        for (yes, (lost, kept)) in self.class.yes.iter_mut().zip(words) {
            *yes &= !lost | kept;
        }
    }

    fn blank(&self) -> Self {
        let mut class = self.class.clone();
        class.yes.iter_mut().for_each(|it| *it = 0);
        Self { class, questions: self.questions, doubts: Vec::new() }
    }

    fn ask_labels(
        &mut self,
        labels: &super::labels::Labels,
        is_subject: bool,
        is_member: bool,
        belongs: Belongs,
    ) {
        let questions = self.questions;
        let mut ask = |id: QuestionId| {
            let truth = match questions.get(id) {
                Some(Question::Selected(node)) if is_subject => labels.satisfy(node),
                Some(Question::Member(node)) if is_member => {
                    let satisfied = labels.satisfy(node);
                    match belongs {
                        Belongs::Surely => satisfied,
                        Belongs::ByAddress => satisfied.and(Truth::Unknown(Missing::SOURCE_ADDRESS)),
                        // Without the names nothing else would help; and where the end calls, all of it falls away.
                        Belongs::ByDomain if satisfied == Truth::False => Truth::False,
                        Belongs::ByDomain => Truth::Unknown(Missing::DOMAINS),
                    }
                }
                _ => Truth::False,
            };
            self.set(id, truth);
        };
        questions.unindexed().iter().copied().for_each(&mut ask);
        for (key, by_value) in questions.filed() {
            match labels.get(key) {
                super::labels::Lookup::Is(value) => {
                    by_value.get(value).into_iter().flatten().copied().for_each(&mut ask);
                }
                super::labels::Lookup::Absent => {}
                super::labels::Lookup::Unknown(_) | super::labels::Lookup::Present(_) => {
                    by_value.values().flatten().copied().for_each(&mut ask);
                }
            }
        }
    }

    fn ask_nets(&mut self, party: &Party<'_>, family: Option<Family>, switches: Switches) {
        let questions = self.questions;
        let Some(address) = party.whereabouts.address() else {
            for id in questions.within.iter().chain(&questions.outside) {
                let truth = match questions.get(*id) {
                    Some(Question::Within(nets)) => covered(&party.whereabouts, nets, family),
                    Some(Question::Outside(nets)) => {
                        is_rendered(nets, family, switches).and(!covered(&party.whereabouts, nets, family))
                    }
                    _ => Truth::False,
                };
                self.set(*id, truth);
            }
            return;
        };
        for id in &questions.outside {
            if let Some(Question::Outside(nets)) = questions.get(*id) {
                self.set(*id, is_rendered(nets, family, switches));
            }
        }
        for id in questions.nets_at(address) {
            match questions.get(id) {
                Some(Question::Within(_)) => self.set(id, Truth::True),
                Some(Question::Outside(_)) => {
                    let (word, bit) = place(id);
                    if let Some(it) = self.class.yes.get_mut(word) {
                        *it &= !bit;
                    }
                }
                _ => {}
            }
        }
    }

    fn ask_ports(&mut self, party: &Party<'_>, family: Option<Family>, roster: &Roster, switches: Switches) {
        let questions = self.questions;
        for id in &questions.others {
            let answer = match questions.get(*id) {
                Some(Question::PortsNamed(node, name)) => ports_by_name(party, family, node, name),
                Some(Question::ServicePorts(Some((namespace, name)))) => {
                    match (roster.service(namespace, name), unknown_service(roster, switches)) {
                        (Some(service), _) => service_ports(party, family, service),
                        (None, Truth::True) => PortAnswer { is_any: true, ..PortAnswer::default() },
                        (None, Truth::False) => continue,
                        (None, Truth::Unknown(open)) => PortAnswer { open, ..PortAnswer::default() },
                    }
                }
                Some(Question::OfService(Some((namespace, name)))) => {
                    let truth = match roster.service(namespace, name) {
                        Some(service) => of_service(party, family, service),
                        None => unknown_service(roster, switches),
                    };
                    self.set(*id, truth);
                    continue;
                }
                _ => continue,
            };
            let mut answer = answer;
            if switches.sctp_services_never_match
                && matches!(questions.get(*id), Some(Question::ServicePorts(_)))
            {
                answer.sure.retain(|it| it.0 != Protocol::SCTP);
                answer.maybe.retain(|it| it.0 != Protocol::SCTP);
            }
            if answer != PortAnswer::default() {
                self.class.ports.push((*id, answer));
            }
        }
        self.class.ports.sort_unstable_by_key(|it| it.0);
    }

    fn finish(mut self) -> Class {
        let class = &mut self.class;
        self.doubts.sort_unstable();
        for (question, missing) in self.doubts {
            let (word, bit) = place(question);
            if class.yes.get(word).is_some_and(|it| it & bit != 0) {
                continue;
            }
            if class.unsure.is_empty() {
                class.unsure = vec![0; class.yes.len()];
            }
            if let Some(it) = class.unsure.get_mut(word) {
                *it |= bit;
            }
            let is_net =
                matches!(self.questions.get(question), Some(Question::Within(_) | Question::Outside(_)));
            match class.missing.last_mut() {
                _ if is_net => {}
                Some((last, all)) if *last == question => *all = all.union(missing),
                _ => class.missing.push((question, missing)),
            }
        }
        self.class
    }
}

/// A Service without endpoints has none, where the catalog has those of others; else nothing is known of any.
fn unknown_service(roster: &Roster, switches: Switches) -> Truth {
    if switches.unknown_service_matches {
        Truth::True
    } else if roster.has_services() {
        Truth::False
    } else {
        Truth::Unknown(Missing::PORT_NAMES)
    }
}

fn covered(at: &Whereabouts, nets: &[IpNet], family: Option<Family>) -> Truth {
    match at.cover(nets, family) {
        Cover::All => Truth::True,
        Cover::None => Truth::False,
        Cover::Some => Truth::Unknown(Missing::SOURCE_ADDRESS),
    }
}

/// Tells whether the data plane has a rule at all that names the prefixes `nets`: only for IP versions of which it
/// names one.
fn is_rendered(nets: &[IpNet], family: Option<Family>, switches: Switches) -> Truth {
    let has = |family: Family| nets.iter().any(|it| Family::of_net(it) == family);
    match family {
        _ if switches.not_nets_of_other_version_hold => Truth::True,
        Some(family) => Truth::from(has(family)),
        None if Family::BOTH.into_iter().all(has) => Truth::True,
        None => Truth::Unknown(Missing::SOURCE_ADDRESS),
    }
}

/// Returns the ports that endpoints at the party's address give this name to, as far as the selector matches them.
fn ports_by_name(party: &Party<'_>, family: Option<Family>, node: &Node, name: &Name) -> PortAnswer {
    let mut answer = PortAnswer::default();
    let is_endpoint = matches!(party.kind, EndpointKind::Workload | EndpointKind::Host);
    if is_endpoint
        && party.is_member
        && let Some(labels) = party.labels.as_deref()
    {
        let selected = labels.satisfy(node);
        let lists: Vec<_> = party.ports.iter().map(|it| ports_named(it, name)).collect();
        if lists.is_empty() {
            let ports = selected.and(Truth::Unknown(Missing::PORT_NAMES));
            if let Truth::Unknown(missing) = ports {
                answer.open = missing;
            }
        }
        for port in lists.iter().flatten() {
            let agreed = lists.iter().all(|it| it.contains(port));
            let named = if agreed { Truth::True } else { Truth::Unknown(Missing::PORT_NAMES) };
            answer.add(selected.and(named), &[*port]);
        }
    }
    party.for_others(family, |other| {
        if !other.ports.is_empty() {
            answer.add(other.labels.satisfy(node), &ports_named(other.ports, name));
        }
    });
    answer.sorted()
}

fn service_ports(party: &Party<'_>, family: Option<Family>, service: &ServiceEntry) -> PortAnswer {
    let mut answer = PortAnswer::default();
    match party.whereabouts.address() {
        Some(address) => answer.add(Truth::True, service.ports.get(&address).map_or(&[], Vec::as_slice)),
        None => {
            for (address, ports) in &service.ports {
                answer.add(covered(&party.whereabouts, &[IpNet::from(*address)], family), ports);
            }
        }
    }
    answer.sorted()
}

fn of_service(party: &Party<'_>, family: Option<Family>, service: &ServiceEntry) -> Truth {
    match party.whereabouts.address() {
        Some(address) => Truth::from(service.addresses.contains(&address)),
        None => {
            let nets: Vec<IpNet> = service.addresses.iter().map(|it| IpNet::from(*it)).collect();
            covered(&party.whereabouts, &nets, family)
        }
    }
}
