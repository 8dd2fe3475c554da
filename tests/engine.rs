//! A log, members that die and partitions that move: the counts are those of a recount, on every seed.
//!
//! The engine is driven with plain values: a log of flows, a log of partials, and members that crash before, between
//! and after the acknowledgement of what they published. The oracle counts the log once, from the front.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowstage::aggregate::{Checkpoint, Limits, Pane, Retain, Settings, Spec as WindowSpec};
use flowstage::engine::{Effect, Engine, Event, Spec, Ticket};
use flowstage::evaluate::Programs;
use flowstage::model::{
    Counters, Direction, EndpointKind, EndpointView, EventTime, Flow, LabelsText, MergePartitionId,
    NameScope, Offset, PartitionId, Protocol, RecordedAction, Reporter, TraceText,
};
use flowstage::policy::{Cluster, PolicySet, Revision};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PARTITIONS: i32 = 3;
const MERGES: i32 = 2;
const NAMES: [&str; 4] = ["web", "cart", "ledger", "mail"];

/// One record of the flows log, as far as counting cares.
#[derive(Clone, Copy, Debug)]
struct Input {
    secs: i64,
    source: usize,
    dest: usize,
    port: u16,
    egress: bool,
    bytes: u64,
}

/// Pane, source, destination, port, whether egress.
type Key = (Pane, usize, usize, u16, bool);

fn settings() -> Settings {
    let secs = Duration::from_secs;
    Settings {
        spec: WindowSpec::new(secs(50), secs(10), secs(15), secs(60)).unwrap(),
        limits: Limits::default(),
        merge_partitions: MERGES.unsigned_abs(),
    }
}

/// What a recount from the front says: per pane and edge flows and bytes, and how many records were late.
fn oracle(logs: &[Vec<Input>]) -> (BTreeMap<Key, (u64, u64)>, u64) {
    let mut counts = BTreeMap::new();
    let mut late = 0;
    for log in logs {
        let mut newest = None;
        for it in log {
            // A pane of 10 s is shut once the newest time has passed its end by 15 s.
            if newest.is_some_and(|newest: i64| it.secs.div_euclid(10) < (newest - 15).div_euclid(10)) {
                late += 1;
                continue;
            }
            newest = newest.max(Some(it.secs));
            let key = (Pane(it.secs.div_euclid(10)), it.source, it.dest, it.port, it.egress);
            let sum: &mut (u64, u64) = counts.entry(key).or_default();
            sum.0 += 1;
            sum.1 += it.bytes;
        }
    }
    (counts, late)
}

fn view(name: usize) -> EndpointView<'static> {
    EndpointView {
        kind: EndpointKind::Workload,
        namespace: Some(if name < 2 { "shop" } else { "data" }),
        name: NAMES[name],
        name_scope: NameScope::Exact,
        address: None,
        labels: Some(LabelsText("app=x")),
    }
}

fn flow(it: &Input) -> Flow<'static> {
    Flow {
        start: EventTime::from_secs(it.secs - 10),
        end: EventTime::from_secs(it.secs),
        reporter: if it.egress { Reporter::Source } else { Reporter::Destination },
        action: RecordedAction::Allow,
        source: view(it.source),
        dest: view(it.dest),
        protocol: Protocol::TCP,
        source_port: None,
        dest_port: Some(it.port),
        service: None,
        counters: Counters { bytes_in: it.bytes, ..Counters::default() },
        enforced: TraceText(""),
        pending: TraceText(""),
    }
}

/// What Kafka keeps: the logs, what was committed, and the results with their revision, flows and bytes.
#[derive(Default)]
struct World {
    flows: Vec<Vec<Input>>,
    partials: Vec<Vec<Vec<u8>>>,
    committed_flows: BTreeMap<i32, (i64, String)>,
    committed_partials: BTreeMap<i32, (i64, Option<Pane>)>,
    reports: BTreeMap<Key, (u64, u64, u64)>,
}

