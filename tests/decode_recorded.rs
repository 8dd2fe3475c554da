//! The decoder against records that Calico itself wrote, and those that its documentation shows.
//!
//! They are read where `FLOWSTAGE_TEST_DATA` says; without it these tests say that they were left out.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use flowstage::decode::{Decoder, Format, Reason, parse_trace};
use flowstage::model::{
    Action, EndpointKind, HitOwner, LabelsText, NameScope, Protocol, RecordedAction, Reporter, RuleIndex,
    Trace,
};
use serde_json::Value;

/// Returns a path below the test data, or says what is left out.
fn data(path: &str) -> Option<PathBuf> {
    match std::env::var_os("FLOWSTAGE_TEST_DATA") {
        Some(root) => Some(PathBuf::from(root).join("fixtures").join(path)),
        None => {
            eprintln!("left out: {path}, because FLOWSTAGE_TEST_DATA is not set");
            None
        }
    }
}

fn unpacked(path: &str) -> Option<Box<dyn Read>> {
    let file = std::fs::File::open(data(path)?).unwrap();
    Some(Box::new(flate2::read::MultiGzDecoder::new(file)))
}

fn lines(path: &str) -> Option<impl Iterator<Item = String>> {
    Some(BufReader::new(unpacked(path)?).lines().map(Result::unwrap))
}

/// What the recording's own notes count.
#[derive(Default, PartialEq, Eq, Debug)]
struct Counts {
    records: usize,
    allow: usize,
    dst: usize,
    protocols: [usize; 3],
    enforced: BTreeMap<&'static str, usize>,
    enforced_triggers: BTreeMap<&'static str, usize>,
    pending: BTreeMap<&'static str, usize>,
    pending_triggers: BTreeMap<&'static str, usize>,
}

fn count_hits(
    trace: &Trace,
    hits: &mut BTreeMap<&'static str, usize>,
    triggers: &mut BTreeMap<&'static str, usize>,
) {
    for hit in &trace.0 {
        let kind = match &hit.owner {
            HitOwner::Policy { policy, .. } => policy.kind.short(),
            HitOwner::Profile(_) => "pro",
        };
        match hit.rule {
            RuleIndex::EndOfTier => {
                *hits.entry("eot").or_default() += 1;
                *triggers.entry(kind).or_default() += 1;
            }
            RuleIndex::Rule(_) => *hits.entry(kind).or_default() += 1,
            RuleIndex::Unknown => panic!("a rule is always named"),
        }
    }
}

fn count(path: &str) -> Option<Counts> {
    let mut decoder = Decoder::new(Format::Auto);
    let mut counts = Counts::default();
    for line in lines(path)? {
        let flow = decoder.decode(line.as_bytes()).unwrap_or_else(|it| panic!("{it}: {line}"));
        counts.records += 1;
        counts.allow += usize::from(flow.action == RecordedAction::Allow);
        counts.dst += usize::from(flow.reporter == Reporter::Destination);
        for (count, protocol) in
            counts.protocols.iter_mut().zip([Protocol::TCP, Protocol::UDP, Protocol::ICMP])
        {
            *count += usize::from(flow.protocol == protocol);
        }
        count_hits(&parse_trace(flow.enforced).unwrap(), &mut counts.enforced, &mut counts.enforced_triggers);
        count_hits(&parse_trace(flow.pending).unwrap(), &mut counts.pending, &mut counts.pending_triggers);
    }
    Some(counts)
}

/// The numbers stand in the recording's SOURCE.md, by Goldmane's names of kinds.
#[test]
fn all_emitter_records_decode_and_count_as_their_notes_say() {
    let Some(first) = count("calico-real/goldmane-emitter.jsonl.gz") else { return };
    assert_eq!(
        first,
        Counts {
            records: 5238,
            allow: 4528,
            dst: 2859,
            protocols: [3453, 1284, 501],
            enforced: [("eot", 5614), ("gnp", 5238), ("pro", 1436), ("np", 989), ("knp", 227)].into(),
            enforced_triggers: [("gnp", 5095), ("np", 444), ("knp", 75)].into(),
            pending: [
                ("eot", 6796),
                ("gnp", 4019),
                ("snp", 1070),
                ("np", 746),
                ("pro", 706),
                ("sgnp", 236),
                ("knp", 25)
            ]
            .into(),
            pending_triggers: [("gnp", 5080), ("np", 746), ("snp", 693), ("knp", 277)].into(),
        }
    );
    let second = count("calico-real/run-2/goldmane-emitter.jsonl.gz").unwrap();
    assert_eq!(
        second,
        Counts {
            records: 1263,
            allow: 1079,
            dst: 693,
            protocols: [868, 285, 110],
            enforced: [("eot", 1392), ("gnp", 1263), ("pro", 316), ("np", 267), ("knp", 55)].into(),
            enforced_triggers: [("gnp", 1241), ("np", 130), ("knp", 21)].into(),
            pending: [
                ("eot", 1546),
                ("gnp", 974),
                ("snp", 287),
                ("np", 186),
                ("pro", 128),
                ("sknp", 93),
                ("sgnp", 62),
                ("knp", 8)
            ]
            .into(),
            pending_triggers: [("gnp", 1223), ("np", 144), ("snp", 90), ("sknp", 80), ("knp", 9)].into(),
        }
    );
}

