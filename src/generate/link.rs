//! One connection that is made again and again: two ends, a port, a Service.

use std::net::{IpAddr, Ipv4Addr};

use super::application::{Controller, OutsideSet, Service, Workload};
use super::identity::{below, hash_of, letters, mix, node_address, node_name, pod_address};
use crate::model::{
    Direction, Edge, Endpoint, EndpointKind, LabelSet, Name, NameScope, Protocol, ServiceRef,
};

/// How much of an end a record keeps. Calico Enterprise keeps more of what it denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
    /// Pod names and addresses: aggregation level 1, for denied flows.
    Full,
    /// Shared names, no addresses: aggregation level 2, for allowed flows.
    Aggregated,
}

/// One end, with all that can be known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct End {
    /// What it is.
    pub(super) kind: EndpointKind,
    /// Its namespace.
    pub(super) namespace: Option<Name>,
    /// The name of the one pod or host endpoint; empty for networks and sets.
    pub(super) name: Name,
    /// The name that records aggregate to.
    pub(super) aggregated: Name,
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Its labels; nothing for a network.
    pub(super) labels: Option<LabelSet>,
    /// The domain names that lead there.
    pub(super) domains: &'static [&'static str],
    /// The nodes that it runs on; empty outside of the cluster.
    pub(super) nodes: Vec<u32>,
}

impl End {
    /// Makes the end that a workload is.
    pub(super) fn workload(workload: &Workload, nodes: u32) -> Self {
        let Workload { namespace, name, labels, controller, replicas, .. } = *workload;
        Self::pods(namespace, name, labels.iter().copied(), controller, replicas, nodes)
    }

    /// Makes the end that the pods of one template are.
    pub(super) fn pods<'a>(
        namespace: &str,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        controller: Controller,
        replicas: u8,
        nodes: u32,
    ) -> Self {
        let hash = hash_of(&[namespace, name]);
        let template = letters(hash, 10);
        let suffix = letters(mix(hash ^ 1), 5);
        let mut labels: LabelSet = labels.collect();
        let (prefix, pod) = match controller {
            Controller::Deployment => {
                labels.insert(Name::from("pod-template-hash"), Name::from(template.as_str()));
                let prefix = format!("{name}-{template}-");
                let pod = format!("{prefix}{suffix}");
                (prefix, pod)
            }
            Controller::StatefulSet => {
                labels
                    .insert(Name::from("controller-revision-hash"), Name::from(format!("{name}-{template}")));
                let pod = format!("{name}-0");
                // Aggregated records keep only the labels that all replicas share.
                if replicas == 1 {
                    labels.insert(Name::from("statefulset.kubernetes.io/pod-name"), Name::from(pod.as_str()));
                }
                (format!("{name}-"), pod)
            }
            Controller::DaemonSet => {
                labels.insert(Name::from("controller-revision-hash"), Name::from(template.as_str()));
                labels.insert(Name::from("pod-template-generation"), Name::from("1"));
                (format!("{name}-"), format!("{name}-{suffix}"))
            }
        };
        Self {
            kind: EndpointKind::Workload,
            namespace: Some(Name::from(namespace)),
            name: Name::from(pod),
            aggregated: Name::from(format!("{prefix}*")),
            address: pod_address(hash),
            labels: Some(labels),
            domains: &[],
            nodes: (0..replicas.max(1)).map(|it| node_of_replica(hash, it, nodes)).collect(),
        }
    }

    /// Makes the automatic host endpoint of a node.
    pub(super) fn node(node: u32) -> Self {
        let host = node_name(node);
        let labels = [
            (Name::from("beta.kubernetes.io/os"), Name::from("linux")),
            (Name::from("kubernetes.io/hostname"), host.clone()),
            (Name::from("kubernetes.io/os"), Name::from("linux")),
        ];
        Self {
            kind: EndpointKind::Host,
            namespace: None,
            name: Name::from(format!("{host}-auto-hep")),
            aggregated: host,
            address: node_address(node),
            labels: Some(labels.into_iter().collect()),
            domains: &[],
            nodes: vec![node],
        }
    }

    /// Makes the end that a network set is.
    pub(super) fn set(set: &OutsideSet) -> Self {
        Self {
            kind: EndpointKind::NetworkSet,
            namespace: None,
            name: Name::from(""),
            aggregated: Name::from(set.name),
            address: set.address,
            labels: Some(set.labels.iter().copied().collect()),
            domains: set.domains,
            nodes: Vec::new(),
        }
    }

    /// Makes an end that the cluster has no name for.
    pub(super) fn network(address: Ipv4Addr, domains: &'static [&'static str]) -> Self {
        Self {
            kind: EndpointKind::Network,
            namespace: None,
            name: Name::from(""),
            aggregated: Name::from(if address.is_private() { "pvt" } else { "pub" }),
            address,
            labels: None,
            domains,
            nodes: Vec::new(),
        }
    }

    /// Tells whether records tell the end's own name at this detail. Host endpoints are always told.
    pub(super) fn is_named(&self, detail: Detail) -> bool {
        match self.kind {
            EndpointKind::Workload => detail == Detail::Full,
            EndpointKind::Host => true,
            EndpointKind::NetworkSet | EndpointKind::Network => false,
        }
    }

    /// Returns the end as a record of that detail shows it.
    fn endpoint(&self, detail: Detail) -> Endpoint {
        let named = self.is_named(detail);
        let name_scope = match self.kind {
            EndpointKind::Workload | EndpointKind::Host if named => NameScope::Exact,
            EndpointKind::NetworkSet => NameScope::Exact,
            EndpointKind::Workload | EndpointKind::Host | EndpointKind::Network => NameScope::Aggregated,
        };
        Endpoint {
            kind: self.kind,
            namespace: self.namespace.clone(),
            name: if named { self.name.clone() } else { self.aggregated.clone() },
            name_scope,
            address: (detail == Detail::Full).then_some(IpAddr::V4(self.address)),
            labels: self.labels.clone(),
        }
    }
}

