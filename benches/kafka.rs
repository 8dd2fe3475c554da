//! CPU per flow from a broker with lz4: the consumer and the whole path behind it, against a plain program that polls one
//! message at a time. Process CPU, so that the client's own threads count; the broker has a process of its own.
//!
//! Run with `cargo bench --bench kafka`. It prints nanoseconds of CPU a flow and their ratio. The broker is Apache Kafka
//! where `FLOWSTAGE_TEST_KAFKA` names a folder with its jars, else the client library's embedded one.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

#[path = "../tests/support/broker.rs"]
#[allow(dead_code, unreachable_pub, reason = "tests use more of it")]
mod broker;
mod support;

use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Broker;
use flowstage::aggregate::{Limits, Retain, Settings, Spec as WindowSpec};
use flowstage::decode::{Decoder, Format, parse_trace};
use flowstage::engine::{Effect, Engine, Event, LOOKS_LIVE, Spec};
use flowstage::evaluate::Programs;
use flowstage::ingest::{
    Consumer as _, From, KafkaConfig, KafkaConsumer, Log, LogPartition, Rebalance, keep_unpacked,
};
use flowstage::model::{MergePartitionId, Offset, PartitionId};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use support::baseline::Baseline;
use support::input::{SimplePolicy, policies, programs, records};

const FLOWS: u64 = 400_000;

/// How often the records are on the topic.
const PASSES: usize = 2;
const EDGES: u64 = 20_000;
const POLICIES: usize = 200;
const TOPIC: &str = "flows";

const PARTITIONS: i32 = 8;

/// The embedded broker keeps 5 MiB a partition, as stored.
const EMBEDDED_PARTITIONS: i32 = 64;

/// Records between two publications of partials, which are a second apart by default: what a worker reads in it at two
/// microseconds a flow.
const FLUSH_EVERY: usize = 500_000;

/// Publications of partials for one of results, which are two seconds apart.
const FLUSHES_PER_PUBLICATION: usize = 2;

const ROUNDS: usize = 3;

/// Set for the process that hosts the broker, so that its CPU is nobody's.
const HOST: &str = "FLOWSTAGE_BENCH_BROKER";

fn main() {
    if std::env::var_os(HOST).is_some() {
        return serve_embedded();
    }
    keep_unpacked();
    let records = records(FLOWS, EDGES);
    let policies = policies(&records, POLICIES);
    let programs = programs(&policies);
    let host = Host::start();
    let (brokers, partitions) = (host.address(), host.partitions());
    produce(&brokers, partitions, &records);
    let count = records.len() * PASSES;
    drop(records);
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let ours = cpu(|| flowstage(&brokers, partitions, &format!("ours-{round}"), count, &programs));
        let theirs = cpu(|| baseline(&brokers, &format!("theirs-{round}"), count, &policies));
        let per_flow = |spent: Duration| spent.as_nanos() as f64 / count as f64;
        let ratio = per_flow(ours) / per_flow(theirs);
        println!(
            "round {round}: flowstage {:.0} ns, baseline {:.0} ns of CPU a flow; ratio {ratio:.2}",
            per_flow(ours),
            per_flow(theirs),
        );
        ratios.push(ratio);
    }
    drop(host);
    ratios.sort_by(f64::total_cmp);
    println!(
        "median ratio {:.2} over {ROUNDS} rounds of {count} flows in {partitions} partitions",
        ratios[ROUNDS / 2]
    );
}

/// The broker that is read from.
enum Host {
    Apache(Broker),
    Embedded { process: Child, brokers: String },
}

impl Host {
    fn start() -> Self {
        if let Some(broker) = Broker::start("the bench against Apache Kafka") {
            create_topic(&broker.address());
            return Self::Apache(broker);
        }
        let mut process = Command::new(std::env::current_exe().expect("the bench knows itself"))
            .env(HOST, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the broker's process starts");
        let mut brokers = String::new();
        let said = process.stdout.take().expect("its output is piped");
        BufReader::new(said).read_line(&mut brokers).expect("the broker says where it listens");
        Self::Embedded { process, brokers: brokers.trim().to_owned() }
    }

    fn address(&self) -> String {
        match self {
            Self::Apache(broker) => broker.address(),
            Self::Embedded { brokers, .. } => brokers.clone(),
        }
    }

    const fn partitions(&self) -> i32 {
        match self {
            Self::Apache(_) => PARTITIONS,
            Self::Embedded { .. } => EMBEDDED_PARTITIONS,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Self::Embedded { process, .. } = self {
            drop(process.stdin.take());
            process.wait().expect("the broker's process ends");
        }
    }
}

/// Hosts the embedded broker until standard input is closed.
fn serve_embedded() {
    let broker = MockCluster::new(1).expect("the embedded broker starts");
    broker.create_topic(TOPIC, EMBEDDED_PARTITIONS, 1).expect("the topic is made");
    println!("{}", broker.bootstrap_servers());
    let mut end = String::new();
    std::io::stdin().read_line(&mut end).expect("standard input is piped");
}

fn create_topic(brokers: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("the settings are valid");
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()));
    made.expect("the broker answers").iter().for_each(|it| assert!(it.is_ok(), "the topic is made: {it:?}"));
}

