//! Manifests: YAML and JSON to policy values, and back.
//!
//! [`read`] takes a text and gives its objects, parsed, checked and with the API's defaults applied, or
//! everything that is wrong with it: place, object, field, cause, and the likely mend. Where Calico refuses an
//! object it is refused here; a field or a kind that is not known is an error, never skipped. [`assemble`] makes
//! one [`PolicySet`] of the objects of all files. Both follow the newest Calico; [`read_for`] and
//! [`assemble_for`] follow the release that they are given, which names policies, and knows tiers and kinds, in
//! its own way. [`write()`] gives a policy back as YAML that reads as the same policy.
//!
//! ```text
//!   text --tree--> nodes with places --reader, one file a kind--> Object ... --assemble--> PolicySet
//!   Policy --one file a kind--> Out --> YAML | JSON                                        and warnings
//! ```
//!
//! It does no I/O, knows no folder and no cluster. Selectors stay as they were written: how those of a policy and
//! its namespace come together is the evaluator's business. A text costs bounded time and memory: 16 MiB at most,
//! no anchors, 32 levels, 250,000 values a document.
//!
//! Sources: the API types, defaults and validation of `projectcalico/calico`; the Kubernetes API reference.
//!
//! [`PolicySet`]: crate::policy::PolicySet

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

// Kinds.
mod calico_object;
mod calico_policy;
mod cluster_object;
mod cluster_policy;
mod cluster_port;
mod entity;
mod kubernetes_policy;
mod label_selector;
mod meta;
mod port_group;
mod rule;
mod tier_name;
mod values;
// Reading and writing.
mod assembly;
mod error;
mod nearest;
mod object;
mod out;
mod read;
mod reader;
mod revision;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use assembly::{Assembled, assemble, assemble_for};
pub use error::{Error, Place, Warning};
pub use object::{Item, Object, Unused};
pub use read::{read, read_for};
pub use write::{Inexpressible, to_json, write, write_network_set, write_tier};
