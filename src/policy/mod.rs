//! Network policy as a language: tiers, policies, rules, selectors, and the cluster they speak about.
//!
//! Everything here is *as the user wrote it*, parsed, checked and with the API's defaults applied. Nothing is
//! compiled: the evaluator does that. A reader of YAML makes these values; a writer of YAML prints them.
//!
//! # The semantics on one page
//!
//! For one endpoint and one direction, tiers are visited by order, then by name. In a tier the policies that select
//! the endpoint and govern the direction are visited by order, then by the text `name/namespace/kind` (up to Calico 3.31
//! by its key, [`Policy::cmp_in_tier`]).
//!
//! ```text
//!   tier --> policy --> rule: Allow -> the verdict is allow
//!                             Deny  -> the verdict is deny
//!                             Pass  -> next tier
//!                             Log   -> next rule
//!            no rule of any policy matched: end of tier, the tier's default action (Deny or Pass)
//!   no policy governs the direction: the tier is skipped, without a default action
//!   no tier decided: the endpoint's profiles; a pod's namespace profile allows
//! ```
//!
//! Staged policies take no part in what is *enforced*; a tier with none but staged policies is skipped there. For
//! what is *pending* they are evaluated beside the enforced ones as though they were enforced.
//!
//! Sources: Calico API documentation (network policy, tiers, staged policy) and `projectcalico/calico`.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod cluster;
#[expect(
    clippy::module_inception,
    reason = "the room is named after the language, the file after the object"
)]
mod policy;
mod rule;
pub mod selector;
mod set;
mod tier;

pub use cluster::{
    Cluster, HostEndpoint, NamedPort, Namespace, NetworkSet, Profile, ServiceAccount, ServiceEndpoints,
    ServicePort, Workload,
};
pub use policy::{GlobalScope, Order, Policy, StagedAction, Types};
pub use rule::{
    EntityRule, HttpMatch, HttpPath, IcmpMatch, NamespaceMatch, PortMatch, Rule, RuleAction,
    ServiceAccountMatch, ServiceMatch,
};
pub use selector::Selector;
pub use set::{PolicySet, Revision};
pub use tier::{DefaultAction, Tier};
