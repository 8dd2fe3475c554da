//! The Kubernetes objects, against the API's own types.
//!
//! The types take unknown fields in silence, so an object is written out again and compared: what was not understood
//! is missing then.

use std::collections::BTreeSet;
use std::process::Command;

use flowstage::manifest;
use k8s_openapi::api::{apps, core, networking, policy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{path, read};

const BASE: &str = "kubernetes/base";

fn object(name: &str) -> Value {
    let text = read(&format!("{BASE}/{name}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads an object strictly as `T`.
#[track_caller]
fn check<T: DeserializeOwned + Serialize>(name: &str) -> Value {
    let written = object(name);
    let typed: T = serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let understood = serde_json::to_value(&typed).unwrap();
    assert_eq!(written, understood, "{name} has fields that the API does not know");
    written
}

#[test]
fn every_built_in_object_is_of_the_api() {
    check::<core::v1::Namespace>("namespace.yaml");
    check::<core::v1::ServiceAccount>("serviceaccount.yaml");
    check::<core::v1::ConfigMap>("configmap.yaml");
    check::<apps::v1::Deployment>("deployment.yaml");
    check::<core::v1::Service>("service.yaml");
    check::<policy::v1::PodDisruptionBudget>("poddisruptionbudget.yaml");
    check::<networking::v1::NetworkPolicy>("networkpolicy.yaml");
}

#[test]
fn the_check_notices_a_field_that_the_api_does_not_know() {
    let mut service = object("service.yaml");
    service["spec"]["prots"] = service["spec"]["ports"].take();
    let typed: core::v1::Service = serde_json::from_value(service.clone()).unwrap();
    assert_ne!(service, serde_json::to_value(&typed).unwrap());
}

/// The resource definition is not in any crate here; the npm package `@kubernetes-models/prometheus-operator` carries
/// it. `FLOWSTAGE_POD_MONITOR_MODELS` names a folder with that package in its `node_modules`.
#[test]
fn the_pod_monitor_is_of_its_definition() {
    let monitor = object("podmonitor.yaml");
    assert_eq!(monitor["apiVersion"], "monitoring.coreos.com/v1");
    assert_eq!(monitor["kind"], "PodMonitor");
    let Some(models) = std::env::var_os("FLOWSTAGE_POD_MONITOR_MODELS") else {
        eprintln!("left out: the PodMonitor's schema, since FLOWSTAGE_POD_MONITOR_MODELS names no folder");
        return;
    };
    let script = "import('@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor')\
                  .then(({ PodMonitor }) => new PodMonitor(JSON.parse(process.argv[1])).validate())\
                  .catch(error => { console.error(error.message); process.exit(1) })";
    let validate = |monitor: &Value| {
        Command::new("node").args(["-e", script, &monitor.to_string()]).current_dir(&models).output().unwrap()
    };
    let output = validate(&monitor);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut broken = monitor;
    broken["spec"]["sampleLimit"] = "many".into();
    assert!(!validate(&broken).status.success(), "the check takes everything");
}

#[test]
fn the_kustomization_lists_exactly_what_is_there() {
    let kustomization = object("kustomization.yaml");
    let listed: BTreeSet<String> = kustomization["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    let present: BTreeSet<String> = std::fs::read_dir(path(BASE))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| it.ends_with(".yaml") && it != "kustomization.yaml")
        .collect();
    assert_eq!(listed, present);
    for generated in kustomization["configMapGenerator"].as_array().unwrap() {
        for file in generated["files"].as_array().unwrap() {
            assert!(path(BASE).join(file.as_str().unwrap()).exists(), "{file}");
        }
    }
    assert_eq!(kustomization["images"][0]["newTag"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_pods_meet_the_restricted_level_of_pod_security() {
    let pod = object("deployment.yaml")["spec"]["template"]["spec"].take();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    for absent in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        assert_eq!(pod[absent], Value::Null, "{absent}");
    }
    for container in pod["containers"].as_array().unwrap() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
        assert!(context["privileged"].is_null() && context["capabilities"]["add"].is_null());
        assert!(container["resources"]["limits"]["memory"].is_string());
        for port in container["ports"].as_array().unwrap() {
            assert!(port["hostPort"].is_null());
        }
    }
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(volume["hostPath"].is_null());
    }
    let namespace = object("namespace.yaml");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(object("serviceaccount.yaml")["automountServiceAccountToken"], false);
}

#[test]
fn selectors_ports_and_mounts_fit_together() {
    let deployment = object("deployment.yaml");
    let template = &deployment["spec"]["template"];
    let labels = template["metadata"]["labels"].as_object().unwrap();
    let selectors = [
        deployment["spec"]["selector"]["matchLabels"].clone(),
        object("service.yaml")["spec"]["selector"].clone(),
        object("poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"].clone(),
        object("networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"].clone(),
        object("podmonitor.yaml")["spec"]["selector"]["matchLabels"].clone(),
    ];
    for selector in selectors {
        for (key, value) in selector.as_object().expect("a selector that selects all would be a mistake") {
            assert_eq!(labels.get(key), Some(value), "{key}");
        }
    }
    let container = &template["spec"]["containers"][0];
    let ports: BTreeSet<(String, u64)> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap().to_owned(), it["containerPort"].as_u64().unwrap()))
        .collect();
    assert_eq!(ports, BTreeSet::from([("admin".to_owned(), 9404), ("api".to_owned(), 9405)]));
    for (probe, route) in
        [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"]["port"], "admin");
        assert_eq!(container[probe]["httpGet"]["path"], route);
    }
    assert_eq!(object("service.yaml")["spec"]["ports"][0]["targetPort"], "api");
    assert_eq!(object("podmonitor.yaml")["spec"]["podMetricsEndpoints"][0]["port"], "admin");
    assert_eq!(object("podmonitor.yaml")["spec"]["podMetricsEndpoints"][0]["path"], "/metrics");

    let text = object("configmap.yaml")["data"]["flowstage.yaml"].as_str().unwrap().to_owned();
    let config: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(config["http"]["api"], "0.0.0.0:9405");
    let mounts: Vec<&str> = container["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["mountPath"].as_str().unwrap())
        .collect();
    assert!(mounts.contains(&config["policies"]["path"].as_str().unwrap()));
    let config_file = container["args"][2].as_str().unwrap();
    assert!(mounts.contains(&config_file.strip_suffix("/flowstage.yaml").unwrap()), "{config_file}");
    let volumes = template["spec"]["volumes"].as_array().unwrap();
    let maps: Vec<&str> = volumes.iter().map(|it| it["configMap"]["name"].as_str().unwrap()).collect();
    assert_eq!(maps, ["flowstage", "flowstage-policies"]);
}

#[test]
fn our_own_network_policy_opens_what_is_needed_and_no_more() {
    let policy = object("networkpolicy.yaml");
    assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    for direction in ["ingress", "egress"] {
        for rule in policy["spec"][direction].as_array().unwrap() {
            let peers = if direction == "ingress" { &rule["from"] } else { &rule["to"] };
            assert!(
                peers.as_array().is_some_and(|it| !it.is_empty()),
                "{direction} rule for everyone: {rule}"
            );
            assert!(
                rule["ports"].as_array().is_some_and(|it| !it.is_empty()),
                "{direction} rule for every port"
            );
        }
    }
}

#[test]
fn the_policies_that_ship_are_read_by_the_program() {
    let text = read(&format!("{BASE}/policies/tiers.yaml"));
    let objects = manifest::read(&text, "tiers.yaml").unwrap();
    assert_eq!(objects.len(), 1);
    assert!(manifest::assemble(objects).unwrap().warnings.is_empty());
}
