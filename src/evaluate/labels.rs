//! Labels as selectors see them, with what is not known of them.

use std::sync::Arc;

use super::compose::{NAMESPACE, OF_ACCOUNT, OF_NAMESPACE, ORCHESTRATOR, OWN_NAME, SERVICE_ACCOUNT};
use super::truth::Truth;
use super::verdict::Missing;
use crate::model::{LabelSet, Name};
use crate::policy::selector::Node;

/// The label that every cluster gives a namespace.
const METADATA_NAME: &str = "kubernetes.io/metadata.name";

/// What is known of one label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lookup<'a> {
    /// It has this value.
    Is(&'a str),
    /// It is not there.
    Absent,
    /// It is there, and its value is not known.
    Present(Missing),
    /// Not known; what is missing is named as of the source.
    Unknown(Missing),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    Known(Name),
    Absent,
    Present(Missing),
    Doubtful(Missing),
}

/// Labels of one origin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Group {
    // INVARIANT: sorted by key, keys are unique.
    pairs: Vec<(Name, Value)>,
    /// What is missing to know the labels that are not in `pairs`; nothing when those are absent.
    rest: Missing,
}

impl Group {
    fn closed(labels: &LabelSet) -> Self {
        let pairs = labels.iter().map(|(key, value)| (key.clone(), Value::Known(value.clone()))).collect();
        Self { pairs, rest: Missing::NOTHING }
    }

    fn open(missing: Missing) -> Self {
        Self { pairs: Vec::new(), rest: missing }
    }

    fn set(&mut self, key: &str, value: Value) {
        match self.pairs.binary_search_by(|(it, _)| it.as_str().cmp(key)) {
            Ok(idx) => {
                if let Some(pair) = self.pairs.get_mut(idx) {
                    pair.1 = value;
                }
            }
            Err(idx) => self.pairs.insert(idx, (Name::from(key), value)),
        }
    }

    fn get(&self, key: &str) -> Lookup<'_> {
        let found = self.pairs.binary_search_by(|(it, _)| it.as_str().cmp(key)).ok();
        match found.and_then(|idx| self.pairs.get(idx)) {
            Some((_, Value::Known(value))) => Lookup::Is(value),
            Some((_, Value::Doubtful(missing))) => Lookup::Unknown(*missing),
            Some((_, Value::Present(missing))) => Lookup::Present(*missing),
            Some((_, Value::Absent)) => Lookup::Absent,
            None if self.rest.is_nothing() => Lookup::Absent,
            None => Lookup::Unknown(self.rest),
        }
    }

    /// Returns what all of several agree on. A label on which they do not is there if all have it, else doubtful.
    fn agreeing(groups: &[&Self], missing: Missing) -> Self {
        let mut keys: Vec<&Name> = groups.iter().flat_map(|it| it.pairs.iter().map(|(key, _)| key)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut agreed = Self::default();
        for group in groups {
            agreed.rest = agreed.rest.union(group.rest);
        }
        for key in keys {
            let lookups = || groups.iter().map(|it| it.get(key));
            let first = lookups().next().unwrap_or(Lookup::Absent);
            let is_agreed = lookups().all(|it| it == first);
            let is_everywhere = lookups().all(|it| matches!(it, Lookup::Is(_) | Lookup::Present(_)));
            let missing = lookups().fold(missing, |sum, it| match it {
                Lookup::Is(_) | Lookup::Absent => sum,
                Lookup::Present(more) | Lookup::Unknown(more) => sum.union(more),
            });
            let value = match first {
                Lookup::Is(value) if is_agreed => Value::Known(Name::from(value)),
                Lookup::Absent if is_agreed => Value::Absent,
                _ if is_everywhere => Value::Present(missing),
                _ => Value::Doubtful(missing),
            };
            agreed.pairs.push((key.clone(), value));
        }
        agreed
    }

    /// Returns the labels that endpoints inherit from a namespace of this name and labels.
    pub(super) fn of_namespace(name: &Name, labels: &LabelSet) -> Self {
        let mut group = Self::closed(labels);
        group.set(OWN_NAME, Value::Known(name.clone()));
        group
    }

    /// Returns what is known of the labels of a namespace that the catalog does not have: its name.
    pub(super) fn of_unknown_namespace(name: &Name) -> Self {
        let mut group = Self::open(Missing::SOURCE_NAMESPACE);
        group.set(OWN_NAME, Value::Known(name.clone()));
        group.set(METADATA_NAME, Value::Known(name.clone()));
        group
    }

    /// Returns what is known of the labels of a namespace that nothing names: that it has a name.
    pub(super) fn of_unnamed_namespace() -> Self {
        let mut group = Self::open(Missing::SOURCE_NAMESPACE);
        group.set(OWN_NAME, Value::Present(Missing::SOURCE_NAMESPACE));
        group.set(METADATA_NAME, Value::Present(Missing::SOURCE_NAMESPACE));
        group
    }

    /// Returns the labels that pods inherit from a service account.
    pub(super) fn of_account(name: &Name, labels: Option<&LabelSet>) -> Self {
        let mut group = labels.map_or_else(|| Self::open(Missing::SOURCE_SERVICE_ACCOUNT), Self::closed);
        group.set(OWN_NAME, Value::Known(name.clone()));
        group
    }
}

