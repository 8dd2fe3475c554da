//! What rules and policies ask of one end: each question stands once, however many rules ask it.
//!
//! A question is about one end alone, so its answer is a property of the end. Ends that answer every question alike
//! are one [`Class`](super::class::Class).

use std::sync::Arc;

use foldhash::fast::FixedState;
use ipnet::IpNet as Net;
use prefix_trie::joint::JointPrefixMap;

use super::compose::NAMESPACE;
use crate::model::{IpNet, Name};
use crate::policy::selector::Node;

type HashMap<K, V> = hashbrown::HashMap<K, V, FixedState>;

/// The place of a question.
pub(super) type QuestionId = u32;

/// One question about one end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Question {
    /// Does a policy with this selector apply to it?
    Selected(Node),
    /// Does its address belong to something that this selects?
    Member(Node),
    /// Does its address lie in one of these prefixes? They are merged, and never empty.
    Within(Vec<IpNet>),
    /// Does its address lie in none of these prefixes?
    Outside(Vec<IpNet>),
    /// Which of its ports have this name, as far as the selector matches the endpoint that names them?
    PortsNamed(Node, Name),
    /// Which of its ports belong to this Service? Nothing for a Service that cannot exist.
    ServicePorts(Option<(Name, Name)>),
    /// Does its address belong to this Service?
    OfService(Option<(Name, Name)>),
}

/// Every question of a policy set, each once, indexed so that an end need not be asked what it surely denies.
#[derive(Clone, Debug, Default)]
pub(super) struct Questions {
    list: Vec<Arc<Question>>,
    ids: HashMap<Arc<Question>, QuestionId>,
    /// Selector questions by a label that they require: key, then value.
    by_label: HashMap<Name, HashMap<Name, Vec<QuestionId>>>,
    /// Selector questions that require no label.
    unindexed: Vec<QuestionId>,
    /// [`Question::Within`] and [`Question::Outside`] by each of their prefixes.
    by_net: JointPrefixMap<Net, Vec<QuestionId>>,
    pub(super) within: Vec<QuestionId>,
    pub(super) outside: Vec<QuestionId>,
    /// Questions whose answer is a list of ports, or the address's membership of a Service.
    pub(super) others: Vec<QuestionId>,
}

impl Questions {
    /// Returns the id of a question, new or known.
    pub(super) fn id(&mut self, question: Question) -> QuestionId {
        if let Some(id) = self.ids.get(&question) {
            return *id;
        }
        let id = QuestionId::try_from(self.list.len()).unwrap_or(QuestionId::MAX);
        match &question {
            Question::Selected(node) | Question::Member(node) => self.index(node, id),
            Question::Within(nets) => {
                self.within.push(id);
                self.index_nets(nets, id);
            }
            Question::Outside(nets) => {
                self.outside.push(id);
                self.index_nets(nets, id);
            }
            Question::PortsNamed(..) | Question::ServicePorts(_) | Question::OfService(_) => {
                self.others.push(id);
            }
        }
        let question = Arc::new(question);
        self.list.push(Arc::clone(&question));
        self.ids.insert(question, id);
        id
    }

    /// Returns the id of a question that stands already.
    pub(super) fn known(&self, question: &Question) -> Option<QuestionId> {
        self.ids.get(question).copied()
    }

