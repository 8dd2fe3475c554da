//! What every cluster runs: name resolution, monitoring, the API server; and what it does to every workload.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, Controller, Party, Service, Workload};
use crate::model::Protocol;

const COREDNS: (&str, &str) = ("kube-system", "coredns");
const METRICS: (&str, &str) = ("kube-system", "metrics-server");
const PROMETHEUS: (&str, &str) = ("monitoring", "prometheus");
const GRAFANA: (&str, &str) = ("monitoring", "grafana");
const ALERTS: (&str, &str) = ("monitoring", "alertmanager");
const BLACKBOX: (&str, &str) = ("monitoring", "blackbox-exporter");
const AGENT: (&str, &str) = ("monitoring", "log-agent");

const API_SERVER: Service =
    Service { namespace: "default", name: "kubernetes", port_name: "https", port: 443 };

/// The port that node-exporter listens on, on every node.
const NODE_EXPORTER_PORT: u16 = 9100;

/// Makes a call to the API server, which runs on the first node outside of the pod network.
const fn api_call(from: (&'static str, &'static str)) -> Call {
    Call {
        from: Party::Pods(from.0, from.1),
        to: Party::Node(0),
        protocol: Protocol::TCP,
        port: Some(6443),
        service: Some(API_SERVER),
    }
}

/// The parts that every cluster runs.
pub const PLATFORM: Application = Application {
    name: "platform",
    workloads: &[
        Workload::deployment(COREDNS.0, COREDNS.1, &[("k8s-app", "kube-dns")])
            .account("coredns")
            .replicas(2)
            .probed(8080)
            .scraped(9153),
        Workload::deployment(METRICS.0, METRICS.1, &[("k8s-app", "metrics-server")])
            .account("metrics-server")
            .probed(10250),
        Workload::deployment(PROMETHEUS.0, PROMETHEUS.1, &[("app.kubernetes.io/name", "prometheus")])
            .account("prometheus")
            .run_by(Controller::StatefulSet)
            .replicas(2)
            .probed(9090)
            .scraped(9090),
        Workload::deployment(GRAFANA.0, GRAFANA.1, &[("app.kubernetes.io/name", "grafana")])
            .account("grafana")
            .probed(3000)
            .scraped(3000),
        Workload::deployment(ALERTS.0, ALERTS.1, &[("app.kubernetes.io/name", "alertmanager")])
            .account("alertmanager")
            .run_by(Controller::StatefulSet)
            .probed(9093),
        Workload::deployment(BLACKBOX.0, BLACKBOX.1, &[("app.kubernetes.io/name", "blackbox-exporter")])
            .probed(9115)
            .scraped(9115),
        Workload::deployment(AGENT.0, AGENT.1, &[("app.kubernetes.io/name", "log-agent")])
            .account("log-agent")
            .run_by(Controller::DaemonSet)
            .replicas(4)
            .scraped(2020),
    ],
    calls: &[
        api_call(COREDNS),
        api_call(METRICS),
        api_call(PROMETHEUS),
        Call {
            from: Party::Pods(COREDNS.0, COREDNS.1),
            to: Party::Address(Ipv4Addr::new(10, 0, 0, 2), &[]),
            protocol: Protocol::UDP,
            port: Some(53),
            service: None,
        },
        Call::tcp(GRAFANA, PROMETHEUS, 9090, "web", 9090),
        Call::tcp(PROMETHEUS, ALERTS, 9093, "web", 9093),
        Call::direct(
            Party::Pods(ALERTS.0, ALERTS.1),
            Party::Address(Ipv4Addr::new(54, 230, 18, 92), &["hooks.slack.com"]),
            443,
        ),
        Call {
            from: Party::Pods(BLACKBOX.0, BLACKBOX.1),
            to: Party::Address(Ipv4Addr::new(192, 0, 2, 254), &[]),
            protocol: Protocol::ICMP,
            port: None,
            service: None,
        },
        Call::direct(Party::Pods(AGENT.0, AGENT.1), Party::Address(Ipv4Addr::new(10, 0, 9, 40), &[]), 9200),
    ],
};

/// Returns what the platform does to a workload: it resolves names, is probed by the kubelet of `node` and is
/// scraped. `place` is its place among all workloads: every third falls back to TCP for long answers.
pub(crate) fn calls_around(
    workload: &Workload,
    place: usize,
    node: u32,
) -> impl Iterator<Item = Call> + use<> {
    let pods = Party::Pods(workload.namespace, workload.name);
    let is_dns = (workload.namespace, workload.name) == COREDNS;
    let is_prometheus = (workload.namespace, workload.name) == PROMETHEUS;
    let dns = |protocol, port_name| Call {
        from: pods,
        to: Party::Pods(COREDNS.0, COREDNS.1),
        protocol,
        port: Some(53),
        service: Some(Service { namespace: "kube-system", name: "kube-dns", port_name, port: 53 }),
    };
    let udp = (!is_dns).then(|| dns(Protocol::UDP, "dns"));
    let tcp = (!is_dns && place.is_multiple_of(3)).then(|| dns(Protocol::TCP, "dns-tcp"));
    let probe = workload.probed.map(|port| Call::direct(Party::Node(node), pods, port));
    let scrape = workload
        .scraped
        .filter(|_| !is_prometheus)
        .map(|port| Call::direct(Party::Pods(PROMETHEUS.0, PROMETHEUS.1), pods, port));
    [udp, tcp, probe, scrape].into_iter().flatten()
}

/// Returns Prometheus' scrape of one node.
pub(crate) const fn scrape_of_node(node: u32) -> Call {
    Call::direct(Party::Pods(PROMETHEUS.0, PROMETHEUS.1), Party::Node(node), NODE_EXPORTER_PORT)
}
