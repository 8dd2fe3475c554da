//! `flowstage demo`: the whole way on one machine, with nothing installed.
//!
//! An embedded broker, traffic of well-known applications, two members of one group, and the applications' policies, one
//! of which is wrong: after some seconds the demo names it, the edges that it would break, and what it would recommend
//! instead.

mod display;
mod report;
mod traffic;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use rdkafka::mocking::MockCluster;

use super::build::{build_info, version};
use super::calico_version::VersionFlag;
use super::complaint::{Complaint, Exit};
use super::globals::Globals;
use super::policies;
use super::signals::end_on_signal;
use crate::aggregate::{Limits, Settings, Spec, StoreLimits};
use crate::decode::Format;
use crate::evaluate::Programs;
use crate::ingest::{Consumer, From, KafkaConfig, KafkaConsumer, KafkaStats};
use crate::pipeline::{
    self, ListenerConfig, Listeners, Outputs, Pace, Pipeline, ReadView, Results, keep_house,
};
use crate::recommend;
use crate::telemetry::{Check, Health, Metrics};

use display::Display;
use traffic::Traffic;

/// Partitions of the demonstration's topic: more than workers, so that both have some.
const PARTITIONS: i32 = 8;

/// Members of the group.
const WORKERS: usize = 2;

/// Before the end the traffic stops, so that what is shown at the end is complete.
const SETTLE: Duration = Duration::from_secs(5);

/// Watch the whole way at work on this machine: an embedded broker, traffic, two workers, one wrong staged policy
#[derive(ClapArgs, Debug)]
pub(super) struct Args {
    /// How long it runs; until it is interrupted where this is not given
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Flow records a second
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    rate: u64,
    /// The seed of the traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Other policies than the demonstration's
    #[arg(long, value_name = "PATH")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    version: VersionFlag,
}

/// Runs the demonstration, then writes what it found to standard output.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let loaded = globals.load_with(&[args.version.flag()])?;
    let mut log = loaded.config.log_options();
    if !globals.sets_log_level() {
        // The display is the demonstration's voice; warnings still come through.
        "warn,librdkafka=error,rdkafka=error".clone_into(&mut log.filter);
    }
    crate::telemetry::init_logging(&log)?;
    let programs = policies::load(args.policies.as_deref(), &loaded.config)?;
    let broker = MockCluster::new(1)
        .and_then(|it| it.create_topic(&flows_topic(), PARTITIONS, 1).map(|()| it))
        .map_err(|source| Complaint::failure("the embedded broker cannot be started").caused_by(source))?;
    let brokers = broker.bootstrap_servers();

    let metrics = Metrics::new(&build_info());
    let health = Health::new(&metrics, &[Check::Kafka, Check::Policies]);
    health.pass(Check::Policies);
    let (pipeline, stats) = start(&brokers, Arc::clone(&programs), &metrics, &health)?;
    let shared = Arc::clone(pipeline.shared());
    let results = Arc::clone(pipeline.results());
    let view =
        Arc::new(ReadView::new(Arc::clone(&shared), Arc::clone(&results), flows_topic(), stats.clone()));
    let listeners = listen(loaded.config.http.admin, loaded.config.http.api, &metrics, &health, view)?;
    let topics = [flows_topic(), "partials (in memory)".to_owned()];
    keep_house(Arc::clone(&shared), Arc::clone(&results), stats, topics, None, health.clone())?;
    end_on_signal(Arc::clone(&shared), health.clone())?;

    let traffic = Traffic::start(&brokers, &flows_topic(), &programs, args.seed, args.rate)?;
    let mut display = Display::new(args.seconds, &listeners);
    let began = Instant::now();
    // More seconds than a clock can count are without end.
    let ends = args.seconds.and_then(|it| began.checked_add(Duration::from_secs(it)));
    let mut stopped = false;
    while !shared.is_ending() && !pipeline.has_ended() && ends.is_none_or(|it| Instant::now() < it) {
        if !stopped && ends.is_some_and(|it| Instant::now() + SETTLE >= it) {
            traffic.stop();
            stopped = true;
        }
        display.show(began.elapsed(), traffic.produced(), &shared, &results);
        shared.rest(Duration::from_millis(200));
    }
    traffic.stop();
    settle(&traffic, &shared);
    display.finish();
    let mut out = io::stdout().lock();
    report::write(&mut out, traffic.produced(), &shared, &results)?;
    out.flush()?;
    shared.end();
    pipeline.join()?;
    drop(listeners);
    drop(broker);
    Ok(Exit::Fine)
}