    pub(super) fn get(&self, id: QuestionId) -> Option<&Question> {
        self.list.get(usize::try_from(id).ok()?).map(Arc::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Tells whether every question of `before` stands here at the same place.
    pub(super) fn begin_as(&self, before: &Self) -> bool {
        // Copies share their questions, so nearly all are told alike by their addresses.
        self.list.starts_with(&before.list)
    }

    fn index_nets(&mut self, nets: &[IpNet], id: QuestionId) {
        for net in nets {
            self.by_net.entry(*net).or_default().push(id);
        }
    }

    /// Files a selector under the rarest of the labels that it requires.
    fn index(&mut self, node: &Node, id: QuestionId) {
        let mut best: Option<(usize, &Name, Vec<&Name>)> = None;
        for (key, values) in required(node) {
            let filed =
                |value: &&Name| self.by_label.get(key).and_then(|it| it.get(*value)).map_or(0, Vec::len);
            // The namespace is the last choice: every policy of a namespace requires it.
            let handicap = if key.as_str() == NAMESPACE { 16 } else { 0 };
            let cost = values.iter().map(filed).sum::<usize>() + handicap;
            if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                best = Some((cost, key, values));
            }
        }
        let Some((_, key, values)) = best else {
            self.unindexed.push(id);
            return;
        };
        let by_value = self.by_label.entry(key.clone()).or_default();
        for value in values {
            by_value.entry(value.clone()).or_default().push(id);
        }
    }

    /// Returns the label keys that selectors are filed under, each with what is filed by value.
    pub(super) fn filed(&self) -> impl Iterator<Item = (&Name, &HashMap<Name, Vec<QuestionId>>)> {
        self.by_label.iter()
    }

    /// Returns the selectors that every end must be asked.
    pub(super) fn unindexed(&self) -> &[QuestionId] {
        &self.unindexed
    }

    /// Returns the questions of which a prefix holds the address.
    pub(super) fn nets_at(&self, address: crate::model::IpAddr) -> impl Iterator<Item = QuestionId> + '_ {
        self.by_net.cover_values(&Net::from(address)).flatten().copied()
    }

    /// Returns the longest prefix of any question that holds the address.
    pub(super) fn longest_net(&self, address: crate::model::IpAddr) -> Option<Net> {
        self.by_net.get_lpm_prefix(&Net::from(address))
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let nodes: usize = self.list.iter().map(|it| size_of::<Question>() + question_bytes(it)).sum();
        let ids = self.ids.capacity() * (size_of::<usize>() * 2 + 1);
        let labels: usize = self
            .by_label
            .values()
            .flat_map(HashMap::values)
            .map(|it| it.capacity() * size_of::<QuestionId>() + size_of::<(Name, Vec<QuestionId>)>())
            .sum();
        nodes + ids + labels + self.by_net.len() * 64
    }
}

/// Returns the labels of which a selector requires one of some values.
fn required(node: &Node) -> Vec<(&Name, Vec<&Name>)> {
    match node {
        Node::Eq(key, value) => vec![(key, vec![value])],
        Node::In(key, values) => vec![(key, values.iter().collect())],
        Node::And(parts) => parts.iter().flat_map(required).collect(),
        Node::All
        | Node::Global
        | Node::Has(_)
        | Node::Ne(..)
        | Node::NotIn(..)
        | Node::Contains(..)
        | Node::StartsWith(..)
        | Node::EndsWith(..)
        | Node::Not(_)
        | Node::Or(_) => Vec::new(),
    }
}

fn question_bytes(question: &Question) -> usize {
    match question {
        Question::Selected(node) | Question::Member(node) | Question::PortsNamed(node, _) => node_bytes(node),
        Question::Within(nets) | Question::Outside(nets) => nets.len() * size_of::<IpNet>(),
        Question::ServicePorts(_) | Question::OfService(_) => 0,
    }
}

fn node_bytes(node: &Node) -> usize {
    // A rewritten key is text of its own: about thirty letters and its count.
    const TEXT: usize = 48;
    match node {
        Node::All | Node::Global => 0,
        Node::Has(_)
        | Node::Eq(..)
        | Node::Ne(..)
        | Node::Contains(..)
        | Node::StartsWith(..)
        | Node::EndsWith(..) => TEXT,
        Node::In(_, values) | Node::NotIn(_, values) => TEXT + values.len() * size_of::<Name>(),
        Node::Not(inner) => size_of::<Node>() + node_bytes(inner),
        Node::And(parts) | Node::Or(parts) => parts.iter().map(|it| size_of::<Node>() + node_bytes(it)).sum(),
    }
}
