//! The voting application: a worker with no port and no Service.
//!
//! Facts: `dockersamples/example-voting-app`, `k8s-specifications/`. It names no namespace; here it has one.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, Party, Workload};

const VOTE: (&str, &str) = ("vote", "vote");
const RESULT: (&str, &str) = ("vote", "result");
const WORKER: (&str, &str) = ("vote", "worker");
const REDIS: (&str, &str) = ("vote", "redis");
const DB: (&str, &str) = ("vote", "db");

/// The votes.
pub(super) const VOTE_APP: Application = Application {
    name: "vote",
    workloads: &[
        Workload::deployment(VOTE.0, VOTE.1, &[("app", "vote")]).replicas(3).probed(80),
        Workload::deployment(RESULT.0, RESULT.1, &[("app", "result")]).probed(80),
        Workload::deployment(WORKER.0, WORKER.1, &[("app", "worker")]).replicas(2),
        Workload::deployment(REDIS.0, REDIS.1, &[("app", "redis")]).probed(6379),
        Workload::deployment(DB.0, DB.1, &[("app", "db")]).probed(5432),
    ],
    calls: &[
        Call::tcp(VOTE, REDIS, 6379, "redis-service", 6379),
        Call::tcp(RESULT, DB, 5432, "db-service", 5432),
        Call::tcp(WORKER, REDIS, 6379, "redis-service", 6379),
        Call::tcp(WORKER, DB, 5432, "db-service", 5432),
        Call::direct(Party::Address(Ipv4Addr::new(203, 0, 113, 77), &[]), Party::Pods(VOTE.0, VOTE.1), 80),
        Call::direct(
            Party::Address(Ipv4Addr::new(203, 0, 113, 78), &[]),
            Party::Pods(RESULT.0, RESULT.1),
            80,
        ),
    ],
};
