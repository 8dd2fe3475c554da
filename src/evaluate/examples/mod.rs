//! The worked examples of Calico's policy semantics, each as a test: one small cluster, one policy or two, one
//! connection, and the two traces.

mod changes;
mod divergences;
mod doubt;
mod edits;
mod evidence;
mod explained;
pub(super) mod fixture;
mod hosts;
mod no_evidence;
mod selection;
mod staged;
mod tiers;
