//! Which rule decides a flow, enforced and staged.
//!
//! ```text
//!   PolicySet --compile--> Programs (one revision: enforced and pending together, shared as one Arc)
//!                             |
//!   Edge --> Judge (a worker's memo) --> JudgementId --> Judgement { enforced, pending, outcome, blame }
//! ```
//!
//! A verdict is a pure function of policy set and edge, so it is computed once per edge and revision. It refuses to
//! guess: what a record does not carry makes the answer *undetermined*, with the attribute that is missing.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod change;
mod class;
mod compiled;
mod compose;
mod connection;
mod ends;
mod evidence;
#[cfg(test)]
mod examples;
mod explain;
mod forwarded;
mod found;
mod gate;
mod judge;
mod judging;
mod labels;
mod lint;
mod met;
mod options;
mod party;
mod plan;
mod port_answer;
mod port_classes;
mod port_list;
mod programs;
mod question;
mod reasons;
mod recorded;
mod roster;
mod rule;
mod truth;
mod truth_check;
mod verdict;
mod walk;
mod what_if;
mod whereabouts;
mod worlds;

pub use change::{Change, Touched};
pub use connection::Connection;
pub use ends::EndId;
pub use evidence::Evidence;
pub use explain::{Explanation, PolicyExplanation, Reason, RuleExplanation, TierExplanation, explain};
pub use judge::Judge;
pub use lint::{Concern, Finding, Problem, lint};
pub use options::{EndOfTier, Failsafe, Families, Mode, Options, Switches};
pub use programs::Programs;
pub use recorded::{Agreement, Cause, Recorded};
pub use rule::{Part, Side};
pub use truth::Truth;
pub use truth_check::{Phase, TruthCheck};
pub use verdict::{Answer, Judgement, JudgementId, Missing, Outcome, StagedHit, StagedResult, Verdict};
pub use what_if::{Supposed, what_if};
