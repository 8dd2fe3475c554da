//! What tests share. Each test binary uses its own part of it.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its own part")]
#![allow(clippy::print_stdout, reason = "a test that leaves something out says so")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "literals and formatted text read better by value in tests"
)]

pub(crate) mod broker;
pub mod connectivity;
pub mod example;
pub mod manifests;
pub mod reference;
pub mod topology;
pub mod worlds;
