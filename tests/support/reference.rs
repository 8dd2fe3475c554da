//! The evaluator as the manual says it: slow, obvious, and without a line of the fast one.
//!
//! Nothing is compiled, indexed, remembered or shared with `flowstage::evaluate` but its types. It is meant to be
//! read as the specification, in this order:
//!
//! ```text
//!   truth      True, False, or Unknown with what is missing
//!   labels     what is known of the labels of a pod, a host or a set, with those it inherits
//!   selector   a selector over such labels
//!   address    what is known of an address, and whether it lies in prefixes
//!   ends       the two ends of a connection: which object of the catalog stands there, and what else is at its address
//!   entity     what a rule asks of one end
//!   rule       what a rule asks of the packet; which policy selects an endpoint
//!   walk       tiers, policies, rules, profiles: one path, and all the paths that are possible
//!   judge      enforced against pending, what each staged policy did, who is to blame
//!   what_if    the policy set in which staged policies replace or remove their enforced namesakes
//! ```
//!
//! An attribute that a record lacks makes a condition Unknown. The walk then follows both ways from there. Where all
//! paths end alike that is the answer; else it is undetermined, and what is missing is what any path asked for in
//! vain.
//!
//! Source of the rules: Calico's API documentation and the behaviour of `projectcalico/calico` (libcalico-go's
//! update processors and selector, felix/calc, app-policy/checker).

mod address;
mod ends;
mod entity;
mod judge;
mod labels;
mod rule;
mod selector;
mod truth;
mod walk;
mod what_if;

pub use judge::Reference;
pub use walk::{Charge, Mode, Scope};
pub use what_if::what_if;
