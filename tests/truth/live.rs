//! The same comparison as a worker makes it: by edge, remembered, with so many closer looks at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowstage::aggregate::{Limits, Retain, Settings, Spec as WindowSpec};
use flowstage::decode::{Decoder, Format, parse_trace};
use flowstage::engine::{Compared, Engine, Event, LOOKS_LIVE, Spec};
use flowstage::evaluate::{Agreement, Cause, Programs, TruthCheck};
use flowstage::model::{Offset, PartitionId};

use super::recordings::{Record, compile, eras, lines, recording, records};

/// An engine that folds everything into one pane, and compares as a worker does whose flows are not to wait.
fn engine(programs: &Arc<Programs>) -> Engine {
    engine_with(programs, LOOKS_LIVE)
}

fn engine_with(programs: &Arc<Programs>, looks_max: u32) -> Engine {
    let decade = Duration::from_hours(24 * 3_652);
    let spec = Spec {
        settings: Settings {
            spec: WindowSpec::new(decade, decade, 30 * decade, decade).unwrap(),
            limits: Limits::default(),
            merge_partitions: 1,
        },
        retain: Retain::Windows,
        partitions: 1,
        incarnation: 1,
        message_bytes_max: 256 * 1024,
    };
    let mut engine = Engine::new(spec, Default::default(), Arc::clone(programs));
    engine.compare_traces(|text| parse_trace(text).ok(), looks_max);
    engine.apply(Event::FlowsAssigned { partition: PartitionId(0), from: None }, &mut Vec::new());
    engine
}

/// Observes records, with the counts handed out after so many.
fn observe(engine: &mut Engine, lines: &[String], offset: i64, drain_every: usize) -> Vec<(Compared, u64)> {
    let mut counts: Vec<(Compared, u64)> = Vec::new();
    let mut decoder = Decoder::new(Format::Goldmane);
    let mut drain = |engine: &mut Engine| {
        engine.drain_compared(|compared, flows| match counts.iter_mut().find(|(it, _)| *it == compared) {
            Some((_, all)) => *all += flows,
            None => counts.push((compared, flows)),
        });
    };
    for (line, offset) in lines.iter().zip(offset..) {
        let flow = decoder.decode(line.as_bytes()).unwrap();
        engine.observe(PartitionId(0), Offset(offset), None, &flow);
        if usize::try_from(offset).unwrap().is_multiple_of(drain_every) {
            drain(engine);
        }
    }
    drain(engine);
    counts
}

#[test]
fn a_worker_counts_what_the_library_finds() {
    let run = "calico-real/run-2";
    let Some(home) = recording(run) else { return };
    let (before, _) = eras(run, &home);
    let programs = compile(before);
    let check = TruthCheck::new(Arc::clone(&programs), Duration::ZERO);
    let mut expect: BTreeMap<(Agreement, Agreement), u64> = BTreeMap::new();
    for record in &records(&home) {
        let recorded = Record::as_recorded(record);
        *expect.entry((check.enforced(&recorded), check.pending(&recorded))).or_default() += 1;
    }
    // Drained after every record, each may have its look; what is said must not depend on it.
    let counts = observe(&mut engine(&programs), &lines(&home), 0, 1);
    let found: BTreeMap<(Agreement, Agreement), u64> = counts
        .into_iter()
        .map(|(compared, flows)| match compared {
            Compared::Traces { enforced, pending } => ((enforced, pending), flows),
            Compared::Skipped => panic!("{flows} flows were skipped"),
        })
        .collect();
    assert_eq!(found, expect);
    // These records know nothing of the two changes that came while they were written.
    assert!(found.keys().any(|it| it.1 == Agreement::Differs(Cause::Unexplained)));
}

#[test]
fn looks_that_are_due_at_once_are_spread_and_none_is_forgotten() {
    let run = "calico-real/run-2";
    let Some(home) = recording(run) else { return };
    let (before, _) = eras(run, &home);
    // Nothing is as recorded under no policy at all.
    let nothing = flowstage::policy::PolicySet::new(
        Vec::new(),
        Vec::new(),
        before.cluster().clone(),
        flowstage::policy::Revision(0),
    );
    let nothing = compile(nothing);
    let mut engine = engine(&nothing);
    let lines = lines(&home);
    let skipped = |counts: &[(Compared, u64)]| -> u64 {
        counts.iter().filter(|(it, _)| *it == Compared::Skipped).map(|(_, flows)| flows).sum()
    };
    let all = |counts: &[(Compared, u64)]| -> u64 { counts.iter().map(|(_, flows)| flows).sum() };
    let count = u64::try_from(lines.len()).unwrap();
    let mut before = count;
    let mut offset = 0;
    for _ in 0..60 {
        let counts = observe(&mut engine, &lines, offset, usize::MAX);
        offset += i64::try_from(lines.len()).unwrap();
        assert_eq!(all(&counts), count);
        let now = skipped(&counts);
        assert!(now <= before, "{now} after {before}");
        before = now;
    }
    assert_eq!(before, 0, "every edge had its look");
    let counts = observe(&mut engine_with(&nothing, u32::MAX), &lines, 0, usize::MAX);
    assert_eq!((all(&counts), skipped(&counts)), (count, 0), "without a limit each has it at once");
}

#[test]
fn a_change_of_policies_is_told_from_an_error() {
    let run = "calico-real/run-2";
    let Some(home) = recording(run) else { return };
    let (before, later) = eras(run, &home);
    let mut engine = engine(&compile(before));
    // What the notes call the first change, and how many records are older.
    let (since, mid) = later.into_iter().next().unwrap();
    let (lines, records) = (lines(&home), records(&home));
    let (mut older, mut newer) = (Vec::new(), Vec::new());
    for (line, record) in lines.into_iter().zip(&records) {
        if record.end <= since { older.push(line) } else { newer.push(line) }
    }
    let unexplained = |counts: &[(Compared, u64)]| -> u64 {
        let is_unexplained = |it: &Compared| match it {
            Compared::Traces { enforced, pending } => {
                [enforced, pending].contains(&&Agreement::Differs(Cause::Unexplained))
            }
            Compared::Skipped => false,
        };
        counts.iter().filter(|(it, _)| is_unexplained(it)).map(|(_, flows)| flows).sum()
    };
    assert_eq!(unexplained(&observe(&mut engine, &older, 0, 1)), 0);
    engine.apply(Event::CatalogChanged(compile(mid)), &mut Vec::new());
    let offset = i64::try_from(older.len()).unwrap();
    // Up to the next change, which this engine is not told of.
    let quiet: Vec<String> = newer.into_iter().take(300).collect();
    assert_eq!(unexplained(&observe(&mut engine, &quiet, offset, 1)), 0);
}
