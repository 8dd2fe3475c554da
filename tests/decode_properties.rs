//! The decoder on inputs that nobody thought of: it never panics, and it agrees with a plain reader.

use flowstage::decode::{Decoder, Format, Reason, parse_hit, parse_trace};
use flowstage::model::{EventTime, TraceText};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

const SEEDS: [&str; 3] = [
    r#"{"start_time":1790000000,"end_time":1790000300,"host":"node-b","reporter":"dst","action":"allow","proto":"tcp","source_type":"wep","source_namespace":"shop","source_name":"-","source_name_aggr":"cart-7d4f*","source_ip":null,"source_port":null,"source_labels":{"labels":["app=cart","tier=front"]},"dest_type":"wep","dest_namespace":"data","dest_name":"-","dest_name_aggr":"ledger-*","dest_ip":null,"dest_port":5432,"dest_labels":{"labels":["app=ledger"]},"dest_service_namespace":"data","dest_service_name":"ledger","dest_service_port":"pg","policies":{"enforced_policies":["0|platform|platform.base|pass|1","1|app|data/app.ledger-in|allow|0"],"pending_policies":["0|platform|platform.base|pass|1","1|app|snp:data/ledger-lockdown|deny|-1"]},"bytes_in":9120,"bytes_out":40110,"packets_in":60,"packets_out":71,"num_flows":4,"num_flows_started":1,"num_flows_completed":0}"#,
    r#"{"Key":{"source_name":"a-*","source_namespace":"b","source_type":1,"dest_name":"c","dest_namespace":"d","dest_type":1,"dest_port":80,"proto":"tcp","reporter":1,"action":2,"policies":{"enforced_policies":[{"kind":10,"tier":"t","action":2,"rule_index":-1,"trigger":{"kind":3,"namespace":"d","name":"p","tier":"t"}}]}},"start_time":1790000000,"end_time":1790000300,"source_labels":["a=b"]}"#,
    r#"{"@timestamp":1.5,"log":"{\"end_time\":1790000300,\"reporter\":\"src\",\"action\":\"deny\",\"proto\":\"tcp\",\"source_type\":\"wep\",\"source_name_aggr\":\"cart-*\",\"dest_type\":\"net\"}","stream":"stdout"}"#,
];

/// Decodes with every format, and looks at whatever comes of it.
fn exercise(record: &[u8]) {
    for format in [Format::Auto, Format::Calico, Format::Goldmane] {
        let mut decoder = Decoder::new(format);
        match decoder.decode(record) {
            Ok(flow) => {
                drop((flow.source.to_endpoint(), flow.dest.to_endpoint()));
                drop((parse_trace(flow.enforced), parse_trace(flow.pending)));
            }
            Err(reject) => {
                assert!(reject.to_string().len() < 1_024, "{reject}");
                assert!(!reject.to_string().contains(char::is_control), "{reject}");
                assert!(reject.offset.is_none_or(|offset| offset <= record.len()), "{reject:?}");
            }
        }
    }
}

/// One change to a record's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
    Token(Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let token = select(&[
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "-1", "1e999", "\\ud800", "\u{0}", "true",
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), token).prop_map(|(at, token)| Change::Token(at, token)),
    ]
}

fn apply(record: &mut Vec<u8>, change: &Change) {
    if record.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => *at.get_mut(record) = *byte,
        Change::Remove(at) => drop(record.remove(at.index(record.len()))),
        Change::Repeat(from, to) => {
            let (from, to) = (from.index(record.len()), to.index(record.len()));
            let part = record[from.min(to)..from.max(to)].to_vec();
            record.splice(from..from, part);
        }
        Change::Cut(at) => record.truncate(at.index(record.len())),
        Change::Token(at, token) => {
            let at = at.index(record.len());
            record.splice(at..at, token.bytes());
        }
    }
}

