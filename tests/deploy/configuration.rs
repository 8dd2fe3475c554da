//! The configurations that ship are read by the program's own reader, which refuses what it does not know.

use flowstage::config::{Config, Layers};
use serde_json::Value;

use crate::read;

/// Reads a configuration with variables of the environment over it.
#[track_caller]
fn load(name: &str, text: String, environment: &[(&str, &str)]) -> Config {
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let layers = Layers { file: Some((name.to_owned(), text)), environment, flags: Vec::new() };
    let no_secrets = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    layers.load(&no_secrets).unwrap_or_else(|errors| panic!("{name}: {errors}")).config
}

#[test]
fn compose_configures_the_ports_and_the_broker_that_it_runs() {
    let config = load("compose/flowstage.yaml", read("compose/flowstage.yaml"), &[]);
    assert_eq!(config.http.admin.port(), 9404);
    assert_eq!(config.http.api.port(), 9405);
    assert!(!config.http.api.ip().is_loopback(), "nothing outside of the container would reach it");
    let compose: Value = serde_saphyr::from_str(&read("compose.yaml")).unwrap();
    let kafka = &compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"];
    assert!(kafka.as_str().unwrap().contains(&config.kafka.brokers), "{kafka}");
    let created = compose["services"]["topics"]["command"][0].as_str().unwrap();
    assert!(created.contains(&format!("--topic {} ", config.kafka.topics.flows)), "{created}");
    let made_by_us: Vec<_> = config.topic_specs().into_iter().map(|it| it.name).collect();
    assert!(made_by_us.contains(&config.kafka.topics.denies), "{made_by_us:?}");
    // Ours are made with the time that each is kept.
    assert!(made_by_us.iter().all(|it| !created.contains(it)), "{created}");
}

#[test]
fn the_cluster_configures_the_ports_and_the_variables_of_its_pods() {
    let map: Value = serde_saphyr::from_str(&read("kubernetes/base/configmap.yaml")).unwrap();
    let text = map["data"]["flowstage.yaml"].as_str().unwrap().to_owned();
    let deployment: Value = serde_saphyr::from_str(&read("kubernetes/base/deployment.yaml")).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let names: Vec<&str> = pod["containers"][0]["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let environment: Vec<(&str, &str)> = names.iter().map(|it| (*it, "flowstage-0")).collect();
    let config = load("configmap.yaml", text, &environment);
    assert_eq!(config.kafka.client_id, "flowstage-0");
    assert_eq!(config.http.admin.port(), 9404);
    assert_eq!(config.http.api.port(), 9405);
    assert!(!config.http.admin.ip().is_loopback() && !config.http.api.ip().is_loopback());
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(config.publish.drain_timeout.as_secs() + 5 < grace, "the last commit would be cut off");
    // A Service of our name would put FLOWSTAGE_PORT and the like into the environment: settings that do not exist.
    assert_eq!(pod["enableServiceLinks"], false);
}
