//! The decoder against whole records: the shapes and traps of real ones, and the limits.

use flowstage::decode::{Decoder, Envelope, Format, Reason, parse_trace};
use flowstage::model::{
    EndpointKind, EventTime, Flow, IcmpMessage, IpAddr, NameScope, Protocol, RecordedAction, Reporter,
    ServiceView,
};

/// A record of Calico Enterprise with every member that is read.
const ENTERPRISE: &str = r#"{"start_time":1735689600,"end_time":1735689900,"host":"node-b",
    "source_ip":null,"source_name":"-","source_name_aggr":"web-6d4cf56db6-*","source_namespace":"shop",
    "source_type":"wep","source_port":null,"source_labels":{"labels":["app=web","tier=front"]},
    "dest_ip":"10.1.2.3","dest_name":"-","dest_name_aggr":"db-0","dest_namespace":"shop","dest_type":"wep",
    "dest_port":5432,"dest_labels":{"labels":["app=db"]},"dest_service_namespace":"shop","dest_service_name":"db",
    "dest_service_port":"pg","dest_service_port_num":15432,"dest_domains":null,"proto":"tcp","action":"allow",
    "reporter":"dst","policies":{"all_policies":["0|default|shop/default.staged:stg-deny|deny|0",
    "1|default|shop/default.db-in|allow|0"],"enforced_policies":["0|default|shop/default.db-in|allow|0"],
    "pending_policies":["0|default|shop/default.staged:stg-deny|deny|0"]},"packets_in":120,"packets_out":118,
    "bytes_in":9000,"bytes_out":15000,"num_flows":3,"num_flows_started":2,"num_flows_completed":1,
    "process_name":"-","process_id":"-","num_process_names":0,"num_process_ids":0,"@timestamp":1735689900000}"#;

/// The same fact as Goldmane's emitter writes it.
const EMITTER: &str = r#"{"Key":{"source_name":"web-6d4cf56db6-*","source_namespace":"shop","source_type":1,
    "dest_name":"db-0","dest_namespace":"shop","dest_type":1,"dest_port":5432,"dest_service_name":"db",
    "dest_service_namespace":"shop","dest_service_port_name":"pg","dest_service_port":15432,"proto":"tcp",
    "reporter":2,"action":1,"policies":{
    "enforced_policies":[{"kind":1,"namespace":"shop","name":"db-in","tier":"default","action":1}],
    "pending_policies":[{"kind":3,"namespace":"shop","name":"stg-deny","tier":"default","action":2}]}},
    "start_time":1735689600,"end_time":1735689900,"source_labels":["app=web","tier=front"],
    "dest_labels":["app=db"],"packets_in":120,"packets_out":118,"bytes_in":9000,"bytes_out":15000,
    "num_connections_started":2,"num_connections_completed":1,"num_connections_live":3}"#;

/// The fewest members that make a flow.
const LEAST: &str = r#"{"end_time":1790000300,"reporter":"src","action":"deny","proto":"tcp",
    "source_type":"wep","source_namespace":"shop","source_name_aggr":"cart-*","dest_type":"net","dest_name_aggr":"pub"}"#;

