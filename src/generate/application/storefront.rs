//! The storefront with its firewall zones, an attacker that probes it, and a tenant that polls a listed address.
//!
//! Facts: `tigera-solutions/calicocloud-kaas-workshop-demo`, `demo/setup/storefront/`, `demo/app-control/` and
//! `demo/attacker-rogue/`.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, OutsideSet, Party, Workload};

const NAMESPACE: &str = "storefront";
const FRONTEND: (&str, &str) = (NAMESPACE, "frontend");
const ONE: (&str, &str) = (NAMESPACE, "microservice1");
const TWO: (&str, &str) = (NAMESPACE, "microservice2");
const BACKEND: (&str, &str) = (NAMESPACE, "backend");
const LOGGING: (&str, &str) = (NAMESPACE, "logging");
const ATTACKER: (&str, &str) = ("default", "attacker-app");
const ACME: (&str, &str) = ("acme", "access");

/// Where text messages are sent from.
pub(super) const TWILIO: OutsideSet = OutsideSet {
    name: "twilio-api",
    labels: &[("destinations", "twilio")],
    address: Ipv4Addr::new(54, 172, 60, 12),
    domains: &["api.twilio.com"],
};

/// Listed exit addresses of Tor.
pub(super) const TOR: OutsideSet = OutsideSet {
    name: "tor-exits",
    labels: &[("threatfeed", "tor")],
    address: Ipv4Addr::new(185, 220, 101, 45),
    domains: &[],
};

/// Those who may call the storefront from outside.
pub(super) const TRUSTED_CLIENTS: OutsideSet = OutsideSet {
    name: "trusted-clients",
    labels: &[("clients", "trusted")],
    address: Ipv4Addr::new(18, 0, 44, 7),
    domains: &[],
};

/// The storefront, its attacker and its neighbour.
pub(super) const STOREFRONT: Application = Application {
    name: "storefront",
    workloads: &[
        Workload::deployment(FRONTEND.0, FRONTEND.1, &[("app", "frontend"), ("fw-zone", "dmz")])
            .replicas(2)
            .probed(8080),
        Workload::deployment(ONE.0, ONE.1, &[("app", "microservice1"), ("fw-zone", "trusted")]).probed(8080),
        Workload::deployment(TWO.0, TWO.1, &[("app", "microservice2"), ("fw-zone", "trusted")]).probed(8080),
        Workload::deployment(BACKEND.0, BACKEND.1, &[("app", "backend"), ("fw-zone", "restricted")])
            .probed(8080),
        Workload::deployment(LOGGING.0, LOGGING.1, &[("app", "logging")]).probed(8080),
        Workload::deployment(ATTACKER.0, ATTACKER.1, &[("app", "attacker-app")]),
        Workload::deployment(ACME.0, ACME.1, &[("run", "access"), ("tenant", "acme")]),
    ],
    calls: &[
        Call::tcp(FRONTEND, LOGGING, 8080, "http", 80),
        Call::tcp(FRONTEND, ONE, 8080, "http", 80),
        Call::tcp(FRONTEND, TWO, 8080, "http", 80),
        Call::tcp(ONE, LOGGING, 8080, "http", 80),
        Call::tcp(ONE, TWO, 8080, "http", 80),
        Call::tcp(ONE, BACKEND, 8080, "http", 80),
        Call::tcp(TWO, LOGGING, 8080, "http", 80),
        Call::tcp(TWO, ONE, 8080, "http", 80),
        Call::tcp(TWO, BACKEND, 8080, "http", 80),
        Call::tcp(BACKEND, LOGGING, 8080, "http", 80),
        Call::direct(Party::Pods(TWO.0, TWO.1), Party::Set(&TWILIO), 443),
        Call::direct(Party::Set(&TRUSTED_CLIENTS), Party::Pods(FRONTEND.0, FRONTEND.1), 8080),
        Call::direct(
            Party::Address(Ipv4Addr::new(192, 0, 2, 18), &[]),
            Party::Pods(FRONTEND.0, FRONTEND.1),
            8080,
        ),
        Call::tcp(ATTACKER, FRONTEND, 8080, "http", 80),
        Call::tcp(ATTACKER, ONE, 8080, "http", 80),
        Call::tcp(ATTACKER, TWO, 8080, "http", 80),
        Call::tcp(ATTACKER, BACKEND, 8080, "http", 80),
        Call::direct(Party::Pods(ACME.0, ACME.1), Party::Set(&TOR), 443),
    ],
};
