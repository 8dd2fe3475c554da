//! What Calico answers, asked through the command line: folders of YAML and files of flow records in, JSON out.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// How many worlds the ordinary run asks; the long one asks all.
const WORLDS_ORDINARY: usize = 20;

/// Worlds between two that the ordinary run asks, so that it sees some of everywhere.
const STRIDE: usize = 20;

#[test]
fn the_command_line_answers_strictly_as_the_data_plane_does() {
    run("strict", |end, scope| {
        let answer = if end["dataplane"].is_null() { end } else { &end["dataplane"] };
        Some(&answer[scope])
    });
}

#[test]
fn the_command_line_answers_in_conformance_mode_as_the_checker_does() {
    run("conformance", |end, scope| {
        // A defect of the recorded snapshot, not a rule.
        let because = end["dataplane"]["because"].to_string();
        let is_defect = because.contains("cidr-in-set") || because.contains("combined");
        (!is_defect).then(|| &end[scope])
    });
}

/// Finds the recorded answer for one end in one scope; nothing where any will do.
type Recorded = for<'a> fn(&'a Value, &str) -> Option<&'a Value>;

fn run(mode: &str, recorded: Recorded) {
    let Some(data) = std::env::var_os("FLOWSTAGE_TEST_DATA").map(PathBuf::from) else {
        eprintln!("LEFT OUT: recorded worlds through the command line: FLOWSTAGE_TEST_DATA is not set");
        return;
    };
    let file = std::fs::File::open(data.join("cases/calico-worlds.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let is_long = std::env::var_os("FLOWSTAGE_TEST_LONG").is_some();
    let (stride, most) = if is_long { (1, usize::MAX) } else { (STRIDE, WORLDS_ORDINARY) };
    let (mut worlds, mut compared, mut differences) = (0, 0, Vec::new());
    for line in lines.step_by(stride).take(most) {
        let world: Value = serde_json::from_str(&line.unwrap()).unwrap();
        worlds += 1;
        compared += check(mode, &world, recorded, &mut differences);
    }
    eprintln!("{mode}: {worlds} worlds, {compared} answers compared, {} differ", differences.len());
    assert!(worlds >= WORLDS_ORDINARY && compared > worlds * 50, "{worlds} worlds, {compared} answers");
    let count = differences.len();
    differences.truncate(10);
    assert!(count == 0, "{count} differences\n{}", differences.join("\n"));
}

/// Asks one world; returns how many answers were compared.
fn check(mode: &str, world: &Value, recorded: Recorded, differences: &mut Vec<String>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    write_world(folder.path(), world);
    let output = super::flowstage(folder.path())
        .args(["evaluate", "--policies", "objects", "--flows", "flows.jsonl", "-o", "json", "--mode", mode])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", world["world"], String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let flows = array(&world["flows"]);
    assert_eq!(answers.len(), flows.len());
    let mut compared = 0;
    for (number, (answer, flow)) in answers.iter().zip(flows).enumerate() {
        assert_eq!(answer["flow"], number);
        for direction in ["egress", "ingress"] {
            let end = &flow["expect"][direction];
            assert_eq!(end.is_null(), answer[direction].is_null(), "{direction} of {flow}");
            for scope in ["enforced", "pending"] {
                if end.is_null() {
                    continue;
                }
                let given = &answer[direction][scope];
                let Some(expected) = recorded(end, scope) else { continue };
                compared += 1;
                let is_same = given["verdict"] == expected["verdict"] && given["trace"] == expected["trace"];
                let is_open = mode == "strict"
                    && !flow["icmp_type"].is_null()
                    && is_right_without_icmp(given, expected);
                if !is_same && !is_open {
                    let world = &world["world"];
                    differences.push(format!(
                        "{world} {direction} {scope} of {flow}\n  expected {expected}\n  given {given}"
                    ));
                }
            }
        }
    }
    compared
}

/// Tells whether an answer is right for a record, which cannot carry the ICMP message: it says that it lacks just that,
/// or it is sure of the verdict, because every rule that the message may match does the same, and names the last of
/// them. The checker does not look at the message, so in conformance mode nothing is open.
fn is_right_without_icmp(given: &Value, expected: &Value) -> bool {
    given["missing"] == json!(["ICMP type and code"]) || given["verdict"] == expected["verdict"]
}

/// Writes the world's objects as YAML, each in its own file, and its flows as records.
fn write_world(folder: &Path, world: &Value) {
    let objects = folder.join("objects");
    std::fs::create_dir(&objects).unwrap();
    let pods: Vec<Value> = array(&world["endpoints"]).iter().map(pod).collect();
    for (number, object) in array(&world["resources"]).iter().chain(&pods).enumerate() {
        let mut text = String::new();
        write_yaml(&mut text, object, 0);
        std::fs::write(objects.join(format!("{number:03}.yaml")), text).unwrap();
    }
    let records: Vec<String> =
        array(&world["flows"]).iter().map(|it| record(world, it).to_string()).collect();
    std::fs::write(folder.join("flows.jsonl"), records.join("\n")).unwrap();
}

fn pod(endpoint: &Value) -> Value {
    let port =
        |it: &Value| json!({"name": it["name"], "containerPort": it["port"], "protocol": it["protocol"]});
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": endpoint["namespace"],
            "name": endpoint["name"],
            "labels": endpoint["labels"],
        },
        "spec": {
            "serviceAccountName": endpoint["serviceAccount"],
            "nodeName": "node-1",
            "containers": [{
                "name": "main",
                "image": "example.org/main",
                "ports": array(&endpoint["ports"]).iter().map(port).collect::<Vec<_>>(),
            }],
        },
        "status": {
            "phase": "Running",
            "podIPs": array(&endpoint["ips"]).iter().map(|it| json!({"ip": it})).collect::<Vec<_>>(),
        },
    })
}

