//! What tests share. Each test binary uses its own part of it.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its own part")]

pub(crate) mod broker;
pub mod connectivity;
pub mod example;
pub mod manifests;
pub mod reference;
pub mod topology;
pub mod worlds;
