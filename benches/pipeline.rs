//! The whole path in memory: decode, fold, judge, publish, merge, report; against the baseline in the same run; and how
//! the cost of a flow grows with policies and with panes a window.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flowstage::aggregate::{Limits, Retain, Settings, Spec as WindowSpec};
use flowstage::decode::{Decoder, Format, parse_trace};
use flowstage::engine::{Effect, Engine, Event, LOOKS_LIVE, Spec};
use flowstage::evaluate::Programs;
use flowstage::model::{MergePartitionId, Offset, PartitionId};
use support::baseline::Baseline;
use support::input::{policies, programs, records};

const FLOWS: u64 = 100_000;
const EDGES: u64 = 20_000;
const POLICIES: usize = 200;

const SLIDE: Duration = Duration::from_secs(60);

/// Records between two publications of partials, which are a second apart by default: what a worker reads in it at two
/// microseconds a flow.
const FLUSH_EVERY: u64 = 500_000;

/// Publications of partials for one of results, which are two seconds apart.
const FLUSHES_PER_PUBLICATION: u64 = 2;

/// How often the records are read: enough that what is done once for an edge does not count for much, as in a process
/// that has run for a minute.
const PASSES: u64 = 8;

/// Records one behind the other, as a fetched batch of Kafka holds them.
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    fn of(records: &[Vec<u8>]) -> Self {
        let mut batch = Self { bytes: Vec::new(), ends: Vec::new() };
        for record in records {
            batch.bytes.extend_from_slice(record);
            batch.ends.push(batch.bytes.len());
        }
        batch
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut begin, end)..end])
    }
}

/// One worker that runs alone, without threads.
struct Worker {
    engine: Engine,
    decoder: Decoder,
    offset: Offset,
    partials: i64,
    reports: u64,
}

impl Worker {
    fn new(programs: &Arc<Programs>, panes_per_window: u32) -> Self {
        let spec = Spec {
            settings: Settings {
                spec: WindowSpec::new(SLIDE * panes_per_window, SLIDE, 2 * SLIDE, SLIDE)
                    .expect("a sound cut"),
                limits: Limits::default(),
                merge_partitions: 1,
            },
            retain: Retain::Windows,
            partitions: 1,
            incarnation: 1,
            message_bytes_max: 256 * 1024,
        };
        let mut engine = Engine::new(spec, Default::default(), Arc::clone(programs));
        engine.compare_traces(|text| parse_trace(text).ok(), LOOKS_LIVE);
        let mut effects = Vec::new();
        engine.apply(Event::FlowsAssigned { partition: PartitionId(0), from: None }, &mut effects);
        let partition = MergePartitionId(0);
        engine.apply(Event::PartialsAssigned { partition, closed_to: None, learned: vec![] }, &mut effects);
        Self { engine, decoder: Decoder::new(Format::Calico), offset: Offset(0), partials: 0, reports: 0 }
    }

    fn run(&mut self, records: &Batch) -> u64 {
        (0..PASSES).for_each(|_| self.run_at(records, 0));
        self.flush();
        self.publish();
        self.reports
    }

    /// Takes the records as though they had come `slides` slides later.
    fn run_at(&mut self, records: &Batch, slides: u32) {
        for record in records.iter() {
            if let Ok(mut flow) = self.decoder.decode(record) {
                flow.end = flow.end.plus(SLIDE * slides);
                self.engine.observe(PartitionId(0), self.offset, None, &flow);
            }
            self.offset = self.offset.next();
            let count = self.offset.0.unsigned_abs();
            if count.is_multiple_of(FLUSH_EVERY) {
                self.flush();
            }
            if count.is_multiple_of(FLUSH_EVERY * FLUSHES_PER_PUBLICATION) {
                self.publish();
            }
        }
    }

    /// Takes the records of one slide, and publishes: windows are closed one by one.
    fn run_slide(&mut self, records: &Batch, slide: u32) {
        self.run_at(records, slide);
        self.flush();
        self.publish();
    }

    fn flush(&mut self) {
        self.engine.drain_tally(|judgement, tallied| {
            black_box((judgement, tallied));
        });
        self.engine.drain_compared(|compared, flows| {
            black_box((compared, flows));
        });
        let mut effects = Vec::new();
        self.engine.apply(Event::Flush, &mut effects);
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Append { value, .. } => {
                    let offset = Offset(self.partials);
                    self.engine
                        .absorb(MergePartitionId(0), offset, &value)
                        .expect("our own partials read back");
                    self.partials += 1;
                }
                Effect::Barrier(ticket) => {
                    self.engine.apply(Event::Acknowledged(ticket), &mut Vec::new());
                }
                Effect::Report(_)
                | Effect::Recommend(_)
                | Effect::Withhold(_)
                | Effect::CommitFlows { .. }
                | Effect::CommitPartials { .. } => {}
            }
        }
    }

    fn publish(&mut self) {
        let mut effects = Vec::new();
        self.engine.apply(Event::Publish, &mut effects);
        self.reports += effects.iter().map(|it| u64::from(matches!(it, Effect::Report(_)))).sum::<u64>();
    }
}

fn whole_path(c: &mut Criterion) {
    let records = records(FLOWS, EDGES);
    let bytes: usize = records.iter().map(Vec::len).sum();
    eprintln!("{} records, {} bytes on average", records.len(), bytes / records.len());
    let policies = policies(&records, POLICIES);
    let programs = programs(&policies);
    let records = Batch::of(&records);
    let mut group = c.benchmark_group("whole_path");
    group.throughput(Throughput::Elements(records.len() as u64 * PASSES)).sample_size(10);
    group.bench_function("flowstage", |b| {
        b.iter_batched_ref(|| Worker::new(&programs, 15), |it| it.run(&records), BatchSize::PerIteration);
    });
    group.bench_function("baseline", |b| {
        b.iter_batched_ref(
            || Baseline::new(&policies, 60),
            |it| {
                for _ in 0..PASSES {
                    records.iter().for_each(|record| it.observe(record));
                }
                it.rows()
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn growth(c: &mut Criterion) {
    let records = records(FLOWS, EDGES);
    let batch = Batch::of(&records);
    let mut group = c.benchmark_group("growth");
    group.throughput(Throughput::Elements(records.len() as u64 * PASSES)).sample_size(10);
    for count in [10, 1_000] {
        let programs = programs(&policies(&records, count));
        group.bench_function(format!("policies/{count}"), |b| {
            b.iter_batched_ref(|| Worker::new(&programs, 15), |it| it.run(&batch), BatchSize::PerIteration);
        });
    }
    let programs = programs(&policies(&records, POLICIES));
    let slides: u32 = 64;
    group.throughput(Throughput::Elements(records.len() as u64 * u64::from(slides)));
    for panes in [5, 60] {
        group.bench_function(format!("panes_per_window/{panes}"), |b| {
            b.iter_batched_ref(
                || Worker::new(&programs, panes),
                |it| (0..slides).for_each(|slide| it.run_slide(&batch, slide)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, whole_path, growth);
criterion_main!(benches);
