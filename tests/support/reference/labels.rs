//! What is known of labels.

use std::collections::{BTreeMap, BTreeSet};

use flowstage::evaluate::Missing;
use flowstage::model::{LabelSet, Name};
use flowstage::policy::Cluster;

pub const NAMESPACE: &str = "projectcalico.org/namespace";
pub const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";
pub const SERVICE_ACCOUNT: &str = "projectcalico.org/serviceaccount";
const NAME: &str = "projectcalico.org/name";
const METADATA_NAME: &str = "kubernetes.io/metadata.name";

/// What is known of one label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// There is no such label.
    Absent,
    /// It has this value.
    Is(Name),
    /// It exists, with a value that is not known.
    Present(Missing),
    /// It may or may not exist.
    Unknown(Missing),
}

impl Value {
    /// What all candidates have; where they differ, that it exists if it exists on all.
    pub fn agreed(candidates: &[Self], which: Missing) -> Self {
        match candidates.split_first() {
            Some((first, rest)) if rest.iter().all(|it| it == first) => first.clone(),
            _ => {
                let missing = candidates.iter().fold(which, |sum, it| match it {
                    Self::Absent | Self::Is(_) => sum,
                    Self::Present(missing) | Self::Unknown(missing) => sum.union(*missing),
                });
                let on_all = candidates.iter().all(|it| matches!(it, Self::Is(_) | Self::Present(_)));
                if on_all && !candidates.is_empty() { Self::Present(missing) } else { Self::Unknown(missing) }
            }
        }
    }
}

/// A set of labels as far as it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Labels {
    by_key: BTreeMap<Name, Value>,
    /// What is known of every other key: absent, or unknown.
    others: Value,
}

impl Labels {
    /// No label at all.
    pub fn none() -> Self {
        Self { by_key: BTreeMap::new(), others: Value::Absent }
    }

    /// Nothing is known.
    pub fn unknown(missing: Missing) -> Self {
        Self { by_key: BTreeMap::new(), others: Value::Unknown(missing) }
    }

    /// Exactly these.
    pub fn of(set: &LabelSet) -> Self {
        let by_key = set.iter().map(|(key, value)| (key.clone(), Value::Is(value.clone()))).collect();
        Self { by_key, others: Value::Absent }
    }

    /// What all candidates have in common, key by key.
    pub fn agreed(candidates: &[Self], which: Missing) -> Self {
        let keys: BTreeSet<&Name> = candidates.iter().flat_map(|it| it.by_key.keys()).collect();
        let common = |key: &str| {
            let values: Vec<Value> = candidates.iter().map(|it| it.get(key)).collect();
            Value::agreed(&values, which)
        };
        let others: Vec<Value> = candidates.iter().map(|it| it.others.clone()).collect();
        Self {
            by_key: keys.into_iter().map(|key| (key.clone(), common(key))).collect(),
            others: Value::agreed(&others, which),
        }
    }

    pub fn get(&self, key: &str) -> Value {
        self.by_key.get(key).unwrap_or(&self.others).clone()
    }

    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.by_key.insert(Name::from(key), value);
        self
    }

    /// Adds what `inherited` has and `self` has not.
    pub fn inherit(mut self, inherited: &LabelSet) -> Self {
        for (key, value) in inherited.iter() {
            self.by_key.entry(key.clone()).or_insert_with(|| Value::Is(value.clone()));
        }
        self
    }

    /// Without the keys that Calico strips from pods, because they are those of inherited labels.
    pub fn without_reserved(mut self) -> Self {
        self.by_key.retain(|key, _| !key.starts_with("pcns.") && !key.starts_with("pcsa."));
        self
    }
}

/// The labels of a namespace. Of one that is not in the catalog only the two labels that hold its name are known.
pub fn of_namespace(cluster: &Cluster, namespace: &Value, which: Missing) -> Labels {
    let known = match namespace {
        Value::Absent => return Labels::none(),
        Value::Is(name) => cluster.namespaces.iter().find(|it| it.name == *name),
        Value::Present(_) | Value::Unknown(_) => None,
    };
    known
        .map_or(Labels::unknown(which), |it| Labels::of(&it.labels))
        .set(NAME, namespace.clone())
        .set(METADATA_NAME, namespace.clone())
}

/// The labels of a service account. Of one that is not in the catalog only its name is known.
pub fn of_service_account(cluster: &Cluster, namespace: &Value, account: &Value, which: Missing) -> Labels {
    let known = match (namespace, account) {
        (_, Value::Absent) => return Labels::none(),
        (Value::Is(namespace), Value::Is(name)) => {
            cluster.service_accounts.iter().find(|it| it.namespace == *namespace && it.name == *name)
        }
        _ => None,
    };
    known.map_or(Labels::unknown(which), |it| Labels::of(&it.labels)).set(NAME, account.clone())
}
