//! Processes of one group on a real broker, killed and replaced: what they publish equals a recount of the topic.
//!
//! The recount reads the topic from the front, decodes each record, applies the rule for late records, and judges each
//! edge on its own. It shares nothing with the fold, the merge and the group.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flowstage::decode::{Decoder, Format};
use flowstage::evaluate::{Connection, Options, Outcome, Programs};
use flowstage::generate::{DEMO_MANIFESTS, Settings, Traffic, verdicts_of};
use flowstage::manifest;
use flowstage::model::{Direction, Edge, Reporter, ServiceRef};
use flowstage::sink::render::{EdgeRecord, OutcomeRecord};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use support::broker::{Broker, unique};

const PARTITIONS: i32 = 6;
const SLIDE_SECS: i64 = 10;
const LATENESS_SECS: i64 = 60;

/// One edge in one pane, as text: pane, direction, ends, protocol, port, service.
type Key = (i64, String);

/// Flows, bytes in, and whether the staged policies would deny it.
type Counted = (u64, u64, bool);

struct Cluster {
    broker: Broker,
    prefix: String,
    home: tempfile::TempDir,
    processes: Vec<Option<Child>>,
}

impl Cluster {
    fn start(test: &str) -> Option<Self> {
        let broker = Broker::start(test)?;
        let home = tempfile::tempdir().unwrap();
        let policies = home.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        for (name, text) in DEMO_MANIFESTS {
            let file = Path::new(name).file_name().unwrap();
            std::fs::write(policies.join(file), text).unwrap();
        }
        Some(Self { broker, prefix: unique(test), home, processes: vec![None, None, None] })
    }

    fn topic(&self, what: &str) -> String {
        format!("{}.{what}", self.prefix)
    }

    fn flowstage(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowstage"));
        command.env("FLOWSTAGE_KAFKA__BROKERS", self.broker.address());
        command.env("FLOWSTAGE_KAFKA__GROUP", &self.prefix);
        for what in ["flows", "partials", "edges", "denies", "recommendations", "dead_letters"] {
            command.env(format!("FLOWSTAGE_KAFKA__TOPICS__{}", what.to_uppercase()), self.topic(what));
        }
        command.env("FLOWSTAGE_POLICIES__PATH", self.home.path().join("policies"));
        command.env("FLOWSTAGE_WINDOWS__SLIDE", format!("{SLIDE_SECS}s"));
        command.env("FLOWSTAGE_WINDOWS__WIDTH", "2m");
        command.env("FLOWSTAGE_WINDOWS__LATENESS", format!("{LATENESS_SECS}s"));
        command.env("FLOWSTAGE_HTTP__ADMIN", "127.0.0.1:0").env("FLOWSTAGE_HTTP__API", "127.0.0.1:0");
        command.args(arguments);
        command
    }

