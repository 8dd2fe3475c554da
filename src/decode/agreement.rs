//! The quick path against the strict one: on no record may they differ.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::decoder::{Decoder, Format};

/// Members in the order of Calico Enterprise; the values are alternatives, usual ones first.
const MEMBERS: &[(&str, &[&str])] = &[
    (
        "start_time",
        &["1790000000", "1790000000123", "null", "0", "-1", "01", "1790000000.5", "99999999999999999"],
    ),
    ("end_time", &["1790000300", "1790000300000", "\"1790000300\"", "null", "1e9", "9999999999999999"]),
    ("source_ip", &["null", "\"10.1.2.3\"", "\"0.0.0.0\"", "\"::ffff:10.0.0.1\"", "\"10.1.2\"", "\"\"", "7"]),
    (
        "source_name",
        &["\"-\"", "\"cart-0\"", "\"\"", "null", "\"caf\\u00e9\"", "\"café\"", "\"a\\\"b\"", "\"\u{7f}\""],
    ),
    (
        "source_name_aggr",
        &[
            "\"cart-7d4f*\"",
            "\"pub\"",
            "\"a-name-that-is-longer-than-one-word-of-the-search-for-quotes-0123456789-0123456789\"",
        ],
    ),
    ("source_namespace", &["\"shop\"", "\"-\"", "[]", "{}"]),
    ("source_port", &["null", "0", "-1", "65535", "65536", "\"80\"", "80.0", "000", "nul"]),
    (
        "source_type",
        &["\"wep\"", "\"net\"", "\"ns\"", "\"hep\"", "\"WorkloadEndpoint\"", "1", "\"x\"", "\"-\""],
    ),
    ("source_labels", LABELS),
    ("dest_ip", &["null", "\"fd00::1\"", "\"-\""]),
    ("dest_name", &["\"-\"", "\"ledger-0\"", "7"]),
    ("dest_name_aggr", &["\"ledger-*\"", "\"pvt\"", "\"-\""]),
    ("dest_namespace", &["\"data\"", "null"]),
    ("dest_port", &["5432", "null", "0", "99999"]),
    ("dest_type", &["\"wep\"", "\"net\"", "null"]),
    ("dest_labels", LABELS),
    ("dest_service_namespace", &["\"data\"", "\"-\"", "\"*\""]),
    ("dest_service_name", &["\"ledger\"", "\"-\"", "null"]),
    ("dest_service_port", &["\"pg\"", "\"-\"", "5432", "null", "true"]),
    ("dest_service_port_num", &["5432", "null", "0"]),
    ("dest_service_port_name", &["\"pg\"", "null"]),
    (
        "dest_domains",
        &[
            "null",
            "[\"a.example.com\"]",
            "[]",
            "{\"a\":[1,{\"b\":null}]}",
            "[1 2]",
            "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
        ],
    ),
    ("proto", &["\"tcp\"", "\"udp\"", "\"icmp\"", "\"6\"", "6", "\"TCP\"", "\"quic\"", "\"\""]),
    ("action", &["\"allow\"", "\"deny\"", "\"Deny\"", "1", "\"pass\""]),
    ("reporter", &["\"src\"", "\"dst\"", "\"fwd\"", "\"dst, fwd\"", "\"x\"", "2"]),
    ("policies", POLICIES),
    (
        "bytes_in",
        &[
            "9120",
            "0",
            "12345678",
            "123456789",
            "1099511627775",
            "1099511627776",
            "null",
            "\"5\"",
            "1.0",
            "-1",
        ],
    ),
    ("bytes_out", &["40110", "1e3", "18446744073709551616"]),
    ("packets_in", &["60", "00"]),
    ("packets_out", &["71"]),
    ("num_flows", &["4", "{}"]),
    ("num_flows_started", &["1"]),
    ("num_flows_completed", &["0"]),
    ("host", &["\"node-b\"", "null", "{\"name\":\"x\"}"]),
    (
        "@timestamp",
        &[
            "1790000301000",
            "1790000301.123456",
            "\"2026-11-22T23:09:45Z\"",
            "-0",
            "1.",
            ".5",
            "1234567890123456.1234567890123456",
        ],
    ),
    ("process_args", &["[\"-\"]", "[\"-\",]", "[true, false]", "\"\\n\""]),
    ("tcp_mean_send_congestion_window", &["10", "-2.5", "1e400"]),
    ("num_connections_live", &["9"]),
    ("novel", &["1", "{\"a\": [null]}", "\"}\"", "\"\u{e9}\""]),
    ("a name that no exporter has written so far, and longer than the words that are compared", &["1"]),
    ("log", &["\"{}\"", "{\"file\":1}"]),
    ("Key", &["null", "{\"source_name\":\"a\"}"]),
    ("proto\\u0000", &["1"]),
    ("sourceName", &["\"web\""]),
];

