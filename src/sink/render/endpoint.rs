//! Ends of edges, and the Service between them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::Text;
use crate::model::{Endpoint, EndpointKind, LabelSet, Name, NameScope, ServiceRef};

/// What stands at one end, in the spelling of Calico's flow records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub enum EndpointKindRecord {
    /// A workload endpoint: a pod, or all the replicas behind one aggregated name.
    #[serde(rename = "wep")]
    Workload,
    /// A host endpoint.
    #[serde(rename = "hep")]
    Host,
    /// A network set, namespaced or global.
    #[serde(rename = "ns")]
    NetworkSet,
    /// An address that belongs to nothing that Calico knows.
    #[serde(rename = "net")]
    Network,
}

/// How far a name is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NameScopeRecord {
    /// The name is the endpoint's own.
    Exact,
    /// Several endpoints share the name.
    Aggregated,
}

/// One end of an edge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EndpointRecord {
    /// What stands there.
    pub kind: EndpointKindRecord,
    /// The namespace; `null` where the kind has none.
    #[schema(value_type = Option<String>)]
    pub namespace: Option<Text>,
    /// The most exact name that the records had; empty when they had none.
    #[schema(value_type = String)]
    pub name: Text,
    /// Whether the name is the endpoint's own.
    pub name_scope: NameScopeRecord,
    /// The address; `null` when it is not known.
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// The labels; `null` when they are not known, which is not the same as having none.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub labels: Option<BTreeMap<Text, Text>>,
}

/// A Service by which the destination was reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServiceRecord {
    /// Its namespace.
    #[schema(value_type = String)]
    pub namespace: Text,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Text,
    /// The name of its port; empty when it has none.
    #[schema(value_type = String)]
    pub port_name: Text,
}

impl From<EndpointKind> for EndpointKindRecord {
    fn from(kind: EndpointKind) -> Self {
        match kind {
            EndpointKind::Workload => Self::Workload,
            EndpointKind::Host => Self::Host,
            EndpointKind::NetworkSet => Self::NetworkSet,
            EndpointKind::Network => Self::Network,
        }
    }
}

impl From<EndpointKindRecord> for EndpointKind {
    fn from(kind: EndpointKindRecord) -> Self {
        match kind {
            EndpointKindRecord::Workload => Self::Workload,
            EndpointKindRecord::Host => Self::Host,
            EndpointKindRecord::NetworkSet => Self::NetworkSet,
            EndpointKindRecord::Network => Self::Network,
        }
    }
}

impl From<NameScope> for NameScopeRecord {
    fn from(scope: NameScope) -> Self {
        match scope {
            NameScope::Exact => Self::Exact,
            NameScope::Aggregated => Self::Aggregated,
        }
    }
}

impl From<NameScopeRecord> for NameScope {
    fn from(scope: NameScopeRecord) -> Self {
        match scope {
            NameScopeRecord::Exact => Self::Exact,
            NameScopeRecord::Aggregated => Self::Aggregated,
        }
    }
}

impl From<&Endpoint> for EndpointRecord {
    fn from(endpoint: &Endpoint) -> Self {
        let Endpoint { kind, namespace, name, name_scope, address, labels } = endpoint;
        Self {
            kind: (*kind).into(),
            namespace: namespace.as_ref().map(Text::from),
            name: name.into(),
            name_scope: (*name_scope).into(),
            address: *address,
            labels: labels
                .as_ref()
                .map(|set| set.iter().map(|(key, value)| (key.into(), value.into())).collect()),
        }
    }
}

impl From<EndpointRecord> for Endpoint {
    fn from(record: EndpointRecord) -> Self {
        let EndpointRecord { kind, namespace, name, name_scope, address, labels } = record;
        Self {
            kind: kind.into(),
            namespace: namespace.map(Name::from),
            name: name.into(),
            name_scope: name_scope.into(),
            address,
            labels: labels.map(|pairs| pairs.into_iter().collect::<LabelSet>()),
        }
    }
}

impl From<&ServiceRef> for ServiceRecord {
    fn from(service: &ServiceRef) -> Self {
        let ServiceRef { namespace, name, port_name } = service;
        Self { namespace: namespace.into(), name: name.into(), port_name: port_name.into() }
    }
}

impl From<ServiceRecord> for ServiceRef {
    fn from(record: ServiceRecord) -> Self {
        let ServiceRecord { namespace, name, port_name } = record;
        Self { namespace: namespace.into(), name: name.into(), port_name: port_name.into() }
    }
}
