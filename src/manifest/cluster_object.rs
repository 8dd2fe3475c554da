//! Kubernetes objects that policies speak about: `Namespace`, `ServiceAccount`, `Pod`, `EndpointSlice`.
//!
//! They are read for what they say to policy. Whatever else their spec and status hold is accepted unread; it is the
//! business of others.

use super::meta::Meta;
use super::object::{Item, Unused};
use super::reader::{Context, Field, Fields};
use super::values::{address, port_number, protocol};
use crate::model::{IpAddr, IpNet, Name, Protocol};
use crate::policy::{NamedPort, Namespace, ServiceAccount, ServiceEndpoints, ServicePort, Workload};

/// The label that the API server puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The annotation in which Calico keeps a pod's prefixes until its status has them.
const POD_IPS: &str = "cni.projectcalico.org/podIPs";

/// Makes a namespace, with the label that the API server would add.
pub(super) fn read_namespace(meta: Meta) -> Namespace {
    let mut labels = meta.labels;
    labels.insert(Name::from(NAMESPACE_NAME), meta.name.clone());
    Namespace { name: meta.name, labels }
}

/// Makes a service account.
pub(super) fn read_service_account(meta: Meta) -> ServiceAccount {
    let namespace = meta.namespace.unwrap_or_else(|| Name::from("default"));
    ServiceAccount { namespace, name: meta.name, labels: meta.labels }
}

/// Reads a pod. One to which Calico applies no policy is unused.
pub(super) fn read_pod(cx: &mut Context, root: &mut Fields<'_>, meta: Meta) -> Item {
    let mut workload = Workload {
        namespace: meta.namespace.unwrap_or_else(|| Name::from("default")),
        name: meta.name,
        labels: meta.labels,
        service_account: Name::from("default"),
        generate_name: meta.generate_name,
        addresses: Vec::new(),
        ports: Vec::new(),
    };
    let mut scheduled = false;
    let mut host_network = false;
    if let Some(mut spec) = root.take("spec").and_then(|it| it.map(cx)) {
        host_network = spec.boolean(cx, "hostNetwork");
        scheduled = spec.text(cx, "nodeName").is_some();
        let older = spec.text(cx, "serviceAccount");
        if let Some(account) = spec.text(cx, "serviceAccountName").or(older) {
            workload.service_account = Name::from(account);
        }
        for container in spec.list(cx, "containers") {
            let Some(mut container) = container.map(cx) else { continue };
            let ports = container.list(cx, "ports");
            workload.ports.extend(ports.iter().filter_map(|it| read_container_port(cx, it)));
        }
    }
    let mut phase = None;
    if let Some(mut status) = root.take("status").and_then(|it| it.map(cx)) {
        phase = status.text(cx, "phase");
        let one = status.take("podIP").filter(|it| it.scalar() != Some(""));
        let many = status.list(cx, "podIPs");
        let mut found: Vec<IpAddr> = one.iter().filter_map(|it| address(cx, it)).collect();
        for at in many {
            let ip = at.map(cx).and_then(|mut it| it.take("ip"));
            found.extend(ip.and_then(|it| address(cx, &it)));
        }
        workload.addresses = found;
    }
    if workload.addresses.is_empty()
        && let Some((_, prefixes)) = meta.annotations.iter().find(|(key, _)| *key == POD_IPS)
    {
        let addresses = prefixes.split(',').filter_map(|it| it.trim().parse::<IpNet>().ok());
        workload.addresses = addresses.map(|it| it.addr()).collect();
    }
    let mut seen = std::collections::HashSet::new();
    workload.addresses.retain(|it| seen.insert(*it));
    let why = match phase {
        _ if host_network => Some("it uses the network of its host"),
        Some("Succeeded" | "Failed") => Some("it has finished"),
        // A pod written by hand has no phase, and is taken for one that runs.
        Some("Pending") if !scheduled => Some("it is not scheduled"),
        Some(_) | None => None,
    };
    match why {
        None => Item::Workload(workload),
        Some(reason) => Item::Unused(Unused {
            kind: "Pod",
            namespace: Some(workload.namespace),
            name: workload.name,
            reason,
        }),
    }
}

fn read_container_port(cx: &mut Context, at: &Field<'_>) -> Option<NamedPort> {
    let mut fields = at.map(cx)?;
    let name = fields.text(cx, "name");
    let port = fields.need(cx, "containerPort").and_then(|it| port_number(cx, &it));
    let protocol = fields.take("protocol").map_or(Some(Protocol::TCP), |it| protocol(cx, &it));
    // A port without a name can be matched by its number alone.
    Some(NamedPort { name: Name::from(name?), protocol: protocol?, port: port? })
}

/// Reads an endpoint slice. One that belongs to no Service, or holds no addresses, is unused.
pub(super) fn read_endpoint_slice(cx: &mut Context, root: &mut Fields<'_>, meta: Meta) -> Item {
    let namespace = meta.namespace.unwrap_or_else(|| Name::from("default"));
    let unused = |reason| {
        let (namespace, name) = (Some(namespace.clone()), meta.name.clone());
        Item::Unused(Unused { kind: "EndpointSlice", namespace, name, reason })
    };
    if root.text(cx, "addressType") == Some("FQDN") {
        root.accept_rest();
        return unused("its endpoints are names, not addresses");
    }
    let mut slice = ServiceEndpoints {
        namespace: namespace.clone(),
        service: Name::from(""),
        slice: meta.name.clone(),
        addresses: Vec::new(),
        ports: Vec::new(),
    };
    for at in root.list(cx, "endpoints") {
        let Some(mut endpoint) = at.map(cx) else { continue };
        let addresses = endpoint.list(cx, "addresses");
        slice.addresses.extend(addresses.iter().filter_map(|it| address(cx, it)));
    }
    for at in root.list(cx, "ports") {
        let Some(mut port) = at.map(cx) else { continue };
        let name = port.text(cx, "name").unwrap_or("");
        let protocol = port.take("protocol").map_or(Some(Protocol::TCP), |it| protocol(cx, &it));
        let number = port.take("port").and_then(|it| port_number(cx, &it));
        if let Some(protocol) = protocol {
            slice.ports.push(ServicePort { name: Name::from(name), protocol, port: number });
        }
    }
    root.accept_rest();
    match meta.labels.get(SERVICE_NAME) {
        Some(service) => {
            slice.service = service.clone();
            Item::Service(slice)
        }
        None => unused("it belongs to no Service"),
    }
}