/// How many of them a usual record has.
const USUAL: usize = 37;

const LABELS: &[&str] = &[
    r#"{"labels":["app=cart","tier=front"]}"#,
    r#"{"labels":["app=cart"]}"#,
    r#"{"labels":[]}"#,
    "null",
    r#"{"labels": ["app=cart", "tier=front"]}"#,
    r#"{"labels":null}"#,
    "{}",
    r#"["app=cart"]"#,
    r#""app=cart | tier=front""#,
    r#"{"labels":["app"]}"#,
    r#"{"labels":["a=}b","c=]d"]}"#,
    r#"{"labels":["a=b"],"labels":["c=d"]}"#,
    r#"{"x":{"y":1},"labels":["a=b"]}"#,
    r#"{"x":1,"labels":["a=b"]}"#,
    r#"{"labels":["a=b",7]}"#,
    r#"{"labels":["a=b" ]}"#,
    r#"{"labels":"a=b"}"#,
    r#"{"labels":["a=b"}"#,
    "\"-\"",
];

const POLICIES: &[&str] = &[
    r#"{"enforced_policies":["0|platform|platform.base|pass|1","1|app|data/app.ledger-in|allow|0"],"pending_policies":["0|app|snp:data/lock|deny|-1"],"all_policies":[],"transit_policies":[]}"#,
    r#"{"enforced_policies":["0|app|np:data/ledger-in|allow|0"],"pending_policies":[]}"#,
    "null",
    "{}",
    r#"{"all_policies":["0|t|a/t.staged:x|deny|0","1|t|a/t.b|allow|0"]}"#,
    r#"{"all_policies":["0|t|t.b|allow|0"],"enforced_policies":null}"#,
    r#"{"all_policies":[1],"enforced_policies":["0|t|t.b|allow|0"]}"#,
    r#"{"enforcedPolicies":["0|t|t.b|allow|0"]}"#,
    r#"{"enforced":["0|t|t.b|allow|0"],"enforced_policies":["0|t|t.c|allow|0"]}"#,
    r#"{"enforced_policies":[""]}"#,
    r#"{"enforced_policies":["0|t|a}b|allow|0"]}"#,
    r#"{"enforced_policies":[{"kind":1,"name":"a","tier":"t","action":1}]}"#,
    r#"{"pending_policies":["a"],"pending_policies":["b"]}"#,
    r#"{"transit_policies":[1 2]}"#,
    r#"{"novel":[1],"pending_policies":["0|t|t.b|allow|0"]}"#,
    r#"{"enforced_policies":["0|t|t.b|allow|0"],"transit_policies":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"#,
    "[]",
    "\"-\"",
];

/// How an encoder sets its members.
#[derive(Clone, Copy, Debug)]
struct Style {
    comma: &'static str,
    colon: &'static str,
    before: &'static str,
    behind: &'static str,
}

fn style() -> impl Strategy<Value = Style> {
    let usual = Style { comma: ",", colon: ":", before: "", behind: "" };
    prop_oneof![
        6 => Just(usual),
        2 => Just(Style { comma: ", ", colon: ": ", ..usual }),
        1 => Just(Style { behind: "\n", ..usual }),
        1 => (select(&[",", ", ", ",  ", ",\n", ",,"]), select(&[":", ": ", " :", ":\t", "::"]), select(&["", " ", "\u{feff}"]),
            select(&["", " ", "\r\n", "\n\n", "x", "}", "\0"]))
            .prop_map(|(comma, colon, before, behind)| Style { comma, colon, before, behind }),
    ]
}

/// One change to the members.
#[derive(Clone, Debug)]
enum Change {
    Value(Index, Index),
    Swap(Index, Index),
    Remove(Index),
    Again(Index, Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (any::<Index>(), any::<Index>()).prop_map(|(member, value)| Change::Value(member, value)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Again(from, to)),
    ];
    prop_oneof![1 => vec(change.clone(), 0..3), 1 => vec(change, 0..12)]
}

/// Bytes that matter to the syntax, set into a record.
fn damage() -> impl Strategy<Value = Vec<(Index, u8)>> {
    let byte = prop_oneof![select(b"{}[],:\"\\ \n0-.n\x7f\x80\xff".as_slice()), any::<u8>()];
    prop_oneof![4 => Just(Vec::new()), 2 => vec((any::<Index>(), byte), 1..3)]
}