    fn start_process(&mut self, place: usize) {
        let log = std::fs::File::create(self.home.path().join(format!("process-{place}.log"))).unwrap();
        let mut command = self.flowstage(&["run", "--set", "workers=1"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.processes[place] = Some(child);
    }

    fn kill_process(&mut self, place: usize) {
        let mut child = self.processes[place].take().expect("the process was started");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends a process by SIGTERM. Returns how long it took and whether it ended well.
    fn end_process(&mut self, place: usize) -> (Duration, bool) {
        let mut child = self.processes[place].take().expect("the process was started");
        let began = Instant::now();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = child.wait().unwrap();
        (began.elapsed(), status.success())
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.address());
        config
    }

    /// Makes the topic, and produces records in a fixed order, some of them garbage.
    fn produce(&self, records: &[Vec<u8>]) {
        let mut config = self.client();
        config.set("linger.ms", "20").set("compression.type", "lz4");
        let producer: BaseProducer = config.create().unwrap();
        let topic = self.topic("flows");
        for (idx, value) in (0..).zip(records) {
            let mut record = BaseRecord::<[u8], [u8]>::to(&topic).payload(value).partition(idx % PARTITIONS);
            while let Err((_, back)) = producer.send(record) {
                producer.poll(Duration::from_millis(10));
                record = back;
            }
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// Reads a topic from its begin to its end as it is now.
    fn read(&self, topic: &str, mut each: impl FnMut(i32, i64, &[u8])) {
        let mut config = self.client();
        config.set("group.id", "recount").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        let mut left = BTreeMap::new();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            let (low, high) = watermarks(&consumer, topic, partition.id());
            if high > low {
                left.insert(partition.id(), high);
                list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&list).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !left.is_empty() && Instant::now() < deadline {
            let Some(record) = consumer.poll(Duration::from_millis(200)) else { continue };
            let record = record.unwrap();
            each(record.partition(), record.offset(), record.payload().unwrap_or_default());
            if left.get(&record.partition()).is_some_and(|end| record.offset() + 1 >= *end) {
                left.remove(&record.partition());
            }
        }
        assert!(left.is_empty(), "`{topic}` was not read to its end: {left:?}");
    }

    fn logs(&self) -> String {
        let read = |place| {
            std::fs::read_to_string(self.home.path().join(format!("process-{place}.log"))).unwrap_or_default()
        };
        (0..3).map(|place| format!("== process {place}\n{}\n", read(place))).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.processes.iter_mut().flatten() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            // Where standard error is closed there is nobody to tell.
            drop(std::io::stderr().write_all(self.logs().as_bytes()));
        }
    }
}

/// Asks where a partition begins and ends; one that was made a moment ago may have no leader yet.
fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)) {
            Ok(found) => return found,
            Err(error) => assert!(Instant::now() < deadline, "{topic}/{partition}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn programs() -> Arc<Programs> {
    let objects = DEMO_MANIFESTS.iter().flat_map(|(name, text)| manifest::read(text, name).unwrap());
    Arc::new(Programs::compile_with(
        Arc::new(manifest::assemble(objects).unwrap().set),
        Options::private_pods(),
    ))
}

fn records(seed: u64, flows: u64) -> Vec<Vec<u8>> {
    let settings = Settings {
        seed,
        flows,
        rate: 200,
        poison_share: 0.002,
        lateness: Duration::from_secs(LATENESS_SECS.unsigned_abs()),
        ..Settings::default()
    };
    Traffic::new(settings, verdicts_of(programs())).unwrap().map(|it| it.value).collect()
}

fn key(pane: i64, edge: &Edge) -> Key {
    let service = edge.service.as_ref().map(|it| format!("{}/{}:{}", it.namespace, it.name, it.port_name));
    (pane, format!("{edge} {:?} {:?} {service:?}", edge.subject.labels, edge.peer.labels))
}

/// Counts the topic from the front.
fn recount(cluster: &Cluster) -> (BTreeMap<Key, Counted>, u64) {
    let programs = programs();
    let mut decoder = Decoder::new(Format::Auto);
    let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
    let mut counted: BTreeMap<Key, Counted> = BTreeMap::new();
    let mut rejected = 0;
    cluster.read(&cluster.topic("flows"), |partition, _, value| {
        let Ok(flow) = decoder.decode(value) else {
            rejected += 1;
            return;
        };
        let secs = flow.end.as_millis().div_euclid(1_000);
        let pane = secs.div_euclid(SLIDE_SECS);
        let shut = newest.get(&partition).map(|it| (it - LATENESS_SECS).div_euclid(SLIDE_SECS));
        if shut.is_some_and(|shut| pane < shut) {
            return;
        }
        newest.entry(partition).and_modify(|it| *it = (*it).max(secs)).or_insert(secs);
        let (direction, subject, peer) = match flow.reporter {
            Reporter::Source => (Direction::Egress, flow.source, flow.dest),
            Reporter::Destination => (Direction::Ingress, flow.dest, flow.source),
            Reporter::Forward => return,
        };
        let edge = Edge {
            direction,
            subject: subject.to_endpoint(),
            peer: peer.to_endpoint(),
            protocol: flow.protocol,
            port: flow.dest_port,
            service: flow.service.map(|it| ServiceRef {
                namespace: it.namespace.into(),
                name: it.name.into(),
                port_name: it.port_name.into(),
            }),
        };
        let entry = counted.entry(key(pane, &edge)).or_insert_with(|| {
            let judgement = programs.judge(direction, &Connection::from(&edge));
            (0, 0, matches!(judgement.outcome, Outcome::WouldDeny { .. }))
        });
        entry.0 += 1;
        entry.1 += flow.counters.bytes_in;
    });
    (counted, rejected)
}

/// What was published: of each key the value with the highest revision.
fn published(cluster: &Cluster, what: &str) -> BTreeMap<Key, Counted> {
    let mut newest: BTreeMap<Key, (u64, Counted)> = BTreeMap::new();
    cluster.read(&cluster.topic(what), |_, _, value| {
        let record = EdgeRecord::from_json(value).unwrap();
        let denied = record.outcome == OutcomeRecord::WouldDeny;
        let report = flowstage::aggregate::EdgeReport::try_from(record).unwrap();
        let news = (report.totals.flows, report.totals.bytes_in, denied);
        let entry = newest.entry(key(report.pane.0, &report.edge)).or_insert((report.revision, news));
        if report.revision >= entry.0 {
            *entry = (report.revision, news);
        }
    });
    newest.into_iter().map(|(key, (_, counted))| (key, counted)).collect()
}

/// Waits until what is published equals the recount, or says what differs.
fn await_equality(cluster: &Cluster) -> BTreeMap<Key, Counted> {
    let (expected, rejected) = recount(cluster);
    assert!(rejected > 0, "the topic holds poison");
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let got = published(cluster, "edges");
        if got == expected {
            break;
        }
        if Instant::now() >= deadline {
            let differing: Vec<_> = expected
                .iter()
                .filter(|(key, it)| got.get(*key) != Some(*it))
                .map(|(key, it)| format!("{key:?}: expected {it:?}, got {:?}", got.get(key)))
                .chain(
                    got.keys().filter(|it| !expected.contains_key(*it)).map(|it| format!("{it:?}: too many")),
                )
                .collect();
            let shown = differing.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
            panic!("{} of {} edges differ:\n{shown}", differing.len(), expected.len());
        }
        // The group is still at work; there is nothing to wait for but its next publication.
        std::thread::sleep(Duration::from_millis(500));
    }
    let denies: BTreeMap<_, _> =
        expected.iter().filter(|(_, it)| it.2).map(|(k, it)| (k.clone(), *it)).collect();
    assert!(!denies.is_empty(), "the demonstration's policies have one that is wrong");
    assert_eq!(published(cluster, "denies"), denies);
    expected
}

fn create_flows_topic(cluster: &Cluster) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let admin: AdminClient<_> = cluster.client().create().unwrap();
    let topic = cluster.topic("flows");
    let topic = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    made[0].as_ref().unwrap();
}