/// Every member of every record, against a reader that shares no code.
#[test]
fn emitter_records_say_what_a_plain_reader_finds() {
    for path in ["calico-real/goldmane-emitter.jsonl.gz", "calico-real/run-2/goldmane-emitter.jsonl.gz"] {
        let Some(lines) = lines(path) else { return };
        let mut decoder = Decoder::new(Format::Goldmane);
        for line in lines {
            let value: Value = serde_json::from_str(&line).unwrap();
            let key = &value["Key"];
            let text = |name: &str| key[name].as_str().filter(|it| *it != "-").unwrap_or_default().to_owned();
            let number = |name: &str| value[name].as_u64().unwrap_or(0);
            let flow = decoder.decode(line.as_bytes()).unwrap();
            for (end, prefix) in [(flow.source, "source"), (flow.dest, "dest")] {
                assert_eq!(end.name, text(&format!("{prefix}_name")));
                assert_eq!(end.namespace.unwrap_or_default(), text(&format!("{prefix}_namespace")));
                assert_eq!(
                    end.name_scope == NameScope::Aggregated,
                    end.name.ends_with('*') || end.name == "pub"
                );
                let kinds = [
                    EndpointKind::Workload,
                    EndpointKind::Host,
                    EndpointKind::NetworkSet,
                    EndpointKind::Network,
                ];
                let kind = kinds.iter().position(|it| *it == end.kind).unwrap() as u64 + 1;
                assert_eq!(kind, key[format!("{prefix}_type")].as_u64().unwrap());
                let labels = value[format!("{prefix}_labels")].as_array();
                let labels =
                    labels.map(|it| it.iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join("\n"));
                assert_eq!(end.labels.map(|LabelsText(it)| it.to_owned()), labels);
                assert_eq!(end.address, None);
            }
            let has_any = flow.protocol.has_ports() || flow.protocol.is_icmp();
            let port = key["dest_port"].as_u64().filter(|_| has_any);
            assert_eq!(flow.dest_port.map(u64::from), port);
            assert_eq!(flow.start.as_millis(), value["start_time"].as_i64().unwrap() * 1_000);
            assert_eq!(flow.end.as_millis(), value["end_time"].as_i64().unwrap() * 1_000);
            assert_eq!(
                flow.service.map(|it| it.name.to_owned()).unwrap_or_default(),
                text("dest_service_name")
            );
            assert_eq!(flow.service.map_or("", |it| it.port_name), text("dest_service_port_name"));
            assert_eq!(flow.service.and_then(|it| it.port).map(u64::from), key["dest_service_port"].as_u64());
            let counters = flow.counters;
            assert_eq!(
                [counters.packets_in, counters.packets_out, counters.bytes_in, counters.bytes_out],
                ["packets_in", "packets_out", "bytes_in", "bytes_out"].map(number)
            );
            assert_eq!(
                [counters.connections_started, counters.connections_completed, counters.connections_live],
                ["num_connections_started", "num_connections_completed", "num_connections_live"].map(number)
            );
            for (text, name) in [(flow.enforced, "enforced_policies"), (flow.pending, "pending_policies")] {
                let hits = key["policies"][name].as_array().unwrap();
                let actions: Vec<_> = parse_trace(text).unwrap().0.iter().map(|it| it.action).collect();
                let expect: Vec<_> = hits
                    .iter()
                    .map(|it| match it["action"].as_u64() {
                        Some(1) => Action::Allow,
                        Some(2) => Action::Deny,
                        _ => Action::Pass,
                    })
                    .collect();
                assert_eq!(actions, expect);
            }
        }
    }
}

/// Protobuf's JSON and Whisker's carry the same facts in other spellings; every record must be readable.
#[test]
fn grpc_and_whisker_records_decode_too() {
    for path in ["calico-real/goldmane-grpc.jsonl.gz", "calico-real/goldmane-grpc-list.jsonl.gz"] {
        let Some(lines) = lines(path) else { return };
        let mut decoder = Decoder::new(Format::Auto);
        for line in lines {
            let flow = decoder.decode(line.as_bytes()).unwrap_or_else(|it| panic!("{it}: {line}"));
            assert!(parse_trace(flow.enforced).is_ok() && parse_trace(flow.pending).is_ok());
        }
    }
    let mut decoder = Decoder::new(Format::Auto);
    let (mut read, mut untold) = (0, 0);
    for line in lines("calico-real/whisker-stream.txt.gz").unwrap() {
        let Some(record) = line.strip_prefix("data: ") else { continue };
        match decoder.decode(record.as_bytes()) {
            Ok(flow) => {
                assert!(parse_trace(flow.enforced).is_ok() && parse_trace(flow.pending).is_ok());
                read += 1;
            }
            // Whisker does not say what stands at an end: the recording's network sets, whose names may be others'.
            Err(reject) => {
                assert_eq!(reject.reason, Reason::MissingField, "{reject}: {record}");
                assert!(matches!(reject.field, Some("source_type" | "dest_type")), "{reject}: {record}");
                untold += 1;
            }
        }
    }
    assert_eq!((read, untold), (11_703, 365));
}

