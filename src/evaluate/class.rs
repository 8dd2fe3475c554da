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
use super::question::{Question, QuestionId, Questions};
use super::roster::{Roster, ServiceEntry, ports_named};
use super::truth::Truth;
use super::verdict::Missing;
use super::whereabouts::{Cover, Family, Whereabouts};
use crate::model::{EndpointKind, IpAddr, Protocol};

/// Ports of one end that a rule speaks of by name, or through a Service.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct PortAnswer {
    pairs: Vec<(Protocol, u16)>,
    /// What is missing to know the others; nothing when there are no others.
    doubt: Missing,
}

impl PortAnswer {
    /// Tells whether a port is one of them. A port that is not known is `missing`.
    pub(super) fn holds(&self, protocol: Protocol, port: Option<u16>, missing: Missing) -> Truth {
        let is_possible = self.pairs.iter().any(|it| it.0 == protocol);
        match port {
            Some(port) if self.pairs.contains(&(protocol, port)) => Truth::True,
            None if is_possible && protocol.has_ports() => Truth::Unknown(missing.union(self.doubt)),
            Some(_) | None if self.doubt.is_nothing() => Truth::False,
            Some(_) | None => Truth::Unknown(self.doubt),
        }
    }

    fn merge(&mut self, other: &[(Protocol, u16)]) {
        self.pairs.extend(other);
        self.pairs.sort_unstable();
        self.pairs.dedup();
    }
}

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

