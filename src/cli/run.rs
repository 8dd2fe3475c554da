//! `flowstage run`: a member of the group, until it is told to end.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::build::{build_info, version};
use super::calico_version::VersionFlag;
use super::complaint::{Complaint, Exit};
use super::from::parse_from;
use super::globals::Globals;
use super::policies::unread;
use super::signals::end_on_signal;
use crate::catalog::DirectoryCatalog;
use crate::config::{Config, PartialsMode};
use crate::evaluate::Programs;
use crate::ingest::{
    Consumer, Creation, From, KafkaConsumer, KafkaStats, TopicReader, ensure_topics, partition_count,
};
use crate::pipeline::{
    self, Listeners, Outputs, Pipeline, PolicyErrors, ReadView, Results, ResultsReader, keep_house,
    load_policies, watch_policies,
};
use crate::policy::{Cluster, PolicySet, Revision};
use crate::sink::{Directory, KafkaProducer};
use crate::telemetry::{Check, Health, Metrics};

/// Read flows from Kafka and publish what staged policies would deny
#[derive(ClapArgs, Debug)]
pub(super) struct Args {
    /// Where to begin: committed, earliest, latest, or a time such as 2026-11-24T10:00:00Z
    #[arg(long, value_name = "PLACE", default_value = "committed", value_parser = parse_from)]
    from: From,
    /// Brokers to ask first
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// A folder of policies
    #[arg(long, value_name = "PATH")]
    policies: Option<String>,
    #[command(flatten)]
    version: VersionFlag,
}

/// Runs until a signal comes or the work cannot go on.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let loaded = globals.load_with(&[
        ("--brokers", "kafka.brokers", args.brokers.as_deref()),
        ("--policies", "policies.path", args.policies.as_deref()),
        args.version.flag(),
    ])?;
    Globals::init_logging(&loaded)?;
    let config = &loaded.config;
    let metrics = Metrics::new(&build_info());
    metrics.config_reload_ok.set_flag(true);
    let health = Health::new(&metrics, &[Check::Kafka, Check::Policies, Check::State, Check::Sinks]);

    let (programs, catalog) = policies(config, &metrics)?;
    health.pass(Check::Policies);
    let partitions = partitions(config)?;
    let results = Arc::new(Results::new(config.window_spec()?, config.store_limits()));
    results.edges().set_current(programs.revision());
    let reader = match config.partials.mode {
        PartialsMode::Kafka => {
            let topics = config.result_topics();
            let reader = TopicReader::new(&config.ingest(), &[&topics.edges, &topics.recommendations])?;
            Some(ResultsReader::start(reader, Arc::clone(&results))?)
        }
        PartialsMode::Memory => None,
    };
    if let Some(reader) = &reader {
        reader.wait_until_caught_up();
    }
    health.pass(Check::State);

    let (pipeline, stats) =
        start(config, args.from, partitions, programs, &metrics, &health, Arc::clone(&results))?;
    health.pass(Check::Sinks);
    let shared = Arc::clone(pipeline.shared());
    let view = Arc::new(ReadView::new(
        Arc::clone(&shared),
        Arc::clone(&results),
        config.kafka.topics.flows.clone(),
        stats.clone(),
    ));
    let listeners = Listeners::start(config.listeners(), &metrics, &health, &version(), view)?;
    tracing::info!(admin = %listeners.admin(), api = %listeners.api(), "listening");
    if let Some(catalog) = catalog {
        let interval = config.policies.poll_interval;
        let bytes_max = config.policies_bytes_max();
        watch_policies(catalog, interval, bytes_max, Arc::clone(&shared), Arc::clone(&results))?;
    }
    let topics = [config.kafka.topics.flows.clone(), config.kafka.topics.partials.clone()];
    let directory = config.sinks.directory.clone().map(Directory::new);
    keep_house(Arc::clone(&shared), Arc::clone(&results), stats, topics, directory, health.clone())?;
    end_on_signal(Arc::clone(&shared), health.clone())?;
    let ended = pipeline.join();
    health.drain();
    if let Some(reader) = reader {
        reader.stop();
    }
    drop(listeners);
    ended.map_err(|error| Complaint::failure("the work cannot go on").caused_by(error))?;
    tracing::info!("ended in order");
    Ok(Exit::Fine)
}

