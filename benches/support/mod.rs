//! What the benches share: one input, one set of policies, and the baseline.

pub(crate) mod baseline;
pub(crate) mod input;