/// Everything that a selector may ask of an endpoint or a network set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Labels {
    own: Group,
    namespace: Arc<Group>,
    account: Arc<Group>,
}

impl Labels {
    /// Returns the labels of a pod. Where `own` or `namespace` is nothing they are not known.
    pub(super) fn of_workload(
        own: Option<&LabelSet>,
        namespace: Option<&Name>,
        namespace_labels: Arc<Group>,
        account: Option<(&Name, Arc<Group>)>,
    ) -> Self {
        let mut group = own_group(own);
        let known = |it: &Name| Value::Known(it.clone());
        group.set(NAMESPACE, namespace.map_or(Value::Present(Missing::SOURCE_NAMESPACE), known));
        group.set(ORCHESTRATOR, Value::Known(Name::from("k8s")));
        let account = if let Some((name, labels)) = account {
            group.set(SERVICE_ACCOUNT, Value::Known(name.clone()));
            labels
        } else {
            // Every pod has an account, and every account a name.
            let unknown = Value::Present(Missing::SOURCE_SERVICE_ACCOUNT);
            group.set(SERVICE_ACCOUNT, unknown.clone());
            let mut of_account = Group::open(Missing::SOURCE_SERVICE_ACCOUNT);
            of_account.set(OWN_NAME, unknown);
            Arc::new(of_account)
        };
        Self { own: group, namespace: namespace_labels, account }
    }

    /// Returns the labels of a network set; `namespace` is nothing for a global one.
    pub(super) fn of_network_set(own: Option<&LabelSet>, namespace: Option<(&Name, Arc<Group>)>) -> Self {
        let mut group = own_group(own);
        if own.is_none() {
            // A set never has the first of these, and a global one not the second, whatever its labels are.
            group.set(ORCHESTRATOR, Value::Absent);
            group.set(NAMESPACE, Value::Absent);
        }
        let namespace = match namespace {
            Some((name, labels)) => {
                group.set(NAMESPACE, Value::Known(name.clone()));
                labels
            }
            None => Arc::default(),
        };
        Self { own: group, namespace, account: Arc::default() }
    }

    /// Returns the labels of a host endpoint; those of its profiles stand behind its own.
    pub(super) fn of_host(own: Option<&LabelSet>, inherited: &[&LabelSet]) -> Self {
        let mut group = own_group(own);
        if own.is_none() {
            group.set(NAMESPACE, Value::Absent);
        }
        let mut of_namespace = Group::default();
        let mut of_account = Group::default();
        for (key, value) in inherited.iter().flat_map(|it| it.iter()) {
            let (group, key) = if let Some(key) = key.strip_prefix(OF_NAMESPACE) {
                (&mut of_namespace, key)
            } else if let Some(key) = key.strip_prefix(OF_ACCOUNT) {
                (&mut of_account, key)
            } else {
                (&mut group, key.as_str())
            };
            if group.get(key) == Lookup::Absent {
                group.set(key, Value::Known(value.clone()));
            }
        }
        Self { own: group, namespace: Arc::new(of_namespace), account: Arc::new(of_account) }
    }

