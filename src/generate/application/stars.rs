//! Stars: everyone polls everyone, itself included.
//!
//! Facts: `tigera-solutions/cc-eks-observability-workshop`, `manifests/01-stars.yaml`.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, Party, Workload};

const FRONTEND: (&str, &str) = ("stars", "frontend");
const BACKEND: (&str, &str) = ("stars", "backend");
const CLIENT: (&str, &str) = ("client", "client");
const UI: (&str, &str) = ("management-ui", "management-ui");

/// The stars.
pub(super) const STARS: Application = Application {
    name: "stars",
    workloads: &[
        Workload::deployment(FRONTEND.0, FRONTEND.1, &[("identity", "tenant-1"), ("role", "frontend")])
            .replicas(2)
            .probed(80),
        Workload::deployment(BACKEND.0, BACKEND.1, &[("role", "backend")]).probed(6379),
        Workload::deployment(CLIENT.0, CLIENT.1, &[("role", "client")]).probed(9000),
        Workload::deployment(UI.0, UI.1, &[("role", "management-ui")]).probed(9001),
    ],
    calls: &[
        Call::tcp(FRONTEND, FRONTEND, 80, "", 80),
        Call::tcp(FRONTEND, BACKEND, 6379, "", 6379),
        Call::tcp(FRONTEND, CLIENT, 9000, "", 9000),
        Call::tcp(BACKEND, FRONTEND, 80, "", 80),
        Call::tcp(BACKEND, BACKEND, 6379, "", 6379),
        Call::tcp(BACKEND, CLIENT, 9000, "", 9000),
        Call::tcp(CLIENT, FRONTEND, 80, "", 80),
        Call::tcp(CLIENT, BACKEND, 6379, "", 6379),
        Call::tcp(UI, FRONTEND, 80, "", 80),
        Call::tcp(UI, BACKEND, 6379, "", 6379),
        Call::tcp(UI, CLIENT, 9000, "", 9000),
        Call::direct(Party::Address(Ipv4Addr::new(203, 0, 113, 24), &[]), Party::Pods(UI.0, UI.1), 9001),
    ],
};
