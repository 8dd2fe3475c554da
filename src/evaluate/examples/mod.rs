//! The worked examples of Calico's policy semantics, each as a test: one small cluster, one policy or two, one
//! connection, and the two traces.

mod divergences;
mod doubt;
mod fixture;
mod hosts;
mod selection;
mod staged;
mod tiers;
