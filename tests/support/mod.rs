//! What tests share. Each test binary uses its own part of it.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod broker;