/// Returns the node of a replica: the same in every run with as many nodes.
pub(super) fn node_of_replica(hash: u64, replica: u8, nodes: u32) -> u32 {
    u32::try_from(below(mix(hash ^ (u64::from(replica) + 2)), u64::from(nodes))).unwrap_or(0)
}

/// A Service on the way, as a caller's record tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Via {
    /// Namespace, name and name of the port.
    pub(super) service: ServiceRef,
    /// The number of the port before translation.
    pub(super) port: u16,
}

impl From<Service> for Via {
    fn from(it: Service) -> Self {
        let Service { namespace, name, port_name, port } = it;
        let service = ServiceRef {
            namespace: Name::from(namespace),
            name: Name::from(name),
            port_name: Name::from(port_name),
        };
        Self { service, port }
    }
}

/// One connection that is made again and again. It shows as one edge at each end that reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Link {
    /// Who opens it.
    pub(super) source: End,
    /// Who is called.
    pub(super) dest: End,
    /// The protocol.
    pub(super) protocol: Protocol,
    /// The port of the called end; nothing for ICMP.
    pub(super) port: Option<u16>,
    /// The Service that was dialled.
    pub(super) via: Option<Via>,
}

impl Link {
    /// Tells whether the end that `direction` is judged at reports at all. Host endpoints do not.
    pub(super) fn reports(&self, direction: Direction) -> bool {
        let end = match direction {
            Direction::Egress => &self.source,
            Direction::Ingress => &self.dest,
        };
        end.kind == EndpointKind::Workload
    }

    /// Returns the edge that a record of that detail is for. Only the source's record names the Service.
    pub(super) fn edge(&self, direction: Direction, detail: Detail) -> Edge {
        let source = self.source.endpoint(detail);
        let dest = self.dest.endpoint(detail);
        let service = match direction {
            Direction::Egress => self.via.as_ref().map(|it| it.service.clone()),
            Direction::Ingress => None,
        };
        let (subject, peer) = match direction {
            Direction::Egress => (source, dest),
            Direction::Ingress => (dest, source),
        };
        Edge { direction, subject, peer, protocol: self.protocol, port: self.port, service }
    }
}

#[cfg(test)]
mod tests {
    use super::super::application::APPLICATIONS;
    use super::super::demo::DEMO_MANIFESTS;
    use super::*;

    /// The policies of yaobank ask for service accounts, which only the pods of the manifests tell.
    #[test]
    fn the_pods_of_the_demo_manifests_are_named_as_generated() {
        let (_, cluster) = DEMO_MANIFESTS.into_iter().find(|(name, _)| *name == "cluster.yaml").unwrap();
        let workloads = APPLICATIONS.into_iter().flat_map(|it| it.workloads);
        let bank: Vec<_> = workloads.filter(|it| it.namespace == "yaobank").collect();
        assert_eq!(bank.len(), 3);
        for workload in bank {
            let end = End::workload(workload, 1);
            let generate_name = end.aggregated.trim_end_matches('*');
            for expected in [
                format!("name: {}", end.name),
                format!("generateName: {generate_name}"),
                format!("serviceAccountName: {}", workload.service_account),
                format!("podIP: {}", end.address),
            ] {
                assert!(cluster.contains(&expected), "{expected}");
            }
        }
    }

    #[test]
    fn an_aggregated_end_tells_neither_pod_nor_address() {
        let workload = Workload::deployment("shop", "web", &[("app", "web")]);
        let end = End::workload(&workload, 3);
        let (full, aggregated) = (end.endpoint(Detail::Full), end.endpoint(Detail::Aggregated));
        assert!(full.address.is_some() && full.name_scope == NameScope::Exact);
        assert!(aggregated.address.is_none() && aggregated.name_scope == NameScope::Aggregated);
        assert!(
            aggregated.name.ends_with("-*") && full.name.starts_with(aggregated.name.trim_end_matches('*'))
        );
        assert_eq!(full.labels, aggregated.labels);
    }
}