/// Loads the policies for the first time. Without a folder nothing is judged, and edges are counted all the same.
fn policies(config: &Config, metrics: &Metrics) -> anyhow::Result<(Arc<Programs>, Option<DirectoryCatalog>)> {
    let Some(catalog_config) = config.catalog() else {
        tracing::warn!("no policies: `policies.path` is not set, so every flow is judged by profiles alone");
        let set = PolicySet::new(vec![], vec![], Cluster::default(), Revision(0));
        return Ok((Arc::new(Programs::compile_with(Arc::new(set), config.evaluation())), None));
    };
    let mut catalog = DirectoryCatalog::new(&catalog_config);
    let loaded = load_policies(&mut catalog, &config.evaluation(), config.policies_bytes_max(), metrics);
    let programs = loaded.map_err(unusable)?;
    Ok((programs, Some(catalog)))
}

/// Says why policies cannot be used, and what helps: lint lists what files hold, but reads no better than this does.
fn unusable(error: pipeline::Error) -> Complaint {
    let remedy = match &error {
        pipeline::Error::Policies(PolicyErrors(errors)) => match unread(errors) {
            Some(complaint) => return complaint,
            None => "`flowstage policies lint` lists every finding; mend the folder and start again",
        },
        _ => "raise `limits.compiled_policies_mib`, or leave out what is not of this cluster",
    };
    Complaint::failure("the policies cannot be used").caused_by(error).remedy(remedy)
}

/// Makes sure that the topics are there, and returns how many partitions the flows have.
fn partitions(config: &Config) -> anyhow::Result<u32> {
    let kafka = config.ingest();
    let partitions = partition_count(&kafka, &kafka.flows_topic)?;
    ensure_topics(&kafka, Creation::Allowed { replication: None }, &config.topic_specs())?;
    u32::try_from(partitions).context("the flows topic has no partitions")
}

type Stats = Vec<Arc<KafkaStats>>;

/// Starts the workers, each with a consumer and a producer of its own.
fn start(
    config: &Config,
    from: From,
    partitions: u32,
    programs: Arc<Programs>,
    metrics: &Metrics,
    health: &Health,
    results: Arc<Results>,
) -> anyhow::Result<(Pipeline, Stats)> {
    let kafka = config.ingest();
    let partials = match config.partials.mode {
        PartialsMode::Kafka => Some(config.kafka.topics.partials.as_str()),
        PartialsMode::Memory => None,
    };
    let workers = config.worker_count();
    let mut consumers: Vec<Box<dyn Consumer + Send>> = Vec::new();
    let mut producers = Vec::new();
    let mut stats = Vec::new();
    for worker in 0..workers {
        let mut own = kafka.clone();
        own.client_id = format!("{}-{worker}", kafka.client_id);
        let consumer = KafkaConsumer::new(&own, partials, from)?;
        stats.push(consumer.stats());
        consumers.push(Box::new(consumer));
        producers.push(KafkaProducer::new(&own.brokers, &own.client_id, own.properties.iter())?);
    }
    let pipeline_config = pipeline::Config {
        settings: config.fold_settings()?,
        pace: config.pace(),
        format: config.kafka.format,
        store: config.store_limits(),
        recommend: config.recommend(),
        flows_topic: kafka.flows_topic.clone(),
        partitions,
        incarnation: incarnation(),
        ends_at_end_of_input: false,
    };
    let topics = config.result_topics();
    let outputs = match (config.partials.mode, config.sinks.kafka) {
        (PartialsMode::Kafka, _) => Outputs::Group(producers, topics),
        (PartialsMode::Memory, true) => Outputs::Published(producers, topics),
        (PartialsMode::Memory, false) => Outputs::Local,
    };
    let pipeline = Pipeline::start(&pipeline_config, programs, metrics, health, results, consumers, outputs)?;
    Ok((pipeline, stats))
}

/// A number that no other process has at the same time: it only marks this one's writes for those who read the log.
fn incarnation() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(0);
    nanos ^ u64::from(std::process::id()).rotate_left(40)
}
