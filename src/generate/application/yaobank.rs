//! Yaobank: three tiers whose service accounts carry the labels that policies ask for.
//!
//! Facts: `projectcalico/yaobank`, and `tigera-solutions/cc-eks-observability-workshop`, `manifests/02-yaobank.yaml`.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, Party, Workload};

const CUSTOMER: (&str, &str) = ("yaobank", "customer");
const SUMMARY: (&str, &str) = ("yaobank", "summary");
const DATABASE: (&str, &str) = ("yaobank", "database");

/// The bank.
pub(super) const YAOBANK: Application = Application {
    name: "yaobank",
    workloads: &[
        Workload::deployment(CUSTOMER.0, CUSTOMER.1, &[("app", "customer"), ("version", "v1")])
            .account("customer")
            .probed(80),
        Workload::deployment(SUMMARY.0, SUMMARY.1, &[("app", "summary"), ("version", "v1")])
            .account("summary")
            .replicas(2)
            .probed(80),
        Workload::deployment(DATABASE.0, DATABASE.1, &[("app", "database"), ("version", "v1")])
            .account("database"),
    ],
    calls: &[
        Call::tcp(CUSTOMER, SUMMARY, 80, "http", 80),
        Call::tcp(SUMMARY, DATABASE, 2379, "http", 2379),
        Call::direct(
            Party::Address(Ipv4Addr::new(198, 51, 100, 61), &[]),
            Party::Pods(CUSTOMER.0, CUSTOMER.1),
            80,
        ),
    ],
};
