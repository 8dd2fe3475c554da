//! The recommender by its behaviour: flows in, policy out.

mod faults;
mod lifecycle;
mod naming;
mod verification;

mod support;
