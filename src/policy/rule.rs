//! Rules, and what they ask of the two ends of a flow.

use super::selector::Selector;
use crate::model::{Action, IpNet, Name, Protocol};

/// What a rule does with what it matches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleAction {
    /// Decides, or leaves the tier.
    Terminal(Action),
    /// Writes a log line in the data plane. It keeps its place in the numbering and has no other effect.
    Log,
}

/// A condition on ICMP messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IcmpMatch {
    /// The type; nothing for any.
    pub icmp_type: Option<u8>,
    /// The code; nothing for any. Needs a type.
    pub code: Option<u8>,
}

/// One path of an HTTP condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HttpPath {
    /// The whole path.
    Exact(String),
    /// The begin of the path.
    Prefix(String),
}

/// A condition on HTTP requests. Flow records cannot answer it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HttpMatch {
    /// Methods; empty for any.
    pub methods: Vec<String>,
    /// Paths; empty for any.
    pub paths: Vec<HttpPath>,
}

/// One rule. Conditions that are present must all hold; a rule without conditions matches everything.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// What it does.
    pub action: RuleAction,
    /// 4 or 6.
    pub ip_version: Option<u8>,
    /// The protocol.
    pub protocol: Option<Protocol>,
    /// Any protocol but this.
    pub not_protocol: Option<Protocol>,
    /// The ICMP message.
    pub icmp: Option<IcmpMatch>,
    /// Any ICMP message but this.
    pub not_icmp: Option<IcmpMatch>,
    /// The HTTP request.
    pub http: Option<HttpMatch>,
    /// What the end that opened the connection must be.
    pub source: EntityRule,
    /// What the end that was called must be.
    pub destination: EntityRule,
    /// `metadata.annotations` of the rule, in the order of their keys.
    pub annotations: Vec<(String, String)>,
}

impl Rule {
    /// Makes a rule that matches everything.
    #[must_use]
    pub fn new(action: RuleAction) -> Self {
        Self {
            action,
            ip_version: None,
            protocol: None,
            not_protocol: None,
            icmp: None,
            not_icmp: None,
            http: None,
            source: EntityRule::default(),
            destination: EntityRule::default(),
            annotations: Vec::new(),
        }
    }
}

/// The `namespaceSelector` of a rule.
#[derive(Clone, PartialEq, Debug)]
pub enum NamespaceMatch {
    /// `all()`: whatever has a namespace.
    Any,
    /// `global()`: whatever has none: host endpoints and global network sets.
    Global,
    /// A selector over the labels of the namespace.
    Labels(Selector),
}

/// The `serviceAccounts` of a rule.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ServiceAccountMatch {
    /// One of these names; empty for any.
    pub names: Vec<Name>,
    /// A selector over the labels of the service account.
    pub selector: Option<Selector>,
}

/// The `services` of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceMatch {
    /// The Service's name.
    pub name: Name,
    /// Its namespace, if written.
    pub namespace: Option<Name>,
}

/// One entry of a list of ports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PortMatch {
    /// A port, or the ports from the first to the second, both included.
    Range(u16, u16),
    /// A container port by its name.
    Named(Name),
}

/// What a rule asks of one end. Conditions that are present must all hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct EntityRule {
    /// The address lies in one of these; empty for any.
    pub nets: Vec<IpNet>,
    /// The address lies in none of these.
    pub not_nets: Vec<IpNet>,
    /// The address belongs to an endpoint or a network set that this selects.
    pub selector: Option<Selector>,
    /// The address belongs to no endpoint or network set that this selects.
    pub not_selector: Option<Selector>,
    /// Scopes the selectors and service accounts to namespaces.
    pub namespace_selector: Option<NamespaceMatch>,
    /// The address belongs to a pod of one of these service accounts.
    pub service_accounts: Option<ServiceAccountMatch>,
    /// The address, and for egress the port, belongs to an endpoint of this Service.
    pub services: Option<ServiceMatch>,
    /// The port is one of these; empty for any.
    pub ports: Vec<PortMatch>,
    /// The port is none of these.
    pub not_ports: Vec<PortMatch>,
    /// The address was answered for one of these names (Calico Enterprise). Empty for any.
    pub domains: Vec<String>,
}