/// A value that some member may have, right or wrong.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        select(&[
            "", "-", "tcp", "src", "dst", "fwd", "allow", "deny", "wep", "net", "a-*", "10.0.0.1", "80",
            "k=v", "é"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..4_000_000_000).prop_map(Value::from),
        (-1.0e6..1.0e6).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(&["labels", "enforced_policies", "kind", "x"]), inner), 0..4).prop_map(|it| {
                Value::Object(it.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Numbers that a reader of counters takes, by the decoder's documented rules.
fn expected_count(value: Option<&Value>) -> Option<u64> {
    let whole = match value {
        None | Some(Value::Null) => return Some(0),
        Some(Value::String(text)) if text.is_empty() || text == "-" => return Some(0),
        Some(Value::String(text)) => i128::from(text.parse::<i64>().ok()?),
        Some(Value::Number(number)) => match (number.as_i128(), number.as_f64()) {
            (Some(number), _) => number,
            #[expect(clippy::cast_possible_truncation, reason = "below 2^53")]
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => float as i128,
            _ => return None,
        },
        Some(_) => return None,
    };
    u64::try_from(whole).ok().filter(|it| *it < 1 << 40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(record in vec(any::<u8>(), 0..600)) {
        exercise(&record);
    }

    #[test]
    fn random_text_in_braces_never_panics(text in "\\{[\\[\\]{}\",:\\\\0-9a-z \\n]{0,200}") {
        exercise(text.as_bytes());
    }

    #[test]
    fn changed_records_never_panic(seed in select(&SEEDS), changes in vec(change(), 1..6)) {
        let mut record = seed.as_bytes().to_vec();
        for change in &changes {
            apply(&mut record, change);
        }
        exercise(&record);
    }

    #[test]
    fn policy_hits_never_panic(text in "[0-9a-z_|:/.*\\-]{0,60}", line in "\\PC{0,40}") {
        drop(parse_hit(&text));
        drop(parse_trace(TraceText(&format!("{text}\n{line}"))));
    }

    /// Whatever value one member has, the record stands or falls by that member alone.
    #[test]
    fn one_wrong_member_is_the_one_that_is_named(
        field in select(&["source_ip", "dest_port", "bytes_in", "source_labels", "policies", "source_name", "start_time", "novel"]),
        value in value(),
    ) {
        let mut record: Map<String, Value> = serde_json::from_str(SEEDS[0]).unwrap();
        record.insert(field.to_owned(), value);
        let text = Value::Object(record).to_string();
        let mut decoder = Decoder::new(Format::Auto);
        match decoder.decode(text.as_bytes()) {
            Ok(_) => {}
            Err(reject) if reject.field.is_none() => {
                // Begin and end are looked at together.
                prop_assert_eq!((field, reject.reason), ("start_time", Reason::Range));
            }
            Err(reject) => prop_assert_eq!(reject.field, Some(field)),
        }
    }

    /// Counters against the plain reader: the same records taken, the same numbers.
    #[test]
    fn counters_are_what_a_plain_reader_finds(bytes_in in value(), packets_in in value()) {
        let mut record: Map<String, Value> = serde_json::from_str(SEEDS[0]).unwrap();
        record.insert("bytes_in".to_owned(), bytes_in);
        record.insert("packets_in".to_owned(), packets_in);
        let text = Value::Object(record).to_string();
        let plain: Value = serde_json::from_str(&text).unwrap();
        let expect = expected_count(plain.get("bytes_in")).zip(expected_count(plain.get("packets_in")));
        let mut decoder = Decoder::new(Format::Auto);
        let found = decoder.decode(text.as_bytes()).ok().map(|it| (it.counters.bytes_in, it.counters.packets_in));
        prop_assert_eq!(found, expect);
    }

    /// The strict parser against `serde_json`, by syntax alone: what one takes as JSON the other takes. Left aside, as
    /// documented: numbers beyond 64 bits and beyond doubles, which the decoder refuses and the other rounds.
    #[test]
    fn syntax_is_judged_as_serde_json_does(seed in select(&SEEDS), changes in vec(change(), 0..4)) {
        let mut record = seed.as_bytes().to_vec();
        for change in &changes {
            apply(&mut record, change);
        }
        let plain = serde_json::from_slice::<Value>(&record);
        let reject = Decoder::new(Format::Auto).decode(&record).err();
        let reason = reject.as_ref().map(|it| it.reason);
        match plain {
            Ok(Value::Object(_)) => {
                let is_syntax = matches!(reason, Some(Reason::Syntax | Reason::Utf8));
                let is_inner = record.windows(5).any(|it| it == b"\"log\"");
                let is_number = reject.is_some_and(|it| it.to_string().contains("a number that cannot be read"));
                prop_assert!(!is_syntax || is_inner || is_number, "{}", String::from_utf8_lossy(&record));
            }
            Ok(_) => prop_assert!(reason.is_some()),
            Err(_) => prop_assert!(
                matches!(reason, Some(Reason::Syntax | Reason::Utf8 | Reason::Empty | Reason::NotAFlow | Reason::Depth)),
                "{reason:?}: {}", String::from_utf8_lossy(&record)
            ),
        }
    }

    /// Escapes, order and white space are the parser's affair: they do not change what is read.
    #[test]
    fn spelling_of_json_does_not_matter(
        name in "[a-zé\u{1F600}\"\\\\/]{1,20}",
        order in any::<[Index; 8]>(),
        seconds in 1_i64..99_999_999_999,
    ) {
        let mut members: Vec<(&str, Value)> = vec![
            ("end_time", json!(seconds)), ("reporter", json!("src")), ("action", json!("deny")), ("proto", json!("tcp")),
            ("source_type", json!("wep")), ("source_name_aggr", json!(name)), ("dest_type", json!("net")), ("novel", json!(name)),
        ];
        for (idx, to) in order.iter().enumerate() {
            members.swap(idx, to.index(8));
        }
        let escaped = |value: &Value| match value.as_str() {
            Some(text) => {
                let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                format!("\"{units}\"")
            }
            None => value.to_string(),
        };
        let text: Vec<_> = members.iter().map(|(key, value)| format!("\n \"{key}\" :\t{} ", escaped(value))).collect();
        let text = format!("{{{}}}", text.join(","));
        let mut decoder = Decoder::new(Format::Auto);
        let flow = decoder.decode(text.as_bytes()).unwrap();
        prop_assert_eq!(flow.source.name, name.as_str());
        prop_assert_eq!(flow.end, EventTime::from_secs(seconds));
    }
}