    /// Returns what the pods behind one aggregated name agree on. `None` for no pod at all.
    pub(super) fn agreeing(of: &[&Self]) -> Option<Self> {
        let (first, rest) = of.split_first()?;
        if rest.is_empty() {
            return Some((*first).clone());
        }
        let own: Vec<&Group> = of.iter().map(|it| &it.own).collect();
        let account: Vec<&Group> = of.iter().map(|it| it.account.as_ref()).collect();
        let mut own = Group::agreeing(&own, Missing::SOURCE_LABELS);
        if let Some((_, value @ (Value::Doubtful(_) | Value::Present(_)))) =
            own.pairs.iter_mut().find(|(key, _)| key.as_str() == SERVICE_ACCOUNT)
        {
            *value = Value::Present(Missing::SOURCE_SERVICE_ACCOUNT);
        }
        Some(Self {
            own,
            namespace: Arc::clone(&first.namespace),
            account: Arc::new(Group::agreeing(&account, Missing::SOURCE_SERVICE_ACCOUNT)),
        })
    }

    /// Puts the service account of `other` in the place of its own.
    pub(super) fn with_account_of(mut self, other: &Self) -> Self {
        let name = other.own.pairs.iter().find(|(key, _)| key.as_str() == SERVICE_ACCOUNT);
        if let Some((_, name)) = name {
            self.own.set(SERVICE_ACCOUNT, name.clone());
        }
        self.account = Arc::clone(&other.account);
        self
    }

    /// Returns what is known of a label; the prefixes `pcns.` and `pcsa.` reach the inherited ones.
    pub(super) fn get(&self, key: &str) -> Lookup<'_> {
        if let Some(key) = key.strip_prefix(OF_NAMESPACE) {
            return self.namespace.get(key);
        }
        if let Some(key) = key.strip_prefix(OF_ACCOUNT) {
            return self.account.get(key);
        }
        self.own.get(key)
    }

    /// Tells whether there is a label of which the value is not known.
    fn is_present(&self, key: &str) -> bool {
        matches!(self.get(key), Lookup::Present(_))
    }

    /// Tells whether a selector matches.
    pub(super) fn satisfy(&self, node: &Node) -> Truth {
        let test = |key: &Name, holds: &dyn Fn(&str) -> bool| match self.get(key) {
            Lookup::Is(value) => Truth::from(holds(value)),
            Lookup::Absent => Truth::False,
            Lookup::Unknown(missing) | Lookup::Present(missing) => Truth::Unknown(missing),
        };
        match node {
            Node::All | Node::Global => Truth::True,
            // What is so for every value does not hang on the one that is not known.
            Node::Has(key) if self.is_present(key) => Truth::True,
            Node::Has(key) => test(key, &|_| true),
            Node::Contains(key, text) | Node::StartsWith(key, text) | Node::EndsWith(key, text)
                if text.is_empty() && self.is_present(key) =>
            {
                Truth::True
            }
            Node::In(_, values) if values.is_empty() => Truth::False,
            Node::NotIn(_, values) if values.is_empty() => Truth::True,
            Node::Eq(key, value) => test(key, &|it| it == value.as_str()),
            Node::Ne(key, value) => !test(key, &|it| it == value.as_str()),
            Node::In(key, values) => test(key, &|it| values.iter().any(|value| value.as_str() == it)),
            Node::NotIn(key, values) => !test(key, &|it| values.iter().any(|value| value.as_str() == it)),
            Node::Contains(key, text) => test(key, &|it| it.contains(text.as_str())),
            Node::StartsWith(key, text) => test(key, &|it| it.starts_with(text.as_str())),
            Node::EndsWith(key, text) => test(key, &|it| it.ends_with(text.as_str())),
            Node::Not(operand) => !self.satisfy(operand),
            Node::And(parts) => {
                let mut all = Truth::True;
                for part in parts {
                    all = all.and(self.satisfy(part));
                    if all == Truth::False {
                        break;
                    }
                }
                all
            }
            Node::Or(parts) => {
                let mut any = Truth::False;
                for part in parts {
                    any = any.or(self.satisfy(part));
                    if any == Truth::True {
                        break;
                    }
                }
                any
            }
        }
    }
}

/// Own labels of an endpoint; keys under the prefixes of inherited labels do not count.
fn own_group(labels: Option<&LabelSet>) -> Group {
    let mut group = labels.map_or_else(|| Group::open(Missing::SOURCE_LABELS), Group::closed);
    group.pairs.retain(|(key, _)| !key.starts_with(OF_NAMESPACE) && !key.starts_with(OF_ACCOUNT));
    group
}
