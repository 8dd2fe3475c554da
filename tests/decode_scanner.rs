//! The quick path on records of the generator and on those that Calico wrote: which take it, and that it does not
//! change what they say. The records that nobody wrote are tried beside the scanner itself.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowstage::decode::{Decoder, Format, PathCounts};
use flowstage::evaluate::Programs;
use flowstage::generate::{Settings, Traffic, verdicts_of};
use flowstage::policy::{Cluster, PolicySet, Revision};

/// Decodes a record, and once more behind a space, which the quick path does not take: so the strict one decides.
#[track_caller]
fn check(decoder: &mut Decoder, record: &[u8]) {
    let spaced = [b" ", record].concat();
    let mut strict = Decoder::new(Format::Auto);
    let found = decoder.decode(record).map_err(|reject| (reject.reason, reject.field));
    let expect = strict.decode(&spaced).map_err(|reject| (reject.reason, reject.field));
    assert_eq!(found, expect, "{}", String::from_utf8_lossy(record));
    assert_eq!(strict.paths(), PathCounts { scanner: 0, fallback: 1 });
}

#[test]
fn every_generated_record_takes_the_quick_path() {
    let set = Arc::new(PolicySet::new(vec![], vec![], Cluster::default(), Revision(0)));
    let programs = Arc::new(Programs::compile(set));
    let settings = Settings { seed: 11, flows: 5_000, poison_share: 0.0, ..Settings::default() };
    let mut decoder = Decoder::new(Format::Auto);
    let mut count = 0;
    for record in Traffic::new(settings, verdicts_of(programs)).unwrap() {
        check(&mut decoder, &record.value);
        count += 1;
    }
    assert_eq!(decoder.paths(), PathCounts { scanner: count, fallback: 0 });
    assert_eq!(count, 5_000);
}

#[test]
fn what_is_no_bare_record_of_enterprise_takes_the_strict_path() {
    let bare = r#"{"end_time":1790000300,"reporter":"src","action":"deny","proto":"tcp","source_type":"wep","source_name_aggr":"cart-*","dest_type":"net"}"#;
    for (record, scanner) in [
        (bare.to_owned(), 1),
        (bare.replace(':', ": ").replace(',', ", "), 1),
        (format!("{bare}\n"), 1),
        (bare.replacen('{', "{\"@timestamp\":1790000301.25,", 1), 1),
        (bare.replacen('{', "{\"kubernetes\":{\"host\":\"node-1\"},", 1), 1),
        (bare.replace("cart", "c\\u0061rt"), 0),
        (bare.replace("cart", "café"), 0),
        (bare.replace(',', " ,"), 0),
        (serde_json::json!({ "log": bare }).to_string(), 0),
        (format!("<134>1 - - - - - {bare}"), 0),
        (bare.replace("\"src\"", "1"), 0),
        (bare.replace("\"deny\"", "\"drop\""), 0),
    ] {
        let mut decoder = Decoder::new(Format::Auto);
        drop(decoder.decode(record.as_bytes()).map(|flow| assert_eq!(flow.dest.name, "")));
        assert_eq!(decoder.paths(), PathCounts { scanner, fallback: 1 - scanner }, "{record}");
    }
    let mut decoder = Decoder::new(Format::Goldmane);
    assert!(decoder.decode(bare.as_bytes()).is_err());
    assert_eq!(decoder.paths(), PathCounts { scanner: 0, fallback: 1 });
}

/// Every line of every file below a folder, packed or not.
fn recorded(folder: &Path, records: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            recorded(&path, records);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ![".json", ".jsonl", ".jsonl.gz", ".txt", ".txt.gz"].iter().any(|it| name.ends_with(it)) {
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        if name.ends_with(".gz") {
            let mut unpacked = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
            bytes = unpacked;
        }
        // Some files hold one record on many lines.
        records.push(bytes.clone());
        records.extend(
            bytes.split(|it| *it == b'\n').map(|it| it.strip_prefix(b"data: ").unwrap_or(it).to_vec()),
        );
    }
}

#[test]
fn recorded_records_say_the_same_on_either_path() {
    let Some(root) = std::env::var_os("FLOWSTAGE_TEST_DATA") else {
        eprintln!("left out: the recorded flows, because FLOWSTAGE_TEST_DATA is not set");
        return;
    };
    let mut records = Vec::new();
    for folder in ["calico-docs/flow-records", "calico-real"] {
        recorded(&PathBuf::from(&root).join("fixtures").join(folder), &mut records);
    }
    let mut decoder = Decoder::new(Format::Auto);
    for record in records.iter().filter(|it| it.starts_with(b"{")) {
        check(&mut decoder, record);
    }
    let PathCounts { scanner, fallback } = decoder.paths();
    assert!(fallback > 10_000, "{fallback} records of other formats");
    eprintln!("{scanner} of {} records took the quick path", scanner + fallback);
}