/// Answers every question for one end, as an address of one IP version.
pub(super) fn classify(
    party: &Party<'_>,
    family: Family,
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

    fn ask_selectors(&mut self, party: &Party<'_>, family: Family, switches: Switches) {
        let is_subject = party.owner != Owner::Nobody;
        if let Some(labels) = party.labels.as_deref() {
            self.ask_labels(labels, is_subject, party.is_member, Belongs::Surely);
        }
        let mut lossy = Vec::new();
        party.for_others(family, |other| {
            if switches.short_set_members_lost {
                let short = match family {
                    Family::V4 => 25..=31,
                    Family::V6 => 121..=127,
                };
                if short.contains(&other.prefix_len) {
                    let mut lost = self.blank();
                    lost.ask_labels(other.labels, false, true, Belongs::Surely);
                    lossy.push((other.prefix_len, lost.class));
                    return;
                }
            }
            self.ask_labels(other.labels, false, true, other.belongs);
        });
        // Of a set with such a member nothing longer than it is left; what is shorter stays.
        for (_, lost) in lossy {
            let mut kept = self.blank();
            party.for_others(family, |other| {
                if other.prefix_len < 25 || (family == Family::V6 && other.prefix_len < 121) {
                    kept.ask_labels(other.labels, false, true, other.belongs);
                }
            });
            let words = lost.yes.iter().zip(&kept.class.yes);
            for (yes, (lost, kept)) in self.class.yes.iter_mut().zip(words) {
                *yes &= !lost | kept;
            }
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
                    let doubt = match belongs {
                        Belongs::Surely => Truth::True,
                        Belongs::ByAddress => Truth::Unknown(Missing::SOURCE_ADDRESS),
                        Belongs::ByDomain => Truth::Unknown(Missing::DOMAINS),
                    };
                    labels.satisfy(node).and(doubt)
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
                super::labels::Lookup::Unknown(_) => {
                    by_value.values().flatten().copied().for_each(&mut ask);
                }
            }
        }
    }

    fn ask_nets(&mut self, party: &Party<'_>, family: Family, switches: Switches) {
        let questions = self.questions;
        let exists = |nets: &[ipnet::IpNet]| {
            switches.not_nets_of_other_version_hold || nets.iter().any(|it| Family::of_net(it) == family)
        };
        if let Some(address) = party.whereabouts.only_address(family) {
            for id in &questions.outside {
                if let Some(Question::Outside(nets)) = questions.get(*id) {
                    self.set(*id, Truth::from(exists(nets)));
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
            return;
        }
        for id in questions.within.iter().chain(&questions.outside) {
            let truth = match questions.get(*id) {
                Some(Question::Within(nets)) => covered(&party.whereabouts, nets, family),
                Some(Question::Outside(nets)) if exists(nets) => !covered(&party.whereabouts, nets, family),
                _ => Truth::False,
            };
            self.set(*id, truth);
        }
    }

    fn ask_ports(&mut self, party: &Party<'_>, family: Family, roster: &Roster, switches: Switches) {
        let questions = self.questions;
        for id in &questions.others {
            let answer = match questions.get(*id) {
                Some(Question::PortsNamed(node, name)) => ports_by_name(party, family, node, name),
                Some(Question::ServicePorts(Some((namespace, name)))) => {
                    let Some(service) = roster.service(namespace, name) else {
                        self.class.ports.push((*id, unknown_service(roster)));
                        continue;
                    };
                    let mut answer = service_ports(party, family, service, roster);
                    if switches.sctp_services_never_match {
                        answer.pairs.retain(|it| it.0 != Protocol::SCTP);
                    }
                    answer
                }
                Some(Question::OfService(Some((namespace, name)))) => {
                    let truth = roster.service(namespace, name).map_or_else(
                        || Truth::from(false).or(doubtful(unknown_service(roster).doubt)),
                        |service| of_service(party, family, service, roster),
                    );
                    self.set(*id, truth);
                    continue;
                }
                _ => continue,
            };
            if answer != PortAnswer::default() {
                self.class.ports.push((*id, answer));
            }
        }
        self.class.ports.retain(|it| it.1 != PortAnswer::default());
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

fn doubtful(doubt: Missing) -> Truth {
    if doubt.is_nothing() { Truth::False } else { Truth::Unknown(doubt) }
}

/// A Service without endpoints has none, where the catalog has those of others; else nothing is known of any.
fn unknown_service(roster: &Roster) -> PortAnswer {
    let doubt = if roster.has_services() { Missing::NOTHING } else { Missing::PORT_NAMES };
    PortAnswer { pairs: Vec::new(), doubt }
}

fn covered(at: &Whereabouts, nets: &[ipnet::IpNet], family: Family) -> Truth {
    match at.cover(nets, family) {
        Cover::All => Truth::True,
        Cover::None => Truth::False,
        Cover::Some => Truth::Unknown(Missing::SOURCE_ADDRESS),
    }
}

/// Returns the ports that endpoints at the party's address give this name to, as far as the selector matches them.
fn ports_by_name(
    party: &Party<'_>,
    family: Family,
    node: &crate::policy::selector::Node,
    name: &crate::model::Name,
) -> PortAnswer {
    let mut answer = PortAnswer::default();
    let mut add = |selected: Truth, ports: Option<&[crate::policy::NamedPort]>| {
        let found = ports.map(|it| ports_named(it, name));
        match (selected, found) {
            (Truth::False, _) => {}
            (Truth::True, Some(found)) => answer.merge(&found),
            (Truth::Unknown(_), Some(found)) if found.is_empty() => {}
            (Truth::Unknown(missing), Some(_)) => answer.doubt = answer.doubt.union(missing),
            (Truth::True | Truth::Unknown(_), None) => answer.doubt = answer.doubt.union(Missing::PORT_NAMES),
        }
    };
    let is_endpoint = matches!(party.kind, EndpointKind::Workload | EndpointKind::Host);
    if is_endpoint
        && party.is_member
        && let Some(labels) = party.labels.as_deref()
    {
        add(labels.satisfy(node), party.ports);
    }
    party.for_others(family, |other| {
        if !other.ports.is_empty() {
            add(other.labels.satisfy(node), Some(other.ports));
        }
    });
    answer
}

/// Returns the addresses that the party may have, when they are few.
fn few_addresses(party: &Party<'_>, family: Family) -> Option<Vec<IpAddr>> {
    let Whereabouts::OneOf(addresses) = &party.whereabouts else { return None };
    Some(addresses.iter().filter(|it| Family::of(it) == family).copied().collect())
}

/// Tells whether the party, whose address is one of many, may be one of the Service's endpoints: at an address that
/// nothing else in the catalog holds.
fn may_serve(party: &Party<'_>, service: &ServiceEntry, family: Family, roster: &Roster) -> bool {
    service
        .addresses
        .iter()
        .filter(|it| Family::of(it) == family && roster.holders(it).is_empty())
        .any(|it| party.whereabouts.cover(&[ipnet::IpNet::from(*it)], family) != Cover::None)
}

fn service_ports(party: &Party<'_>, family: Family, service: &ServiceEntry, roster: &Roster) -> PortAnswer {
    let Some(addresses) = few_addresses(party, family) else {
        let may = may_serve(party, service, family, roster);
        let doubt = if may { Missing::SOURCE_ADDRESS } else { Missing::NOTHING };
        return PortAnswer { pairs: Vec::new(), doubt };
    };
    let mut of_addresses = addresses.iter().map(|it| service.ports.get(it).map_or(&[][..], Vec::as_slice));
    let first = of_addresses.next().unwrap_or_default();
    let mut answer = PortAnswer { pairs: first.to_vec(), doubt: Missing::NOTHING };
    for other in of_addresses {
        if other != first {
            answer.pairs.retain(|it| other.contains(it));
            answer.doubt = Missing::SOURCE_ADDRESS;
        }
    }
    answer
}

fn of_service(party: &Party<'_>, family: Family, service: &ServiceEntry, roster: &Roster) -> Truth {
    let Some(addresses) = few_addresses(party, family) else {
        return if may_serve(party, service, family, roster) {
            Truth::Unknown(Missing::SOURCE_ADDRESS)
        } else {
            Truth::False
        };
    };
    let count = addresses.iter().filter(|it| service.addresses.contains(it)).count();
    if count == 0 {
        Truth::False
    } else if count == addresses.len() {
        Truth::True
    } else {
        Truth::Unknown(Missing::SOURCE_ADDRESS)
    }
}
