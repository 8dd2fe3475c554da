//! From objects as JSON to a policy set, by the road that a user's manifests take.

use std::path::PathBuf;

use flowstage::manifest;
use flowstage::policy::PolicySet;
use serde_json::{Value, json};

/// Where the test data lies; nothing, with a word about it, where it is not set.
pub fn test_data(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("FLOWSTAGE_TEST_DATA").map(PathBuf::from);
    if found.is_none() {
        println!("{test}: left out, since FLOWSTAGE_TEST_DATA is not set");
    }
    found
}

/// Reads a list of objects and puts them together.
#[track_caller]
pub fn assemble(objects: &[Value]) -> PolicySet {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    assemble_text(&list.to_string())
}

/// Reads a text of YAML or JSON and puts its objects together.
#[track_caller]
pub fn assemble_text(text: &str) -> PolicySet {
    let objects = manifest::read(text, "test").unwrap_or_else(|errors| refuse(&errors));
    manifest::assemble(objects).unwrap_or_else(|errors| refuse(&errors)).set
}

#[track_caller]
fn refuse<T>(errors: &[manifest::Error]) -> T {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    panic!("the manifests are refused:\n{}", lines.join("\n"));
}

/// A pod that runs.
pub fn pod(
    namespace: &str,
    name: &str,
    labels: &Value,
    service_account: &str,
    ips: &[String],
    ports: &[Value],
) -> Value {
    let ips: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {
            "serviceAccountName": service_account,
            "nodeName": "node-1",
            "containers": [{"name": "main", "image": "example.org/main", "ports": ports}],
        },
        "status": {"phase": "Running", "podIPs": ips},
    })
}