/// Decodes one record and looks at the flow.
#[track_caller]
fn accept(record: impl AsRef<[u8]>, look: impl FnOnce(Flow<'_>)) {
    let mut decoder = Decoder::new(Format::Auto);
    let record = record.as_ref();
    match decoder.decode(record) {
        Ok(flow) => look(flow),
        Err(reject) => panic!("{reject}: {}", String::from_utf8_lossy(record)),
    }
}

/// Decodes one record that must be rejected, with this message.
#[track_caller]
fn reject(record: impl AsRef<[u8]>, reason: Reason, message: &str) {
    let mut decoder = Decoder::new(Format::Auto);
    let reject = decoder.decode(record.as_ref()).expect_err("the record must be rejected");
    assert_eq!((reject.reason, reject.to_string().as_str()), (reason, message));
}

/// Puts members before those of the least record.
fn least_with(members: &str) -> String {
    LEAST.replacen('{', &format!("{{{members},"), 1)
}

/// Replaces one part of the least record.
#[track_caller]
fn least_but(part: &str, instead: &str) -> String {
    assert!(LEAST.contains(part), "{part}");
    LEAST.replace(part, instead)
}

/// What differs between the two formats: names of policies.
fn trace(flow: &Flow<'_>) -> (Vec<String>, Vec<String>) {
    (
        parse_trace(flow.enforced).unwrap().lines().collect(),
        parse_trace(flow.pending).unwrap().lines().collect(),
    )
}

#[test]
fn every_member_of_an_enterprise_record_is_read() {
    accept(ENTERPRISE, |flow| {
        assert_eq!(flow.start, EventTime::from_secs(1_735_689_600));
        assert_eq!(flow.end, EventTime::from_secs(1_735_689_900));
        assert_eq!((flow.reporter, flow.action), (Reporter::Destination, RecordedAction::Allow));
        let source = flow.source;
        assert_eq!((source.kind, source.namespace), (EndpointKind::Workload, Some("shop")));
        assert_eq!((source.name, source.name_scope), ("web-6d4cf56db6-*", NameScope::Aggregated));
        assert_eq!((source.address, flow.source_port), (None, None));
        assert_eq!(source.labels.unwrap().0, "app=web\ntier=front");
        let dest = flow.dest;
        assert_eq!((dest.name, dest.name_scope), ("db-0", NameScope::Exact));
        assert_eq!((dest.address, flow.dest_port), (Some(IpAddr::from([10, 1, 2, 3])), Some(5432)));
        assert_eq!(dest.labels.unwrap().0, "app=db");
        assert_eq!(flow.protocol, Protocol::TCP);
        let service = ServiceView { namespace: "shop", name: "db", port_name: "pg", port: Some(15432) };
        assert_eq!(flow.service, Some(service));
        let counters = flow.counters;
        assert_eq!((counters.packets_in, counters.packets_out), (120, 118));
        assert_eq!((counters.bytes_in, counters.bytes_out), (9_000, 15_000));
        assert_eq!(counters.connections_live, 3);
        assert_eq!((counters.connections_started, counters.connections_completed), (2, 1));
        assert_eq!(flow.enforced.0, "0|default|shop/default.db-in|allow|0");
        assert_eq!(flow.pending.0, "0|default|shop/default.staged:stg-deny|deny|0");
    });
}

#[test]
fn the_two_formats_tell_the_same_fact() {
    accept(ENTERPRISE, |enterprise| {
        accept(EMITTER, |emitter| {
            assert_eq!(trace(&emitter), trace(&enterprise));
            let mut emitter = Flow { enforced: enterprise.enforced, pending: enterprise.pending, ..emitter };
            // Goldmane never has an address.
            emitter.dest.address = enterprise.dest.address;
            assert_eq!(emitter, enterprise);
        });
    });
}

#[test]
fn a_pinned_format_takes_only_its_own_records() {
    let decode = |format, record: &str| {
        Decoder::new(format).decode(record.as_bytes()).map(|_| ()).map_err(|it| it.reason)
    };
    assert_eq!(decode(Format::Goldmane, EMITTER), Ok(()));
    assert_eq!(decode(Format::Goldmane, ENTERPRISE), Err(Reason::NotAFlow));
    assert_eq!(decode(Format::Calico, ENTERPRISE), Ok(()));
    assert_eq!(decode(Format::Calico, EMITTER), Err(Reason::NotAFlow));
}

// Traps of real records; numbers are those of the list in the reference of formats.

#[test]
fn trap_1_policies_out_of_order_are_handed_on_and_sorted_when_parsed() {
    let record = least_with(
        r#""policies":{"enforced_policies":["1|default|shop/default.web|allow|2","0|security|security.base|pass|1"]}"#,
    );
    accept(record, |flow| {
        assert_eq!(flow.enforced.0, "1|default|shop/default.web|allow|2\n0|security|security.base|pass|1");
        assert_eq!(trace(&flow).0, ["0|security|gnp:base|pass|1", "1|default|np:shop/web|allow|2"]);
    });
}

#[test]
fn trap_2_a_trailing_comma_is_no_json() {
    let record = least_with(r#""policies":{"pending_policies":["0|t|t.a|deny|1",]}"#);
    let reject = Decoder::new(Format::Auto).decode(record.as_bytes()).unwrap_err();
    assert_eq!(reject.reason, Reason::Syntax);
    assert!(reject.to_string().starts_with("not valid JSON"), "{reject}");
}

#[test]
fn trap_2_seconds_beside_a_timestamp_in_milliseconds() {
    accept(least_with(r#""@timestamp":1790000300000"#), |flow| {
        assert_eq!(flow.end, EventTime::from_secs(1_790_000_300));
    });
    accept(least_but("1790000300", "1790000300000"), |flow| {
        assert_eq!(flow.end, EventTime::from_secs(1_790_000_300));
    });
}

#[test]
fn trap_2_an_end_that_also_forwards() {
    accept(least_but(r#""src""#, r#""dst, fwd""#), |flow| assert_eq!(flow.reporter, Reporter::Destination));
}

#[test]
fn trap_3_transit_policies_alone_or_no_policies_at_all() {
    for policies in [r#"{"transit_policies":["0|default|default.a|allow|0"]}"#, "null", "{}"] {
        accept(least_with(&format!(r#""policies":{policies}"#)), |flow| {
            assert_eq!((flow.enforced.0, flow.pending.0), ("", ""));
        });
    }
}

#[test]
fn trap_3_labels_in_every_shape() {
    for (labels, expect) in [
        (r#"{"labels":["app=a","t=b"]}"#, Some("app=a\nt=b")),
        (r#"["app=a","t=b"]"#, Some("app=a\nt=b")),
        (r#""app=a | projectcalico.org/namespace=shop""#, Some("app=a\nprojectcalico.org/namespace=shop")),
        ("null", None),
        (r#""-""#, None),
        ("[]", Some("")),
    ] {
        accept(least_with(&format!(r#""source_labels":{labels}"#)), |flow| {
            assert_eq!(flow.source.labels.map(|it| it.0), expect);
            assert_eq!(flow.dest.labels, None);
        });
    }
}

#[test]
fn trap_4_every_spelling_of_unset_is_unknown() {
    for unset in ["null", r#""""#, r#""-""#] {
        let members = [
            "source_ip",
            "source_name",
            "source_port",
            "dest_ip",
            "dest_name",
            "dest_port",
            "dest_namespace",
            "dest_service_name",
            "dest_service_namespace",
            "dest_service_port",
            "start_time",
            "source_labels",
        ]
        .map(|member| format!(r#""{member}":{unset}"#))
        .join(",");
        accept(least_with(&members), |flow| accept(LEAST, |least| assert_eq!(flow, least)));
    }
    accept(least_with(r#""dest_port":0,"source_port":-1,"source_ip":"0.0.0.0","num_flows":null"#), |flow| {
        accept(LEAST, |least| assert_eq!(flow, least));
    });
}

#[test]
fn trap_5_whisker_capitalises_writes_rfc_3339_and_calls_it_protocol() {
    let record = r#"{"start_time":"2026-11-22T23:09:45Z","end_time":"2026-11-22T23:09:50Z","action":"Deny",
        "source_name":"payment-c9b7d8f64-*","source_namespace":"shop","source_labels":"app=payment | pci=true",
        "dest_name":"pub","dest_namespace":"-","dest_labels":"","protocol":"udp","dest_port":53,"reporter":"Src",
        "policies":{"enforced":[{"kind":"EndOfTier","name":"","namespace":"","tier":"security","action":"Pass",
        "policy_index":0,"rule_index":-1,"trigger":{"kind":"GlobalNetworkPolicy","name":"security.block","namespace":"",
        "tier":"security","action":"ActionUnspecified","policy_index":0,"rule_index":0,"trigger":null}},
        {"kind":"Profile","name":"kns.shop","namespace":"","tier":"","action":"Allow","policy_index":1,"rule_index":0,
        "trigger":null}],"pending":[]},"packets_in":1,"packets_out":2,"bytes_in":3,"bytes_out":4}"#;
    accept(record, |flow| {
        assert_eq!(flow.end, EventTime::from_secs(1_795_388_990));
        assert_eq!((flow.action, flow.reporter), (RecordedAction::Deny, Reporter::Source));
        assert_eq!((flow.source.kind, flow.dest.kind), (EndpointKind::Workload, EndpointKind::Network));
        assert_eq!(flow.source.labels.unwrap().0, "app=payment\npci=true");
        assert_eq!(
            trace(&flow).0,
            ["0|security|gnp:security.block|pass|-1", "1|__PROFILE__|pro:kns.shop|allow|0"]
        );
        assert_eq!(flow.pending.0, "");
    });
}

/// A record of Whisker's; `source` and `dest` are the namespace, the name and the labels of an end.
fn whisker(reporter: &str, source: [&str; 3], dest: [&str; 3]) -> String {
    let end = |side: &str, [namespace, name, labels]: [&str; 3]| {
        format!(r#""{side}_name":"{name}","{side}_namespace":"{namespace}","{side}_labels":"{labels}""#)
    };
    format!(
        r#"{{"start_time":"2026-11-22T23:09:45Z","end_time":"2026-11-22T23:09:50Z","action":"Allow",{},{},"protocol":"tcp","dest_port":443,"reporter":"{reporter}","policies":{{"enforced":[],"pending":[]}},"packets_in":1,"packets_out":2,"bytes_in":3,"bytes_out":4}}"#,
        end("source", source),
        end("dest", dest),
    )
}

const CART: [&str; 3] = ["shop", "cart-7d4f-*", "app=cart"];

#[test]
fn whiskers_ends_are_told_by_what_only_one_kind_can_be() {
    let told = |reporter: &str, source, dest| {
        let record = whisker(reporter, source, dest);
        let mut decoder = Decoder::new(Format::Auto);
        let flow = decoder.decode(record.as_bytes()).unwrap_or_else(|it| panic!("{it}: {record}"));
        [flow.source, flow.dest].map(|it| (it.kind, it.name.to_owned(), it.name_scope))
    };
    let cart = (EndpointKind::Workload, "cart-7d4f-*".to_owned(), NameScope::Aggregated);
    for (shown, name) in
        [("pub", "pub"), ("PUBLIC NETWORK", "pub"), ("pvt", "pvt"), ("PRIVATE NETWORK", "pvt")]
    {
        let network = (EndpointKind::Network, name.to_owned(), NameScope::Aggregated);
        for namespace in ["-", ""] {
            assert_eq!(told("Src", CART, [namespace, shown, ""]), [cart.clone(), network.clone()]);
            assert_eq!(told("Dst", [namespace, shown, ""], CART), [network.clone(), cart.clone()]);
        }
    }
    // Network sets report nothing, so what reports and has a namespace is a pod, whatever it is called.
    for name in ["db", "pub"] {
        let pod = (EndpointKind::Workload, name.to_owned(), NameScope::Exact);
        assert_eq!(told("Dst", CART, ["shop", name, "app=db"]), [cart.clone(), pod.clone()]);
        assert_eq!(told("Src", ["shop", name, ""], CART), [pod, cart.clone()]);
    }
}

#[test]
fn whiskers_ends_that_may_be_two_things_are_not_guessed() {
    let untold = |reporter: &str, source, dest, message: &str| {
        reject(whisker(reporter, source, dest), Reason::MissingField, message);
    };
    let set = ["shop", "partner-apis", "partner=true"];
    let message =
        "`dest_type` is missing, and the name may be a pod's or a network set's, found `partner-apis`";
    untold("Src", CART, set, &format!("field {message}"));
    untold("Dst", set, CART, &format!("field {}", message.replace("dest", "source")));
    // What has a namespace is no network, whatever it is called.
    let message = "field `dest_type` is missing, and the name may be a pod's or a network set's, found `pub`";
    untold("Src", CART, ["shop", "PUBLIC NETWORK", ""], message);
    let global = ["-", "threat-feed", "threat=true"];
    let message =
        "field `dest_type` is missing, and the name may be a host's or a network set's, found `threat-feed`";
    untold("Src", CART, global, message);
    // Networks have no labels: this one is a host or a global network set of that name.
    let message =
        "field `dest_type` is missing, and the name may be a host's or a network set's, found `pub`";
    untold("Src", CART, ["-", "pub", "zone=dmz"], message);
    // Without a namespace a reporter may be a host, or a pod whose namespace is left out.
    let message =
        "field `dest_type` is missing, and the name may be a host's or a network set's, found `node-1`";
    untold("Dst", CART, ["-", "node-1", ""], message);
    untold("Src", CART, ["-", "db-*", ""], "field `dest_type` is missing");
    untold("Src", CART, ["-", "-", ""], "field `dest_type` is missing");
}

#[test]
fn trap_6_ends_of_tier_in_both_forms_read_alike() {
    let enterprise = least_with(r#""policies":{"enforced_policies":["0|default|snp:shop/dd|deny|-1"]}"#);
    let goldmane = least_with(
        r#""policies":{"enforced_policies":[{"kind":10,"tier":"default","action":2,"rule_index":-1,
           "trigger":{"kind":3,"namespace":"shop","name":"dd","tier":"default"}}]}"#,
    );
    accept(enterprise, |one| accept(goldmane, |other| assert_eq!(one, other)));
}

#[test]
fn trap_7_a_missing_pending_trace_is_not_the_enforced_one() {
    accept(least_with(r#""policies":{"enforced_policies":["0|t|t.a|allow|0"]}"#), |flow| {
        assert_eq!((flow.enforced.0, flow.pending.0), ("0|t|t.a|allow|0", ""));
    });
}

#[test]
fn trap_8_aggregated_names_end_in_a_star_and_a_pod_of_its_own_has_none() {
    let scope = |name: &str, aggr: &str, kind: &str| {
        let record = least_but(
            r#""source_name_aggr":"cart-*""#,
            &format!(r#""source_name":{name},"source_name_aggr":"{aggr}""#),
        )
        .replace("\"wep\"", &format!("\"{kind}\""));
        let mut decoder = Decoder::new(Format::Auto);
        let flow = decoder.decode(record.as_bytes()).unwrap();
        (flow.source.name.to_owned(), flow.source.name_scope)
    };
    let (exact, aggregated) = (NameScope::Exact, NameScope::Aggregated);
    assert_eq!(scope("\"-\"", "cart-7d4f-*", "wep"), ("cart-7d4f-*".to_owned(), aggregated));
    assert_eq!(scope("null", "db-0", "wep"), ("db-0".to_owned(), exact));
    assert_eq!(scope("\"cart-7d4f-x1\"", "cart-7d4f-*", "wep"), ("cart-7d4f-x1".to_owned(), exact));
    assert_eq!(scope("\"-\"", "partners", "ns"), ("partners".to_owned(), exact));
    assert_eq!(scope("\"-\"", "node-b", "hep"), ("node-b".to_owned(), exact));
    assert_eq!(scope("\"-\"", "pvt", "net"), ("pvt".to_owned(), aggregated));
}

#[test]
fn icmp_has_a_message_in_the_place_of_the_destinations_port() {
    // Felix writes type 8, code 0 as 2048.
    let record = least_but(r#""tcp""#, r#""icmp","source_port":7,"dest_port":2048"#);
    accept(record, |flow| {
        let message = flow.dest_port.map(IcmpMessage::from_port);
        assert_eq!((flow.source_port, message), (None, Some(IcmpMessage { icmp_type: 8, code: 0 })));
    });
    accept(least_but(r#""tcp""#, r#""icmp","dest_port":null"#), |flow| assert_eq!(flow.dest_port, None));
}

#[test]
fn other_protocols_without_ports_have_none_whatever_stands_there() {
    accept(least_but(r#""tcp""#, r#""ipip","dest_port":2048"#), |flow| assert_eq!(flow.dest_port, None));
}

#[test]
fn several_services_are_none() {
    let record =
        least_with(r#""dest_service_namespace":"*","dest_service_name":"*","dest_service_port":"*""#);
    accept(record, |flow| assert_eq!(flow.service, None));
}

// Rejections: each names its field.

#[test]
fn what_every_flow_needs_is_named_when_missing() {
    for (part, field) in [
        (r#""end_time":1790000300,"#, "end_time"),
        (r#""reporter":"src","#, "reporter"),
        (r#""action":"deny","#, "action"),
        (r#""proto":"tcp","#, "proto"),
    ] {
        reject(least_but(part, ""), Reason::MissingField, &format!("field `{field}` is missing"));
    }
    let without_kind = r#"{"end_time":1790000300,"reporter":"dst","action":"deny","proto":"tcp","source_name_aggr":"db-0",
        "source_namespace":"shop","dest_type":"net","dest_name_aggr":"pub"}"#;
    let message =
        "field `source_type` is missing, and the name may be a pod's or a network set's, found `db-0`";
    reject(without_kind, Reason::MissingField, message);
}

#[test]
fn what_cannot_be_read_is_named_and_quoted() {
    reject(
        least_with(r#""dest_port":"http""#),
        Reason::BadField,
        r#"field `dest_port`: expected a port number, found `"http"`"#,
    );
    reject(
        least_with(r#""bytes_in":1099511627776"#),
        Reason::Range,
        "field `bytes_in`: expected a count from 0 to 2^40, found `1099511627776`",
    );
    reject(
        least_with(r#""source_ip":{"v4":1}"#),
        Reason::BadField,
        "field `source_ip`: expected an IP address, found `an object`",
    );
    reject(
        least_with(r#""source_labels":["a=b","no\u0007thing=x"]"#),
        Reason::Labels,
        "field `source_labels`: expected labels `key=value` without control characters, found `an array`",
    );
    reject(
        least_with(r#""source_name":"a\nb""#),
        Reason::Name,
        "field `source_name`: expected a name without control characters, found `\"a\\nb\"`",
    );
    reject(least_with(r#""start_time":1790000301"#), Reason::Range, "the record ends before it begins");
}

#[test]
fn the_offset_of_a_bad_member_points_at_its_name() {
    let record = least_with(r#""dest_port":"http""#);
    let reject = Decoder::new(Format::Auto).decode(record.as_bytes()).unwrap_err();
    assert_eq!(record.get(reject.offset.unwrap()..).map(|it| it.starts_with("dest_port\"")), Some(true));
}

#[test]
fn a_member_that_stands_twice_rejects_the_record() {
    for twice in [
        r#""reporter":"src""#,
        r#""host":"a","host":"b""#,
        r#""novel":1,"novel":1"#,
        r#""protocol":"udp""#,
        r#""policies":{"enforced_policies":[],"enforced_policies":[]}"#,
    ] {
        let record = least_with(twice);
        let reason = Decoder::new(Format::Auto).decode(record.as_bytes()).unwrap_err().reason;
        assert_eq!(reason, Reason::DuplicateKey, "{record}");
    }
    let wide: Vec<_> = (0..100).map(|it| format!("\"k{it}\":0")).collect();
    accept(least_with(&wide.join(",")), |_| ());
    reject(
        least_with(&format!("{},\"k99\":1", wide.join(","))),
        Reason::DuplicateKey,
        "a member stands twice, found `k99` at byte 792",
    );
}

#[test]
fn bytes_that_are_no_text_are_rejected_even_where_nobody_reads() {
    let mut record = least_with(r#""novel":"?""#).into_bytes();
    let at = record.iter().position(|it| *it == b'?').unwrap();
    record[at] = 0xff;
    let reject = Decoder::new(Format::Auto).decode(&record).unwrap_err();
    assert_eq!(reject.reason, Reason::Utf8);
}

#[test]
fn limits_are_held() {
    reject("", Reason::Empty, "an empty record");
    reject(" \n", Reason::Empty, "an empty record");
    reject(vec![b' '; 65_537], Reason::Oversize, "a record of more than 65536 bytes, found `65537 bytes`");
    accept(format!("{LEAST}{}", " ".repeat(65_536 - LEAST.len())), |_| ());
    let nested = |depth: usize| least_with(&format!("\"novel\":{}{}", "[".repeat(depth), "]".repeat(depth)));
    accept(nested(15), |_| ());
    reject(nested(16), Reason::Depth, "nested too deep at byte 24");
    reject(format!("{{\"a\":{}", "[".repeat(60_000)), Reason::Depth, "nested too deep at byte 20");
    reject(r#"{"a":"#.repeat(10_000), Reason::Depth, "nested too deep at byte 80");
    let wide: Vec<_> = (0..250).map(|it| format!("\"k{it}\":0")).collect();
    reject(least_with(&wide.join(",")), Reason::Shape, "a record with more than 256 members");
    reject(
        least_with(&format!(r#""source_name":"{}""#, "x".repeat(254))),
        Reason::Name,
        &format!(
            "field `source_name`: expected a name of at most 253 bytes, found `\"{}...\"`",
            "x".repeat(48)
        ),
    );
}

#[test]
fn what_is_no_flow_is_said_to_be_none() {
    reject(r#"{"hello":"world"}"#, Reason::NotAFlow, "no flow record of Calico or Goldmane");
    reject("[1]", Reason::NotAFlow, "a record is one JSON object; a list is written one record a value");
    reject("[", Reason::NotAFlow, "a record is one JSON object; a list is written one record a value");
    reject(
        "    \"dest_port\": 80,",
        Reason::Syntax,
        r#"a record is one JSON object on one line, and begins with `{`, found `\"dest_port\": 80,`"#,
    );
    reject("{", Reason::Syntax, "not valid JSON: ends too early at byte 0");
    reject("{\"a\":\n[1,]}", Reason::Syntax, "not valid JSON at byte 9");
    reject(
        r#"{"flow":{"time":"2026-11-01T10:00:00Z","verdict":"AUDIT"},"node_name":"a"}"#,
        Reason::NotAFlow,
        "no flow record of Calico or Goldmane",
    );
}

#[test]
fn several_records_in_one_value_are_told_to_be_written_one_a_value() {
    let line = LEAST.replace('\n', " ");
    for (between, behind) in [("\n", 1), (" ", 1), ("", 0), (",", 0)] {
        let message = format!(
            "a record is one JSON object, and something follows it; several records are written one a value at byte {}",
            line.len() + behind
        );
        reject(format!("{line}{between}{line}"), Reason::Syntax, &message);
    }
    let list = format!("[{line},{line}]");
    let message = "a record is one JSON object; a list is written one record a value";
    reject(&list, Reason::NotAFlow, message);
    // The body of a request, as a shipper that does not look inside wraps it.
    let wrapped = |text: &str| serde_json::json!({ "message": text }).to_string();
    reject(wrapped(&list), Reason::Envelope, "the envelope holds text that is not one JSON object");
    let lines = wrapped(&format!("{line}\n{line}\n"));
    let reject = Decoder::new(Format::Auto).decode(lines.as_bytes()).unwrap_err();
    assert!(reject.to_string().contains("several records are written one a value"), "{reject}");
}

// Envelopes.

#[test]
fn envelopes_are_taken_off_and_counted() {
    let text = serde_json::to_string(LEAST).unwrap();
    let record = LEAST.replace('\n', "");
    let cases: Vec<(Envelope, Vec<u8>)> = vec![
        (Envelope::Bare, least_with(r#""@timestamp":1790000301.25,"kubernetes":{"pod_name":"x"}"#).into()),
        (Envelope::Log, format!(r#"{{"@timestamp":1790000301.25,"stream":"stdout","logtag":"F","log":{text}}}"#).into()),
        (
            Envelope::Log,
            serde_json::json!({"@timestamp": 1.5, "log": format!("2026-11-22T23:09:45.1Z stdout F {record}\n")})
                .to_string()
                .into(),
        ),
        (
            Envelope::Message,
            format!(r#"{{"file":"/x","host":"n","message":{text},"source_type":"file","timestamp":"t"}}"#).into(),
        ),
        (
            Envelope::Message,
            format!(r#"{{"@timestamp":"t","agent":{{}},"log":{{"file":{{"path":"/x"}},"offset":0}},"message":{text}}}"#)
                .into(),
        ),
        (Envelope::Payload, format!(r#"{{"schema":{{"type":"struct"}},"payload":{LEAST}}}"#).into()),
        (Envelope::Payload, format!(r#"{{"schema":{{"type":"string"}},"payload":{text}}}"#).into()),
        (Envelope::JsonPayload, format!(r#"{{"insertId":"x","timestamp":"t","jsonPayload":{LEAST}}}"#).into()),
        (Envelope::Data, format!(r#"{{"specversion":"1.0","type":"x","source":"/y","data":{LEAST}}}"#).into()),
        (Envelope::FlowResult, format!(r#"{{"id":"67","flow":{EMITTER}}}"#).into()),
        (Envelope::Source, format!(r#"{{"_index":"x","_source":{LEAST}}}"#).into()),
        (Envelope::Confluent, [&[0, 0, 0, 0, 7], LEAST.as_bytes()].concat()),
        (Envelope::Header, format!("<14>1 2026-11-22T23:09:45Z node-b flows - - - {record}").into()),
        (Envelope::Header, format!("<14>Nov 22 23:09:45 node-b flows: @cee: {record}").into()),
        (Envelope::Header, format!("2026-11-22T23:09:45.1Z stdout F {record}").into()),
    ];
    for (envelope, value) in cases {
        let mut decoder = Decoder::new(Format::Auto);
        let flow = decoder.decode(&value).unwrap_or_else(|it| panic!("{envelope}: {it}"));
        assert!(flow.source.namespace == Some("shop"), "{envelope}");
        assert_eq!(decoder.envelopes().get(envelope), 1, "{envelope}");
        assert_eq!(decoder.envelopes().iter().map(|(_, count)| count).sum::<u64>(), 1);
    }
}

#[test]
fn an_envelope_without_a_record_says_so() {
    reject(
        r#"{"@timestamp":1.5,"log":"listening on :8080","stream":"stderr"}"#,
        Reason::Envelope,
        "the envelope holds text that is not one JSON object",
    );
    let cut = serde_json::json!({"log": LEAST.get(..90).unwrap(), "logtag": "P"}).to_string();
    let reason = Decoder::new(Format::Auto).decode(cut.as_bytes()).unwrap_err().reason;
    assert_eq!(reason, Reason::Syntax);
    let twice = serde_json::json!({"log": serde_json::json!({"log": LEAST}).to_string()}).to_string();
    let reason = Decoder::new(Format::Auto).decode(twice.as_bytes()).unwrap_err().reason;
    assert_eq!(reason, Reason::NotAFlow);
}

#[test]
fn a_flow_with_a_message_beside_it_is_a_flow() {
    accept(least_with(r#""message":"{\"reporter\":\"dst\"}","log":"x""#), |flow| {
        assert_eq!(flow.reporter, Reporter::Source);
    });
}

#[test]
fn nothing_of_one_record_is_left_in_the_next() {
    let mut decoder = Decoder::new(Format::Auto);
    let first = format!("{:?}", decoder.decode(LEAST.as_bytes()));
    for record in [ENTERPRISE, EMITTER, "{", r#"{"source_labels":["a=b"],"dest_labels":["c"]}"#, ENTERPRISE] {
        let _unread = decoder.decode(record.as_bytes()).is_ok();
        assert_eq!(format!("{:?}", decoder.decode(LEAST.as_bytes())), first);
    }
}
