//! What is wrong with policies that can be read: rules that nothing can match, staged policies that change nothing,
//! and what Calico's own rehearsal gets wrong about them.
//!
//! A finding is a proof, never a guess: what is not surely so is not reported. Only the policies and the network sets
//! are looked at, never which endpoints are selected now: a selector that selects nobody today may select somebody
//! tomorrow.

mod divergences;
mod finding;
mod place;
mod rules;
mod satisfiable;
mod short_members;
mod staging;
#[cfg(test)]
mod tests;

pub use finding::{Concern, Finding, Problem};

use crate::policy::PolicySet;
use short_members::ShortMembers;

/// Returns everything that is found in the policies of a set, in the order of their evaluation.
#[must_use]
pub fn lint(set: &PolicySet) -> Vec<Finding> {
    let mut findings = Vec::new();
    let short_members = ShortMembers::new(set);
    for policy in set.policies() {
        rules::look_at(policy, &mut findings);
        staging::look_at(set, policy, &mut findings);
        divergences::look_at(set, policy, &short_members, &mut findings);
    }
    findings
}