#[test]
fn three_processes_that_are_killed_and_replaced_publish_what_a_recount_finds() {
    let Some(mut cluster) = Cluster::start("three_processes") else { return };
    create_flows_topic(&cluster);
    let records = records(5, 60_000);
    let (first, rest) = records.split_at(20_000);
    let (second, third) = rest.split_at(20_000);
    cluster.produce(first);
    cluster.start_process(0);
    cluster.start_process(1);
    await_some(&cluster);
    // A third joins, one dies in the middle of a window, and comes back.
    cluster.start_process(2);
    cluster.produce(second);
    cluster.kill_process(0);
    cluster.produce(third);
    cluster.start_process(0);
    cluster.kill_process(2);
    let expected = await_equality(&cluster);
    assert!(expected.len() > 1_000, "{} edges in panes", expected.len());
    every_metric_that_is_watched_exists(&cluster, 1);
    for place in [0, 1] {
        let (took, well) = cluster.end_process(place);
        assert!(well, "process {place} did not end well");
        assert!(took < Duration::from_secs(25), "process {place} took {took:?} to end:\n{}", cluster.logs());
    }
}

#[test]
fn a_broker_that_restarts_loses_nothing() {
    let Some(mut cluster) = Cluster::start("broker_restarts") else { return };
    create_flows_topic(&cluster);
    let records = records(6, 20_000);
    let (first, second) = records.split_at(10_000);
    cluster.produce(first);
    cluster.start_process(0);
    cluster.start_process(1);
    await_some(&cluster);
    cluster.broker.kill();
    cluster.broker.restart();
    cluster.produce(second);
    await_equality(&cluster);
}

/// Looks for every metric of the dashboard and of the alert rules in the scrape of a living process.
fn every_metric_that_is_watched_exists(cluster: &Cluster, place: usize) {
    let log = std::fs::read_to_string(cluster.home.path().join(format!("process-{place}.log"))).unwrap();
    let (_, rest) = log.split_once("\"admin\":\"").expect("the process says where it listens");
    let address = rest.split('"').next().unwrap();
    let scrape_once = || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut scrape = String::new();
        std::io::Read::read_to_string(&mut stream, &mut scrape).unwrap();
        scrape
    };
    let exists = |scrape: &str, name: &str| {
        scrape.lines().any(|line| line.strip_prefix(name).is_some_and(|it| it.starts_with(['{', ' '])))
    };
    let watched = watched_metrics();
    // A duration is known behind its first request, and what is told of a partition once it is ours and read.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let scrape = scrape_once();
        let missing: Vec<_> = watched.iter().filter(|(_, name)| !exists(&scrape, name)).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "named, but a living process does not have it: {missing:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Returns the metrics that the dashboard and the alert rules name, each with the file.
fn watched_metrics() -> BTreeSet<(&'static str, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let mut watched = BTreeSet::new();
    for file in ["deploy/grafana/flowstage.json", "deploy/prometheus/rules.yaml"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let names =
            text.split(|it| !is_word(it)).filter(|it| it.starts_with("flowstage_") && !it.contains(':'));
        let before = watched.len();
        watched.extend(names.map(|it| (file, it.to_owned())));
        assert!(watched.len() - before > 10, "{file}");
    }
    watched
}

/// Waits until the group has published something.
fn await_some(cluster: &Cluster) {
    let deadline = Instant::now() + Duration::from_secs(90);
    let exists = || {
        let consumer: BaseConsumer = cluster.client().create().unwrap();
        let edges = cluster.topic("edges");
        let metadata = consumer.fetch_metadata(Some(&edges), Duration::from_secs(10)).unwrap();
        !metadata.topics()[0].partitions().is_empty()
    };
    while !exists() || published(cluster, "edges").is_empty() {
        assert!(Instant::now() < deadline, "nothing was published:\n{}", cluster.logs());
        std::thread::sleep(Duration::from_millis(300));
    }
}
