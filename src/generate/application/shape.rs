//! What an application is made of, as data.

use std::net::Ipv4Addr;

use crate::model::Protocol;

/// What runs the pods; it decides how they are named and which labels are added to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Controller {
    /// Pods `web-6d4cf56db6-x7k2p`, with a `pod-template-hash`.
    Deployment,
    /// Pods `db-0`, with a revision hash.
    StatefulSet,
    /// Pods `agent-x7k2p`, with a revision hash.
    DaemonSet,
}

/// Pods of one template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    /// Their namespace.
    pub namespace: &'static str,
    /// The name of what runs them.
    pub name: &'static str,
    /// The labels of the template.
    pub labels: &'static [(&'static str, &'static str)],
    /// The service account.
    pub service_account: &'static str,
    /// What runs them.
    pub controller: Controller,
    /// How many there are; at least one.
    pub replicas: u8,
    /// The port that the kubelet probes, if it does.
    pub probed: Option<u16>,
    /// The port that Prometheus scrapes, if it does.
    pub scraped: Option<u16>,
}

impl Workload {
    /// Makes a deployment of one pod that runs as `default` and is neither probed nor scraped.
    #[must_use]
    pub const fn deployment(
        namespace: &'static str,
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            namespace,
            name,
            labels,
            service_account: "default",
            controller: Controller::Deployment,
            replicas: 1,
            probed: None,
            scraped: None,
        }
    }

    /// Returns it run by another controller.
    #[must_use]
    pub const fn run_by(mut self, controller: Controller) -> Self {
        self.controller = controller;
        self
    }

    /// Returns it with another service account.
    #[must_use]
    pub const fn account(mut self, service_account: &'static str) -> Self {
        self.service_account = service_account;
        self
    }

    /// Returns it with that many pods.
    #[must_use]
    pub const fn replicas(mut self, replicas: u8) -> Self {
        self.replicas = replicas;
        self
    }

    /// Returns it probed by the kubelet on `port`.
    #[must_use]
    pub const fn probed(mut self, port: u16) -> Self {
        self.probed = Some(port);
        self
    }

    /// Returns it scraped by Prometheus on `port`.
    #[must_use]
    pub const fn scraped(mut self, port: u16) -> Self {
        self.scraped = Some(port);
        self
    }
}

/// A port of a Service, as a caller names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service {
    /// The Service's namespace.
    pub namespace: &'static str,
    /// The Service's name.
    pub name: &'static str,
    /// The name of its port; empty when it has none.
    pub port_name: &'static str,
    /// The number of its port, before translation to the pod's.
    pub port: u16,
}

/// Outside addresses that the cluster has a name for.
#[derive(PartialEq, Eq, Debug)]
pub struct OutsideSet {
    /// The name of the global network set.
    pub name: &'static str,
    /// Its labels.
    pub labels: &'static [(&'static str, &'static str)],
    /// The one of its addresses that takes part.
    pub address: Ipv4Addr,
    /// The domain names that lead there.
    pub domains: &'static [&'static str],
}

/// One end of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Party {
    /// A workload by namespace and name.
    Pods(&'static str, &'static str),
    /// A node by its number, modulo the number of nodes.
    Node(u32),
    /// A global network set.
    Set(&'static OutsideSet),
    /// An address that the cluster has no name for, and the domain names that lead there.
    Address(Ipv4Addr, &'static [&'static str]),
}

/// One party calls another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Who opens the connection.
    pub from: Party,
    /// Who is called.
    pub to: Party,
    /// The protocol.
    pub protocol: Protocol,
    /// The port of the pod itself; nothing for ICMP.
    pub port: Option<u16>,
    /// The Service that was dialled, if any.
    pub service: Option<Service>,
}

impl Call {
    /// Makes a TCP call between two workloads through the Service that is named like the called workload.
    #[must_use]
    pub const fn tcp(
        from: (&'static str, &'static str),
        to: (&'static str, &'static str),
        port: u16,
        port_name: &'static str,
        service_port: u16,
    ) -> Self {
        Self {
            from: Party::Pods(from.0, from.1),
            to: Party::Pods(to.0, to.1),
            protocol: Protocol::TCP,
            port: Some(port),
            service: Some(Service { namespace: to.0, name: to.1, port_name, port: service_port }),
        }
    }

    /// Makes a TCP call that goes to the far end itself, without a Service.
    #[must_use]
    pub const fn direct(from: Party, to: Party, port: u16) -> Self {
        Self { from, to, protocol: Protocol::TCP, port: Some(port), service: None }
    }
}

/// One application: its pods, and who calls whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Application {
    /// The name it is known by.
    pub name: &'static str,
    /// Its pods.
    pub workloads: &'static [Workload],
    /// Its calls. Name resolution, probes and scrapes are the same for all and stand elsewhere.
    pub calls: &'static [Call],
}