fn produce(brokers: &str, partitions: i32, records: &[Vec<u8>]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .create()
        .expect("the settings are valid");
    for (idx, value) in (0..).zip((0..PASSES).flat_map(|_| records)) {
        let mut record = BaseRecord::<[u8], [u8]>::to(TOPIC).payload(value).partition(idx % partitions);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(5));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(60)).expect("everything arrives");
}

fn flowstage(brokers: &str, partitions: i32, group: &str, count: usize, programs: &Arc<Programs>) {
    let kafka = KafkaConfig {
        brokers: brokers.to_owned(),
        flows_topic: TOPIC.to_owned(),
        group: group.to_owned(),
        ..KafkaConfig::default()
    };
    let mut consumer = KafkaConsumer::new(&kafka, None, From::Earliest).expect("the group is joined");
    let mut engine = engine(partitions, programs);
    let mut decoder = Decoder::new(Format::Calico);
    let mut seen = 0;
    let (mut flushed, mut flushes) = (0, 0);
    while seen < count {
        for change in consumer.rebalances().expect("the group goes on") {
            assign(&mut engine, change);
        }
        let read = consumer.next_batch(Duration::from_millis(100), &mut |record| {
            if let Ok(flow) = decoder.decode(record.value) {
                let partition = PartitionId(record.source.partition);
                engine.observe(partition, Offset(record.offset), record.timestamp, &flow);
            }
        });
        seen += read.expect("the records are read");
        if seen - flushed > FLUSH_EVERY || seen >= count {
            flushed = seen;
            flushes += 1;
            flush(&mut engine);
        }
        if flushes == FLUSHES_PER_PUBLICATION || seen >= count {
            flushes = 0;
            engine.apply(Event::Publish, &mut Vec::new());
        }
    }
    consumer.close(Duration::from_secs(5)).expect("the group is left");
}

fn engine(partitions: i32, programs: &Arc<Programs>) -> Engine {
    let minute = Duration::from_secs(60);
    let spec = Spec {
        settings: Settings {
            spec: WindowSpec::new(15 * minute, minute, 2 * minute, minute).expect("a sound cut"),
            limits: Limits::default(),
            merge_partitions: 1,
        },
        retain: Retain::Windows,
        partitions: partitions.unsigned_abs(),
        incarnation: 1,
        message_bytes_max: 256 * 1024,
    };
    let mut engine = Engine::new(spec, Default::default(), Arc::clone(programs));
    engine.compare_traces(|text| parse_trace(text).ok(), LOOKS_LIVE);
    let partition = MergePartitionId(0);
    engine.apply(Event::PartialsAssigned { partition, closed_to: None, learned: vec![] }, &mut Vec::new());
    engine
}

fn assign(engine: &mut Engine, change: Rebalance) {
    let Rebalance::Assigned(partitions) = change else { return };
    for (LogPartition { log, partition }, _) in partitions {
        assert_eq!(log, Log::Flows);
        let partition = PartitionId(partition);
        engine.apply(Event::FlowsAssigned { partition, from: None }, &mut Vec::new());
    }
}

fn flush(engine: &mut Engine) {
    engine.drain_tally(|judgement, tallied| {
        black_box((judgement, tallied));
    });
    engine.drain_compared(|compared, flows| {
        black_box((compared, flows));
    });
    let mut effects = Vec::new();
    engine.apply(Event::Flush, &mut effects);
    for (offset, effect) in (0..).zip(std::mem::take(&mut effects)) {
        if let Effect::Append { value, .. } = effect {
            engine.absorb(MergePartitionId(0), Offset(offset), &value).expect("our own partials read back");
        }
    }
}

fn baseline(brokers: &str, group: &str, count: usize, policies: &[SimplePolicy]) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("the settings are valid");
    consumer.subscribe(&[TOPIC]).expect("the topic is there");
    let program = Baseline::new(policies, 60);
    let mut seen = 0;
    while seen < count {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message.expect("the records are read");
            program.observe(message.payload().unwrap_or_default());
            seen += 1;
        }
    }
    assert!(program.rows() > 0);
}

/// Returns the CPU that the process spent on `work`, in all its threads.
fn cpu(work: impl FnOnce()) -> Duration {
    let before = process_cpu();
    let began = Instant::now();
    work();
    eprintln!("  {:?} of wall time", began.elapsed());
    process_cpu() - before
}

/// Reads user and system time of this process; Linux counts them in hundredths of a second.
fn process_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this bench needs Linux");
    // The second field is a name in brackets that may hold spaces.
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
