//! A world as manifests, one line for each object of the cluster, so that a person can read and replay it.

use flowstage::manifest;
use flowstage::model::{Endpoint, IpAddr, LabelSet, Name, PolicyId, PolicyKind};
use flowstage::policy::{
    Cluster, GlobalScope, HostEndpoint, NamedPort, NetworkSet, Order, Policy, Profile, Rule,
    ServiceEndpoints, Types, Workload,
};
use serde_json::{Value, json};

use super::{Question, World};

const CALICO: &str = "projectcalico.org/v3";

impl World {
    /// The world as a stream of YAML documents. A policy that its Kubernetes kind has no words for is written as the
    /// kind of Calico that it becomes, and says so.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        let mut add = |document: String| {
            text += &format!("---\n{}\n", document.trim_end());
        };
        self.tiers.iter().for_each(|it| add(manifest::write_tier(it)));
        for policy in &self.policies {
            add(manifest::write(policy).unwrap_or_else(|_| as_calico(policy)));
        }
        let Cluster {
            namespaces,
            service_accounts,
            network_sets,
            workloads,
            host_endpoints,
            profiles,
            services,
        } = &self.cluster;
        for it in namespaces {
            add(line("v1", "Namespace", &meta(None, &it.name, &it.labels), None));
        }
        for it in service_accounts {
            add(line("v1", "ServiceAccount", &meta(Some(&it.namespace), &it.name, &it.labels), None));
        }
        network_sets.iter().for_each(|it: &NetworkSet| add(manifest::write_network_set(it)));
        workloads.iter().for_each(|it| add(pod(it)));
        host_endpoints.iter().for_each(|it| add(host(it)));
        profiles.iter().for_each(|it| add(profile(it)));
        services.iter().for_each(|it| add(slice(it)));
        text
    }
}

impl Question {
    /// The question in words of YAML.
    pub fn yaml(&self) -> String {
        let Self { direction, source, dest, protocol, source_port, dest_port, icmp } = self;
        let icmp = icmp.map(|it| json!({"type": it.icmp_type, "code": it.code}));
        let fields = [
            ("judged", json!(direction.to_string())),
            ("source", end(source)),
            ("dest", end(dest)),
            ("protocol", json!(protocol.to_string())),
            ("sourcePort", json!(source_port)),
            ("destPort", json!(dest_port)),
            ("icmp", json!(icmp)),
        ];
        fields.iter().map(|(name, value)| format!("{name}: {}\n", flow(value))).collect()
    }
}

fn as_calico(policy: &Policy) -> String {
    let kind = match (policy.id.kind.is_namespaced(), policy.id.kind.is_staged()) {
        (true, true) => PolicyKind::StagedNetworkPolicy,
        (true, false) => PolicyKind::NetworkPolicy,
        (false, true) => PolicyKind::StagedGlobalNetworkPolicy,
        (false, false) => PolicyKind::GlobalNetworkPolicy,
    };
    let id = PolicyId { kind, ..policy.id.clone() };
    let written = manifest::write(&Policy { id, ..policy.clone() }).expect("a kind of Calico");
    format!("# in the set as {}\n{written}", policy.id)
}

fn end(end: &Endpoint) -> Value {
    json!({
        "kind": format!("{:?}", end.kind),
        "namespace": end.namespace.as_deref(),
        "name": end.name.as_str(),
        "isAggregated": end.name_scope == flowstage::model::NameScope::Aggregated,
        "address": end.address,
        "labels": end.labels.as_ref().map(labels),
    })
}

fn labels(set: &LabelSet) -> Value {
    set.iter().map(|(key, value)| (key.to_string(), json!(value.as_str()))).collect()
}

fn meta(namespace: Option<&Name>, name: &Name, set: &LabelSet) -> Value {
    json!({"namespace": namespace.map(Name::as_str), "name": name.as_str(), "labels": labels(set)})
}

fn line(version: &str, kind: &str, meta: &Value, more: Option<Value>) -> String {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": meta});
    if let (Some(object), Some(Value::Object(more))) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    flow(&object)
}