fn flows_topic() -> String {
    KafkaConfig::default().flows_topic
}

/// Waits until what was produced is read and shown, or for a bounded time.
fn settle(traffic: &Traffic, shared: &pipeline::Shared) {
    let deadline = Instant::now() + SETTLE;
    let read = || -> u64 {
        let positions = shared.partitions();
        positions.values().map(|it| u64::try_from(it.frontier.upto.0).unwrap_or(0)).sum()
    };
    while read() < traffic.produced() && Instant::now() < deadline && !shared.is_ending() {
        shared.rest(Duration::from_millis(100));
    }
    // One more publication makes it visible.
    shared.rest(2 * pace().publish);
}

/// Quick steps, so that there is something to see within seconds.
fn pace() -> Pace {
    let millis = Duration::from_millis;
    Pace { flush: millis(250), publish: millis(500), idle: millis(3_000), drain: millis(5_000) }
}

fn settings() -> anyhow::Result<Settings> {
    let secs = Duration::from_secs;
    let spec = Spec::new(secs(60), secs(5), secs(10), secs(60))?;
    Ok(Settings { spec, limits: Limits::default(), merge_partitions: 4 })
}

/// Starts the members of the group.
fn start(
    brokers: &str,
    programs: Arc<Programs>,
    metrics: &Metrics,
    health: &Health,
) -> anyhow::Result<(Pipeline, Vec<Arc<KafkaStats>>)> {
    let mut consumers: Vec<Box<dyn Consumer + Send>> = Vec::new();
    let mut stats = Vec::new();
    for worker in 0..WORKERS {
        let kafka = KafkaConfig {
            brokers: brokers.to_owned(),
            client_id: format!("flowstage-{worker}"),
            ..KafkaConfig::default()
        };
        let consumer = KafkaConsumer::new(&kafka, None, From::Earliest)?;
        stats.push(consumer.stats());
        consumers.push(Box::new(consumer));
    }
    let settings = settings()?;
    let config = pipeline::Config {
        settings,
        pace: pace(),
        format: Format::Calico,
        store: StoreLimits::default(),
        recommend: recommend::Config {
            stabilization_period: Duration::from_secs(15),
            ..recommend::Config::default()
        },
        flows_topic: flows_topic(),
        partitions: PARTITIONS.unsigned_abs(),
        incarnation: 1,
        ends_at_end_of_input: false,
    };
    let results = Arc::new(Results::new(settings.spec, config.store));
    let pipeline = Pipeline::start(&config, programs, metrics, health, results, consumers, Outputs::Local)?;
    Ok((pipeline, stats))
}

/// Listens where configured, or on free ports of this machine when those are taken.
fn listen(
    admin: std::net::SocketAddr,
    api: std::net::SocketAddr,
    metrics: &Metrics,
    health: &Health,
    view: Arc<ReadView>,
) -> anyhow::Result<Listeners> {
    let local = |port| std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port));
    let wanted = ListenerConfig { admin: local(admin.port()), api: local(api.port()) };
    let free = ListenerConfig { admin: local(0), api: local(0) };
    let version = version();
    Listeners::start(wanted, metrics, health, &version, Arc::clone(&view) as _)
        .or_else(|_| Listeners::start(free, metrics, health, &version, view))
        .map_err(Into::into)
}