/// One process: an engine, how far it has read, and what it was not told yet to be acknowledged.
struct Process {
    engine: Engine,
    flows: BTreeMap<i32, i64>,
    partials: BTreeMap<i32, i64>,
    unacknowledged: Vec<Ticket>,
}

impl Process {
    fn start(incarnation: u64) -> Self {
        let set = PolicySet::new(vec![], vec![], Cluster::default(), Revision(1));
        let spec = Spec {
            settings: settings(),
            retain: Retain::OpenPanes,
            partitions: PARTITIONS.unsigned_abs(),
            incarnation,
            message_bytes_max: 300,
        };
        let engine = Engine::new(spec, Default::default(), Arc::new(Programs::compile(Arc::new(set))));
        Self { engine, flows: BTreeMap::new(), partials: BTreeMap::new(), unacknowledged: vec![] }
    }

    fn apply(&mut self, world: &mut World, event: Event) {
        let mut effects = Vec::new();
        self.engine.apply(event, &mut effects);
        for effect in effects {
            self.perform(world, effect);
        }
    }

    fn perform(&mut self, world: &mut World, effect: Effect) {
        match effect {
            Effect::Append { to, value } => world.partials[usize::try_from(to.0).unwrap()].push(value),
            Effect::Recommend(_) | Effect::Withhold(_) => {}
            Effect::Barrier(ticket) => self.unacknowledged.push(ticket),
            Effect::CommitFlows { partition, offset, metadata } => {
                world.committed_flows.insert(partition.0, (offset.0, metadata));
            }
            Effect::CommitPartials { partition, offset, closed_to } => {
                world.committed_partials.insert(partition.0, (offset.0, closed_to));
            }
            Effect::Report(report) => {
                let edge = &report.edge;
                let index = |name: &str| NAMES.iter().position(|it| *it == name).unwrap();
                let (source, dest) = (index(&edge.source().name), index(&edge.dest().name));
                let key =
                    (report.pane, source, dest, edge.port.unwrap(), edge.direction == Direction::Egress);
                let news = (report.revision, report.totals.flows, report.totals.bytes_in);
                let known = world.reports.entry(key).or_insert(news);
                if news.0 >= known.0 {
                    *known = news;
                }
            }
        }
    }

    fn assign_flows(&mut self, world: &mut World, partition: i32) {
        let from = world.committed_flows.get(&partition).map(|(offset, metadata)| {
            Checkpoint::from_metadata(Offset(*offset), metadata, settings().fingerprint()).unwrap()
        });
        self.flows.insert(partition, from.map_or(0, |it| it.offset.0));
        self.apply(world, Event::FlowsAssigned { partition: PartitionId(partition), from });
    }

    fn assign_partials(&mut self, world: &mut World, partition: i32) {
        let (offset, closed_to) = world.committed_partials.get(&partition).copied().unwrap_or((0, None));
        self.partials.insert(partition, offset);
        self.apply(
            world,
            Event::PartialsAssigned { partition: MergePartitionId(partition), closed_to, learned: vec![] },
        );
    }

    fn read_flows(&mut self, world: &World, partition: i32, count: usize) {
        let Some(at) = self.flows.get_mut(&partition) else { return };
        let log = &world.flows[usize::try_from(partition).unwrap()];
        for it in log.iter().skip(usize::try_from(*at).unwrap()).take(count) {
            self.engine.observe(PartitionId(partition), Offset(*at), None, &flow(it));
            *at += 1;
        }
    }

    fn read_partials(&mut self, world: &World, partition: i32, count: usize) {
        let Some(at) = self.partials.get_mut(&partition) else { return };
        let log = &world.partials[usize::try_from(partition).unwrap()];
        for value in log.iter().skip(usize::try_from(*at).unwrap()).take(count) {
            self.engine.absorb(MergePartitionId(partition), Offset(*at), value).unwrap();
            *at += 1;
        }
    }

    fn acknowledge(&mut self, world: &mut World) {
        for ticket in std::mem::take(&mut self.unacknowledged) {
            self.apply(world, Event::Acknowledged(ticket));
        }
    }
}