/// In one line, without what is null or empty, and without quotes where none are needed.
fn flow(value: &Value) -> String {
    let is_nothing = |it: &Value| match it {
        Value::Null => true,
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => scalar(text),
        Value::Array(parts) => format!("[{}]", parts.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, it)| !is_nothing(it));
            let fields = fields.map(|(key, it)| format!("{}: {}", scalar(key), flow(it)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || "/.-".contains(it))
        && !matches!(text, "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n");
    if is_plain { text.to_owned() } else { json!(text).to_string() }
}

fn ports(ports: &[NamedPort], number: &str) -> Vec<Value> {
    let port = |it: &NamedPort| json!({"name": it.name.as_str(), "protocol": it.protocol.to_string().to_uppercase(), number: it.port});
    ports.iter().map(port).collect()
}

fn pod(it: &Workload) -> String {
    let mut meta = meta(Some(&it.namespace), &it.name, &it.labels);
    if let (Some(meta), Some(prefix)) = (meta.as_object_mut(), &it.generate_name) {
        meta.insert("generateName".to_owned(), json!(prefix.as_str()));
    }
    let ips: Vec<Value> = it.addresses.iter().map(|it| json!({"ip": it})).collect();
    let container = json!({"name": "main", "ports": ports(&it.ports, "containerPort")});
    let spec = json!({
        "nodeName": "node-1",
        "serviceAccountName": it.service_account.as_str(),
        "containers": [container],
    });
    let status = json!({"phase": "Running", "podIPs": ips});
    line("v1", "Pod", &meta, Some(json!({"spec": spec, "status": status})))
}

fn host(it: &HostEndpoint) -> String {
    let profiles: Vec<&str> = it.profiles.iter().map(Name::as_str).collect();
    let spec = json!({
        "node": it.node.as_str(),
        "interfaceName": it.interface_name.as_deref(),
        "expectedIPs": it.expected_ips,
        "profiles": profiles,
        "ports": ports(&it.ports, "port"),
    });
    line(CALICO, "HostEndpoint", &meta(None, &it.name, &it.labels), Some(json!({"spec": spec})))
}

/// The rules of a profile are written as those of a policy are.
fn profile(it: &Profile) -> String {
    let rules = |rules: &[Rule]| {
        let policy = Policy {
            id: PolicyId { kind: PolicyKind::GlobalNetworkPolicy, namespace: None, name: it.name.clone() },
            tier: Name::from("default"),
            order: Order::LAST,
            selector: None,
            service_account_selector: None,
            types: Types { ingress: true, egress: false },
            ingress: rules.to_vec(),
            egress: Vec::new(),
            staged_action: None,
            global: GlobalScope::default(),
            labels: LabelSet::default(),
        };
        manifest::to_json(&policy).expect("a kind of Calico")["spec"]["ingress"].clone()
    };
    let spec = json!({
        "labelsToApply": labels(&it.labels_to_apply),
        "ingress": rules(&it.ingress),
        "egress": rules(&it.egress),
    });
    let meta = meta(None, &it.name, &LabelSet::default());
    line(CALICO, "Profile", &meta, Some(json!({"spec": spec})))
}

fn slice(it: &ServiceEndpoints) -> String {
    let set: LabelSet = [("kubernetes.io/service-name", it.service.as_str())].into_iter().collect();
    let family = match it.addresses.first() {
        Some(IpAddr::V6(_)) => "IPv6",
        Some(IpAddr::V4(_)) | None => "IPv4",
    };
    let ports: Vec<Value> = it
        .ports
        .iter()
        .map(|it| {
            json!({
                "name": it.name.as_str(),
                "protocol": it.protocol.to_string().to_uppercase(),
                "port": it.port,
            })
        })
        .collect();
    let endpoints: Vec<Value> =
        if it.addresses.is_empty() { Vec::new() } else { vec![json!({"addresses": it.addresses})] };
    let more = json!({"addressType": family, "endpoints": endpoints, "ports": ports});
    line("discovery.k8s.io/v1", "EndpointSlice", &meta(Some(&it.namespace), &it.slice, &set), Some(more))
}