fn record(changes: &[Change], style: Style, damage: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    // What only some exporters write comes in by a change alone.
    let mut members: Vec<_> = MEMBERS
        .iter()
        .take(USUAL)
        .map(|(key, values)| (*key, values.first().copied().unwrap_or("1")))
        .collect();
    for change in changes {
        match change {
            Change::Value(member, value) => {
                let (key, values) = member.get(MEMBERS);
                let value = *value.get(values);
                match members.iter_mut().find(|(it, _)| it == key) {
                    Some((_, old)) => *old = value,
                    None => members.push((key, value)),
                }
            }
            Change::Swap(one, other) => {
                let (one, other) = (one.index(members.len()), other.index(members.len()));
                members.swap(one, other);
            }
            Change::Remove(at) => drop(members.remove(at.index(members.len()))),
            Change::Again(from, to) => {
                let member = *from.get(&members);
                members.insert(to.index(members.len()), member);
            }
        }
    }
    let Style { comma, colon, before, behind } = style;
    let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\"{colon}{value}")).collect();
    let mut record = format!("{before}{{{}}}{behind}", members.join(comma)).into_bytes();
    for (at, byte) in damage {
        *at.get_mut(&mut record) = *byte;
    }
    if let Some(cut) = cut {
        record.truncate(cut.index(record.len()));
    }
    record
}

/// Decodes with everything that was learned so far, and strictly, and compares all that is said.
#[track_caller]
fn check(decoder: &mut Decoder, strict: &mut Decoder, record: &[u8]) {
    let found = decoder.decode(record);
    let expect = strict.decode_strictly(record);
    assert_eq!(found, expect, "{}", String::from_utf8_lossy(record));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Some 16 records a case, since what one record teaches must not change what the next one means.
    #[test]
    fn the_scanner_says_what_the_strict_reader_says(
        records in vec((changes(), style(), damage(), prop_oneof![9 => Just(None), 1 => any::<Index>().prop_map(Some)]), 16),
        format in select(&[Format::Auto, Format::Calico]),
    ) {
        let (mut decoder, mut strict) = (Decoder::new(format), Decoder::new(format));
        for (changes, style, damage, cut) in &records {
            let record = record(changes, *style, damage, *cut);
            check(&mut decoder, &mut strict, &record);
            // And once more, when all of it is known.
            check(&mut decoder, &mut strict, &record);
        }
    }
}

/// Each value of each member alone: so none is left to chance, and it is pinned that the usual ones go the quick way.
#[test]
fn every_value_of_every_member_is_read_alike() {
    for format in [Format::Auto, Format::Calico] {
        let (mut decoder, mut strict) = (Decoder::new(format), Decoder::new(format));
        for (place, (key, values)) in MEMBERS.iter().enumerate() {
            for (choice, value) in values.iter().enumerate() {
                let mut members: Vec<_> = MEMBERS
                    .iter()
                    .take(USUAL)
                    .map(|(key, values)| format!("\"{key}\":{}", values[0]))
                    .collect();
                members.retain(|it| !it.starts_with(&format!("\"{key}\"")));
                members.insert(place.min(members.len()), format!("\"{key}\":{value}"));
                let record = format!("{{{}}}", members.join(","));
                let before = decoder.paths();
                check(&mut decoder, &mut strict, record.as_bytes());
                if choice == 0 && place < USUAL {
                    assert_eq!(decoder.paths().scanner, before.scanner + 1, "{record}");
                }
            }
        }
    }
}

/// The place of a byte against the begin of the words that are compared at once must not matter, nor how much follows.
#[test]
fn every_cut_and_every_shift_is_read_alike() {
    let usual = Style { comma: ",", colon: ":", before: "", behind: "" };
    let whole = record(&[], usual, &[], None);
    let (mut decoder, mut strict) = (Decoder::new(Format::Auto), Decoder::new(Format::Auto));
    for end in 0..=whole.len() {
        check(&mut decoder, &mut strict, &whole[..end]);
        // Closed behind the cut: where a member ends there, the record is whole.
        let closed = [&whole[..end], b"}"].concat();
        check(&mut decoder, &mut strict, &closed);
    }
    for at in 0..whole.len() {
        for byte in *b"\"\\,}]:0 \0\x1f\x7f\x80" {
            let mut record = whole.clone();
            record[at] = byte;
            check(&mut decoder, &mut strict, &record);
        }
    }
}

/// A decoder that has read a record predicts its keys, and one that has not predicts nothing.
#[test]
fn what_is_inserted_anywhere_is_read_alike() {
    let usual = Style { comma: ",", colon: ":", before: "", behind: "" };
    let whole = record(&[], usual, &[], None);
    let (mut warm, mut strict) = (Decoder::new(Format::Auto), Decoder::new(Format::Auto));
    check(&mut warm, &mut strict, &whole);
    let strange = [
        "\0 1,",
        "\0\"x\",",
        ",\0\"x\"",
        ",\x001",
        "\u{ff}\"x\",",
        "\"\u{7f}\":1,",
        "\"\n\":[],",
        "\"\\n\":1,",
    ];
    for at in 0..=whole.len() {
        for text in strange {
            let record = [&whole[..at], text.as_bytes(), &whole[at..]].concat();
            check(&mut warm, &mut strict, &record);
            check(&mut Decoder::new(Format::Auto), &mut strict, &record);
        }
    }
}