/// What a record leaves open is told as the record that says it does, or not at all.
#[test]
fn kinds_that_are_left_out_are_never_told_otherwise_than_they_were_written() {
    for path in ["calico-real/goldmane-emitter.jsonl.gz", "calico-real/run-2/goldmane-emitter.jsonl.gz"] {
        let Some(lines) = lines(path) else { return };
        let (mut whole, mut abridged) = (Decoder::new(Format::Auto), Decoder::new(Format::Auto));
        let (mut told, mut untold) = (0, 0);
        for line in lines {
            let flow = whole.decode(line.as_bytes()).unwrap();
            let mut value: Value = serde_json::from_str(&line).unwrap();
            let key = value["Key"].as_object_mut().unwrap();
            assert!(key.remove("source_type").is_some() && key.remove("dest_type").is_some());
            let record = value.to_string();
            match abridged.decode(record.as_bytes()) {
                Ok(found) => {
                    assert_eq!(found, flow, "{record}");
                    told += 1;
                }
                Err(reject) => {
                    assert_eq!(reject.reason, Reason::MissingField, "{reject}: {record}");
                    let kinds = [flow.source.kind, flow.dest.kind];
                    assert!(kinds.contains(&EndpointKind::NetworkSet), "{reject}: {record}");
                    untold += 1;
                }
            }
        }
        assert!(told > 20 * untold && untold > 0, "{told} told, {untold} not");
    }
}

/// One is malformed as published, two leave members out, one is older than JSON.
#[test]
fn published_examples_read_as_their_pages_say() {
    let decode = |name: &str| {
        let text = std::fs::read(data(&format!("calico-docs/flow-records/{name}"))?).unwrap();
        let mut decoder = Decoder::new(Format::Auto);
        Some(decoder.decode(&text).map(|_| ()).map_err(|reject| (reject.reason, reject.to_string())))
    };
    let Some(result) = decode("enterprise-no-aggregation.malformed.json") else { return };
    let (reason, _) = result.unwrap_err();
    assert_eq!(reason, Reason::Syntax);
    // The other two are abridged: without a time there is no pane to count them in.
    for name in ["enterprise-transit-ssh.json", "enterprise-transit-prednat.json"] {
        assert_eq!(
            decode(name).unwrap(),
            Err((Reason::MissingField, "field `end_time` is missing".to_owned()))
        );
    }
    let text = |name: &str| {
        std::fs::read_to_string(data(&format!("calico-docs/flow-records/{name}")).unwrap()).unwrap()
    };
    let mut decoder = Decoder::new(Format::Auto);
    let with_time = text("enterprise-transit-ssh.json").replacen('{', r#"{"end_time":1790000000,"#, 1);
    let flow = decoder.decode(with_time.as_bytes()).unwrap();
    assert_eq!(flow.reporter, Reporter::Destination);
    let enforced: Vec<_> = parse_trace(flow.enforced).unwrap().lines().collect();
    assert_eq!(enforced, ["0|__PROFILE__|pro:kns.maintenance-server|allow|0"]);
    let with_time = text("enterprise-transit-prednat.json").replacen('{', r#"{"end_time":1790000000,"#, 1);
    let flow = decoder.decode(with_time.as_bytes()).unwrap();
    assert_eq!((flow.reporter, flow.enforced.0, flow.pending.0), (Reporter::Forward, "", ""));
    assert_eq!(
        (flow.source.kind, flow.source.name, flow.source.namespace),
        (EndpointKind::Network, "pub", None)
    );
    let mended = text("enterprise-no-aggregation.malformed.json").replace("|deny|1\",       ", "|deny|1\"");
    let flow = decoder.decode(mended.as_bytes()).unwrap();
    assert_eq!((flow.source.name, flow.source.name_scope), ("access-6b687c8dcb-zn5s2", NameScope::Exact));
    assert_eq!((flow.source_port, flow.dest_port), (Some(42106), Some(80)));
    let pending: Vec<_> = parse_trace(flow.pending).unwrap().lines().collect();
    assert_eq!(pending, ["0|tier1|np:ns1/policy1|pass|3", "1|tier2|snp:ns2/tier1.policy1|deny|1"]);
    // The form before JSON.
    let (reason, _) = decode("space-separated.txt").unwrap().unwrap_err();
    assert_eq!(reason, Reason::Syntax);
}