fn random_logs(random: &mut ChaCha8Rng) -> Vec<Vec<Input>> {
    let mut log = |_| {
        let mut clock = 1_000;
        (0..random.random_range(0..120))
            .map(|_| {
                clock += random.random_range(0..4);
                let behind = random.random_range(1..50);
                Input {
                    secs: clock - random.random_range(0..behind),
                    source: random.random_range(0..NAMES.len()),
                    dest: random.random_range(0..NAMES.len()),
                    port: random.random_range(80..83),
                    egress: random.random(),
                    bytes: random.random_range(0..1_000),
                }
            })
            .collect()
    };
    (0..PARTITIONS).map(&mut log).collect()
}

/// One random act of one process.
fn act(random: &mut ChaCha8Rng, world: &mut World, processes: &mut [Process], incarnation: u64) {
    let who = random.random_range(0..processes.len());
    let it = &mut processes[who];
    match random.random_range(0..20) {
        0..=7 => it.read_flows(world, random.random_range(0..PARTITIONS), random.random_range(1..20)),
        8..=11 => it.read_partials(world, random.random_range(0..MERGES), random.random_range(1..20)),
        12..=13 => it.apply(world, Event::Flush),
        14..=15 => it.apply(world, Event::Publish),
        16..=17 => it.acknowledge(world),
        18 => {
            // A crash: the other process takes everything over from what was committed.
            let dead = std::mem::replace(it, Process::start(incarnation));
            let heir = &mut processes[1 - who];
            dead.flows.keys().for_each(|partition| heir.assign_flows(world, *partition));
            dead.partials.keys().for_each(|partition| heir.assign_partials(world, *partition));
        }
        _ => {
            // A rebalance: one input partition moves.
            let Some((partition, _)) = it.flows.pop_first() else { return };
            it.apply(world, Event::FlowsReleased(PartitionId(partition)));
            processes[1 - who].assign_flows(world, partition);
        }
    }
}

/// Lets everybody read to the end and publish.
fn settle(world: &mut World, processes: &mut [Process]) {
    for it in &mut *processes {
        (0..PARTITIONS).for_each(|partition| it.read_flows(world, partition, usize::MAX));
        it.apply(world, Event::Flush);
    }
    for it in &mut *processes {
        (0..MERGES).for_each(|partition| it.read_partials(world, partition, usize::MAX));
        it.apply(world, Event::Publish);
        it.acknowledge(world);
    }
}

/// Runs one schedule of reads, flushes, publications, acknowledgements, moves and crashes, lets everything settle, and
/// compares.
fn check(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World {
        flows: random_logs(&mut random),
        partials: (0..MERGES).map(|_| Vec::new()).collect(),
        ..World::default()
    };
    let (expected, late) = oracle(&world.flows);
    let mut processes: Vec<Process> = (0..2).map(Process::start).collect();
    for partition in 0..PARTITIONS {
        processes[usize::try_from(partition % 2).unwrap()].assign_flows(&mut world, partition);
    }
    for partition in 0..MERGES {
        processes[usize::try_from(partition % 2).unwrap()].assign_partials(&mut world, partition);
    }
    for step in 0..random.random_range(20..160) {
        act(&mut random, &mut world, &mut processes, 2 + step);
    }
    settle(&mut world, &mut processes);
    let got: BTreeMap<Key, (u64, u64)> = world.reports.iter().map(|(key, it)| (*key, (it.1, it.2))).collect();
    assert_eq!(got, expected, "seed {seed}");
    let mut counted_late = 0;
    for frontier in processes.iter().flat_map(|it| it.engine.folds()).map(|it| it.frontier()) {
        assert_eq!(frontier.ledger.unaccounted(frontier.upto), 0, "seed {seed}");
        counted_late += frontier.ledger.late;
    }
    assert_eq!(counted_late, late, "seed {seed}");
}

#[test]
fn counts_equal_a_recount_after_crashes_and_moves() {
    let seeds = if std::env::var_os("FLOWSTAGE_TEST_LONG").is_some() { 100_000 } else { 500 };
    for seed in 0..seeds {
        check(seed);
    }
}
