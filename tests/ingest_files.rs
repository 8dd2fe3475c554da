//! Reading records from files: packing, offsets, long lines and errors.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowstage::ingest::{Consumer, Error, FileConsumer, Log, LogPartition, Rebalance};

const WAIT: Duration = Duration::from_secs(60);
const RECORD_BYTES_MAX: usize = 64;
const PARTITION: LogPartition = LogPartition { log: Log::Flows, partition: 0 };

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::stream::encode_all(text.as_bytes(), 1).unwrap()
}

fn open(paths: &[PathBuf]) -> Result<FileConsumer, Error> {
    FileConsumer::open(paths.to_vec(), RECORD_BYTES_MAX)
}

/// Reads to the end, and gives `offset:line`.
fn drain(consumer: &mut FileConsumer) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    while !consumer.is_at_end(PARTITION) {
        let before = found.len();
        let count = consumer.next_batch(WAIT, &mut |record| {
            assert_eq!((record.source, record.timestamp), (PARTITION, None));
            found.push(format!("{}:{}", record.offset, String::from_utf8_lossy(record.value)));
        })?;
        assert_eq!(count, found.len() - before);
    }
    Ok(found)
}

fn message(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

/// Holds what is read from these files against the expectation.
#[track_caller]
fn check(files: &[&[u8]], expect: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> =
        files.iter().enumerate().map(|(it, bytes)| write(dir.path(), &it.to_string(), bytes)).collect();
    let mut consumer = open(&paths).unwrap();
    assert_eq!(consumer.rebalances().unwrap(), [Rebalance::Assigned(vec![(PARTITION, None)])]);
    assert_eq!(consumer.rebalances().unwrap(), []);
    assert_eq!(drain(&mut consumer).unwrap(), expect);
}

#[test]
fn packing_is_told_by_the_first_bytes() {
    let members = [gzip("{\"a\":1}\n{\"b\""), gzip(":2}\n")].concat();
    let frames = [zstd("{\"a\":1}\n"), zstd("{\"b\":2}\n")].concat();
    for bytes in [b"{\"a\":1}\n{\"b\":2}\n".as_slice(), &members, &frames] {
        check(&[bytes], &["0:{\"a\":1}", "1:{\"b\":2}"]);
    }
}

#[test]
fn offsets_count_lines_over_all_files() {
    check(&[b"a\r\n\r\n b\n", b"", b"\n", &gzip("c\n"), b"d"], &["0:a", "2: b", "4:c", "5:d"]);
    check(&[], &[]);
}

#[test]
fn a_record_tells_its_line_in_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    // More lines than one chunk holds, so that the count goes on from one to the next.
    let long = "x\n".repeat(300_000) + "\nlast\n";
    let files: [(&str, &[u8]); 4] =
        [("one", b"\na\n"), ("none", b""), ("two.zst", &zstd(&long)), ("three.gz", &gzip("\n\nb"))];
    let paths = files.map(|(name, bytes)| write(dir.path(), name, bytes));
    let mut consumer = open(&paths).unwrap();
    consumer.rebalances().unwrap();
    let mut found = Vec::new();
    while !consumer.is_at_end(PARTITION) {
        let mut visit = |record: flowstage::ingest::Record<'_>| {
            if record.value != b"x" {
                found.push(record.place.unwrap().to_string());
            }
        };
        consumer.next_batch(WAIT, &mut visit).unwrap();
    }
    let place = |idx: usize, line: u64| format!("{}:{line}", paths[idx].display());
    assert_eq!(found, [place(0, 2), place(2, 300_002), place(3, 3)]);
}

#[test]
fn a_line_that_is_too_long_costs_no_more_than_a_record() {
    let long = "x".repeat(10 << 20);
    let cut = format!("0:{}", "x".repeat(RECORD_BYTES_MAX + 1));
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "long", format!("{long}\nshort\n").as_bytes());
    let mut consumer = open(&[path]).unwrap();
    consumer.rebalances().unwrap();
    assert_eq!(drain(&mut consumer).unwrap(), [cut.as_str(), "1:short"]);
    assert_eq!(consumer.lines_cut(), 1);
}

#[test]
fn nothing_is_delivered_before_the_assignment_is_told_or_while_paused() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "one", b"a\n");
    let mut consumer = open(&[path]).unwrap();
    let mut visit = |_: flowstage::ingest::Record<'_>| panic!("nothing may be delivered");
    assert_eq!(consumer.next_batch(Duration::ZERO, &mut visit).unwrap(), 0);
    consumer.rebalances().unwrap();
    consumer.set_paused(Log::Flows, true).unwrap();
    assert_eq!(consumer.next_batch(Duration::ZERO, &mut visit).unwrap(), 0);
    assert!(!consumer.is_at_end(PARTITION));
    consumer.set_paused(Log::Flows, false).unwrap();
    assert_eq!(drain(&mut consumer).unwrap(), ["0:a"]);
    assert!(consumer.is_at_end(LogPartition { log: Log::Partials, partition: 0 }));
    consumer.close(WAIT).unwrap();
}

#[test]
fn more_than_the_channel_holds_arrives_in_order() {
    let text: String = (0..100_000).map(|it| format!("{it}\n")).collect();
    let expect: Vec<_> = (0..100_000).map(|it| format!("{it}:{it}")).collect();
    let expect: Vec<_> = expect.iter().map(String::as_str).collect();
    check(&[text.as_bytes()], &expect);
    check(&[&zstd(&text)], &expect);
}

#[test]
fn errors_name_the_file_and_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert_eq!(
        message(&open(std::slice::from_ref(&missing)).unwrap_err()),
        format!(
            "cannot read `{}`: there is no such file: check the path, or use `-` for standard input",
            missing.display()
        ),
    );
    assert_eq!(
        message(&open(&[dir.path().to_owned()]).unwrap_err()),
        format!(
            "cannot read `{}`: it is a directory: name the files in it, such as `DIR/*.jsonl`",
            dir.path().display()
        ),
    );
    let twice = [PathBuf::from("-"), PathBuf::from("-")];
    assert_eq!(
        message(&open(&twice).unwrap_err()),
        "cannot read `-`: standard input can be read once: name `-` once"
    );
}

#[test]
fn packed_data_that_ends_too_early_gives_the_records_before() {
    let text: String = (0..50_000).map(|it| format!("{it}\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        let path = write(dir.path(), name, bytes.get(..bytes.len() - 9).unwrap());
        let mut consumer = open(std::slice::from_ref(&path)).unwrap();
        consumer.rebalances().unwrap();
        let mut count = 0;
        let error = loop {
            match consumer.next_batch(WAIT, &mut |record| {
                assert_eq!(record.value, count.to_string().as_bytes(), "{name}");
                count += 1;
            }) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(message(&error).contains("ends too early"), "{name}: {}", message(&error));
        assert!(!consumer.is_at_end(PARTITION), "{name}");
    }
}
