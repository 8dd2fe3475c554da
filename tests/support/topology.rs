//! The manifests of a topology: pods, and controllers of pods, each of which is one peer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flowstage::model::{IpAddr, IpNet};
use flowstage::policy::PolicySet;
use serde_json::{Value, json};

use super::manifests;

/// A workload with all its replicas.
#[derive(Debug)]
struct Peer {
    namespace: String,
    labels: Value,
    ports: Vec<Value>,
    address: Option<IpAddr>,
}

/// What stands in the manifests, as far as it matters to policy.
#[derive(Default, Debug)]
pub struct Topology {
    namespaces: BTreeMap<String, Value>,
    policies: Vec<Value>,
    /// By the name that the expected connectivity uses: `namespace/name[Kind]`.
    peers: BTreeMap<String, Peer>,
}

impl Topology {
    /// Reads every file of a folder.
    pub fn read(folder: &Path) -> Self {
        let mut topology = Self::default();
        for entry in std::fs::read_dir(folder).expect("manifests") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a manifest");
            let documents: Vec<Value> = if path.extension().is_some_and(|it| it == "json") {
                vec![serde_json::from_str(&text).expect("JSON")]
            } else {
                serde_saphyr::from_multiple(&text).expect("YAML")
            };
            documents.into_iter().for_each(|it| topology.add(it, ""));
        }
        topology
    }

    /// Adds an object, or the items of a list. Items may leave their kind to the list.
    fn add(&mut self, object: Value, item_kind: &str) {
        let kind = object["kind"].as_str().unwrap_or(item_kind).to_owned();
        if let Some(of_items) = kind.strip_suffix("List") {
            let items = object["items"].as_array().cloned().unwrap_or_default();
            items.into_iter().for_each(|it| self.add(it, of_items));
            return;
        }
        let meta = &object["metadata"];
        let name = meta["name"].as_str().unwrap_or_default().to_owned();
        let namespace = meta["namespace"].as_str().unwrap_or("default").to_owned();
        match kind.as_str() {
            "Namespace" => drop(self.namespaces.insert(name, meta["labels"].clone())),
            "NetworkPolicy" => self.policies.push(policy(&object, &namespace)),
            "Pod" => {
                let owners = meta["ownerReferences"].as_array().cloned().unwrap_or_default();
                let owner = owners.iter().find(|it| it["controller"] == true);
                let name = owner.and_then(|it| it["name"].as_str()).unwrap_or(&name);
                let kind = owner.and_then(|it| it["kind"].as_str()).unwrap_or("Pod");
                let address = object["status"]["podIP"].as_str().and_then(|it| it.parse().ok());
                self.add_peer(namespace, name, kind, &meta["labels"], &object["spec"], address);
            }
            "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" | "Job" | "ReplicationController" => {
                let template = &object["spec"]["template"];
                let labels = &template["metadata"]["labels"];
                self.add_peer(namespace, &name, &kind, labels, &template["spec"], None);
            }
            _ => {}
        }
    }

    /// Adds a workload; of several pods of one owner the first stands for all.
    fn add_peer(
        &mut self,
        namespace: String,
        name: &str,
        kind: &str,
        labels: &Value,
        spec: &Value,
        address: Option<IpAddr>,
    ) {
        let ports = spec["containers"].as_array().into_iter().flatten().flat_map(|it| {
            let ports = it["ports"].as_array().cloned().unwrap_or_default();
            ports.into_iter().filter(|it| it["containerPort"].is_u64()).map(|it| {
                let mut port = json!({"containerPort": it["containerPort"]});
                for field in ["name", "protocol"] {
                    if it[field].is_string() {
                        port[field] = it[field].clone();
                    }
                }
                port
            })
        });
        let id = format!("{namespace}/{name}[{kind}]");
        let peer = Peer { labels: labels.clone(), ports: ports.collect(), namespace, address };
        self.peers.entry(id).or_insert(peer);
    }

    /// The address of each peer, in order: its pod's own. Where none is written, or several peers share the one of
    /// their host, a made-up one that no `ipBlock` admits: the expected answers know blocks for external addresses
    /// alone.
    fn addresses(&self) -> Vec<IpAddr> {
        let blocks = self.blocks();
        let is_admitted = |it: IpAddr| {
            blocks.iter().any(|(block, except)| {
                block.contains(&it) && !except.iter().any(|without| without.contains(&it))
            })
        };
        let taken: BTreeSet<IpAddr> = self.peers.values().filter_map(|it| it.address).collect();
        let mut free = ["100.64.7", "10.244.7", "172.31.7", "192.168.7", "198.18.7"]
            .iter()
            .flat_map(|net| (1..255).map(move |host| format!("{net}.{host}").parse().expect("an address")))
            .filter(|it| !taken.contains(it) && !is_admitted(*it));
        let own = |peer: &Peer| {
            let address = peer.address?;
            let sharing = self.peers.values().filter(|it| it.address == Some(address)).count();
            (sharing == 1).then_some(address)
        };
        self.peers.values().map(|it| own(it).or_else(|| free.next()).expect("a free address")).collect()
    }

    /// Every `ipBlock` with its exceptions.
    fn blocks(&self) -> Vec<(IpNet, Vec<IpNet>)> {
        let net = |it: &Value| it.as_str().and_then(|it| it.parse().ok()).expect("a prefix");
        let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
        let rules = |it: &Value| [list(&it["spec"]["ingress"]), list(&it["spec"]["egress"])].concat();
        let peers = |it: Value| [list(&it["from"]), list(&it["to"])].concat();
        let blocks = self.policies.iter().flat_map(rules).flat_map(peers).map(|it| it["ipBlock"].clone());
        let blocks = blocks.filter(|it| !it.is_null());
        blocks.map(|it| (net(&it["cidr"]), list(&it["except"]).iter().map(net).collect())).collect()
    }

    /// The policy set of the topology. The pods are called `peer-0`, `peer-1` and so on, in the order of their
    /// peers' names.
    pub fn set(&self) -> PolicySet {
        let mut namespaces: BTreeSet<&str> = self.namespaces.keys().map(String::as_str).collect();
        namespaces.extend(self.peers.values().map(|it| it.namespace.as_str()));
        let mut objects: Vec<Value> = namespaces
            .into_iter()
            .map(|name| {
                let labels = self.namespaces.get(name).cloned().unwrap_or(Value::Null);
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
            })
            .collect();
        objects.extend(self.policies.iter().cloned());
        let addresses = self.addresses();
        objects.extend(self.peers.values().zip(addresses).enumerate().map(|(number, (peer, address))| {
            let name = format!("peer-{number}");
            let ips = [address.to_string()];
            manifests::pod(&peer.namespace, &name, &peer.labels, "default", &ips, &peer.ports)
        }));
        manifests::assemble(&objects)
    }

    /// The name of the peer whose pod this is.
    pub fn peer_of(&self, namespace: &str, pod: &str) -> &str {
        let number: usize = pod.strip_prefix("peer-").and_then(|it| it.parse().ok()).expect("a pod of ours");
        let (name, peer) = self.peers.iter().nth(number).expect("a pod of ours");
        assert_eq!(peer.namespace, namespace);
        name
    }
}

/// The policy with what matters of it, in a namespace.
fn policy(object: &Value, namespace: &str) -> Value {
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"name": object["metadata"]["name"], "namespace": namespace},
        "spec": object["spec"],
    })
}