fn record(world: &Value, flow: &Value) -> Value {
    let protocol = match flow["proto"].as_u64().unwrap() {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmp6".to_owned(),
        132 => "sctp".to_owned(),
        136 => "udplite".to_owned(),
        number => number.to_string(),
    };
    let mut record = json!({
        "start_time": 1_790_000_000,
        "end_time": 1_790_000_300,
        "reporter": if flow["src"].is_null() { "dst" } else { "src" },
        "action": "allow",
        "proto": protocol,
        "source_port": flow["src_port"],
        "dest_port": flow["dst_port"],
    });
    for (side, name) in [("src", "source"), ("dst", "dest")] {
        let pod = array(&world["endpoints"]).iter().find(|it| it["id"] == flow[side]);
        let mut set = |field: &str, value: Value| record[format!("{name}_{field}")] = value;
        set("ip", flow[format!("{side}_ip")].clone());
        match pod {
            Some(pod) => {
                let labels = pod["labels"].as_object().unwrap();
                let labels: Vec<String> =
                    labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
                set("type", json!("wep"));
                set("namespace", pod["namespace"].clone());
                set("name", pod["name"].clone());
                set("name_aggr", pod["name"].clone());
                set("labels", json!({ "labels": labels }));
            }
            None => {
                set("type", json!("net"));
                set("namespace", json!("-"));
                set("name", json!("-"));
                set("name_aggr", json!("pub"));
                set("labels", Value::Null);
            }
        }
    }
    record
}

/// Writes a value as block YAML, in the manner of `kubectl`: mappings and lists on lines of their own.
fn write_yaml(to: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                to.push_str(&format!("{indent}{}:", Value::from(key.as_str())));
                write_below(to, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                to.push_str(&format!("{indent}-"));
                write_below(to, item, depth);
            }
        }
        scalar => to.push_str(&format!("{indent}{scalar}\n")),
    }
}

fn write_below(to: &mut String, value: &Value, depth: usize) {
    let is_block = value.as_object().is_some_and(|it| !it.is_empty())
        || value.as_array().is_some_and(|it| !it.is_empty());
    to.push_str(if is_block { "\n" } else { " " });
    write_yaml(to, value, if is_block { depth + 1 } else { 0 });
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
