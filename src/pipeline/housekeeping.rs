//! What has to be done once in a while and belongs to no flow: gauges, expiry, the clients' counters.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::Error;
use super::results::Results;
use super::shared::Shared;
use crate::ingest::{KafkaSnapshot, KafkaStats, Log};
use crate::model::EventTime;
use crate::recommend::Status;
use crate::sink::{Directory, Written};
use crate::telemetry::{Check, Health, Metrics};

/// Between two rounds. Gauges are that old at most when they are scraped.
const INTERVAL: Duration = Duration::from_secs(1);

/// A member without partitions is ready too, and nothing tells of an empty assignment: after so long it is taken for one.
const JOIN_MAX: Duration = Duration::from_secs(30);

/// Starts the thread. `stats` are the counters of each worker's Kafka client.
///
/// # Errors
///
/// When the system refuses a thread.
pub fn keep_house(
    shared: Arc<Shared>,
    results: Arc<Results>,
    stats: Vec<Arc<KafkaStats>>,
    topics: [String; 2],
    mut directory: Option<Directory>,
    health: Health,
) -> Result<JoinHandle<()>, Error> {
    let mut clients: Vec<_> = stats.into_iter().map(|it| (it, KafkaSnapshot::default())).collect();
    let began = Instant::now();
    let work = move || {
        while shared.wait_for_end(INTERVAL) {
            results.edges().expire();
            show_partitions(&shared, &topics[0]);
            show_results(&shared, &results);
            if let Some(directory) = &mut directory {
                write_files(directory, &shared.metrics, &results);
            }
            show_clients(&shared.metrics, &mut clients, &topics);
            let joined = clients.iter().any(|(_, seen)| seen.rebalances.assigned > 0);
            if joined || began.elapsed() >= JOIN_MAX {
                health.pass(Check::Kafka);
            }
        }
    };
    std::thread::Builder::new()
        .name("housekeeping".to_owned())
        .spawn(work)
        .map_err(|source| Error::Start { what: "the housekeeping thread", source })
}

fn show_partitions(shared: &Shared, flows: &str) {
    let partitions = shared.partitions();
    for (partition, status) in &partitions {
        let wrong = status.frontier.ledger.unaccounted(status.frontier.upto);
        if wrong != 0 {
            tracing::error!(%partition, records = wrong, "offsets that no counter accounts for");
        }
        let partition = partition.to_string();
        shared.metrics.accounting_error.with([&partition]).set(wrong.to_f64());
        shared.metrics.kafka_position.with([flows, &partition]).set(status.frontier.upto.0.to_f64());
        if let Some(lag) = lag_millis(status.idle, status.last_read, now_millis()) {
            shared.metrics.kafka_lag_seconds.with([flows, &partition]).set(lag.to_f64() / 1_000.0);
        }
        if let Some(committed) = status.committed {
            shared.metrics.kafka_committed_offset.with([flows, &partition]).set(committed.0.to_f64());
        }
    }
    if let Some(lowest) = partitions.values().filter_map(|it| it.frontier.newest).min() {
        shared
            .metrics
            .event_time_watermark
            .with(["flows"])
            .set(EventTime::as_millis(lowest).to_f64() / 1_000.0);
    }
    shared.metrics.state_entries.with(["edges"]).set_count(shared.edges());
    shared.metrics.output_queue_depth.with(["kafka"]).set_count(shared.waiting());
}

/// Returns how far behind the newest record a partition may be; nothing while that cannot be told. At the end of its log it
/// is not behind, however old its last record is, and also if none was read since it is ours.
fn lag_millis(idle: bool, last_read: Option<EventTime>, now: i64) -> Option<i64> {
    if idle {
        return Some(0);
    }
    last_read.map(|it| (now - it.as_millis()).max(0))
}

fn show_results(shared: &Shared, results: &Results) {
    let metrics = &shared.metrics;
    metrics.observed_edges.set_count(results.edges().len());
    metrics.state_entries.with(["edges_refused"]).set_count(results.edges().refused());
    let recommendations = results.recommendations();
    for status in [Status::Learning, Status::Stabilizing, Status::Stable] {
        let count = recommendations.iter().filter(|it| Status::from(it.status) == status).count();
        let label = status.as_str().to_lowercase();
        metrics.recommendations.with([&label]).set_count(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Writes recommendations to the folder; what has not changed is not written again.
fn write_files(directory: &mut Directory, metrics: &Metrics, results: &Results) {
    for record in results.recommendations() {
        let outcome = match directory.write(&record) {
            Ok(Written::Unchanged) => continue,
            Ok(_) => "ok",
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a recommendation cannot be written"
                );
                "error"
            }
        };
        metrics.output_records.with(["directory", outcome]).inc();
    }
}

/// Moves what the clients counted since the last round into the metrics.
fn show_clients(metrics: &Metrics, clients: &mut [(Arc<KafkaStats>, KafkaSnapshot)], topics: &[String; 2]) {
    let [flows, partials] = topics;
    let mut assigned = [0_u64; 2];
    for (stats, before) in clients {
        let now = stats.snapshot();
        for (topic, now, before) in
            [(flows, now.flows, before.flows), (partials, now.partials, before.partials)]
        {
            metrics.kafka_records_consumed.with([topic]).add(now.records - before.records);
            metrics.kafka_bytes_consumed.with([topic]).add(now.bytes - before.bytes);
        }
        let (is, was) = (now.rebalances, before.rebalances);
        for (kind, count) in [
            ("assigned", is.assigned - was.assigned),
            ("revoked", is.revoked - was.revoked),
            ("lost", is.lost - was.lost),
        ] {
            metrics.kafka_rebalances.with([kind]).add(count);
        }
        let (is, was) = (now.commits, before.commits);
        for (outcome, count) in
            [("ok", is.ok - was.ok), ("fenced", is.fenced - was.fenced), ("error", is.failed - was.failed)]
        {
            metrics.kafka_commits.with([outcome]).add(count);
        }
        for (code, count) in &now.errors {
            metrics.kafka_errors.with([code]).add(count - before.errors.get(code).copied().unwrap_or(0));
        }
        for source in before.lag_records.keys().filter(|it| !now.lag_records.contains_key(it)) {
            let topic = if source.log == Log::Flows { flows } else { partials };
            metrics.kafka_lag_records.remove([topic, &source.partition.to_string()]);
        }
        for (source, lag) in &now.lag_records {
            let (topic, place) = if source.log == Log::Flows { (flows, 0) } else { (partials, 1) };
            assigned[place] += 1;
            let lag = u64::try_from(*lag).unwrap_or(0);
            metrics.kafka_lag_records.with([topic, &source.partition.to_string()]).set_count(lag);
        }
        *before = now;
    }
    for (topic, count) in topics.iter().zip(assigned) {
        metrics.kafka_assigned_partitions.with([topic]).set_count(count);
    }
}

fn now_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A whole number as a gauge's value.
trait ToGauge {
    fn to_f64(self) -> f64;
}

impl ToGauge for i64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "offsets and milliseconds of this century fit a double exactly"
    )]
    fn to_f64(self) -> f64 {
        self as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_behind_by_the_age_of_its_last_record_but_not_at_its_end() {
        let read = Some(EventTime::from_millis(1_000));
        assert_eq!(lag_millis(false, read, 4_500), Some(3_500));
        assert_eq!(lag_millis(false, read, 500), Some(0));
        assert_eq!(lag_millis(false, None, 4_500), None);
        assert_eq!(lag_millis(true, read, 4_500), Some(0));
        assert_eq!(lag_millis(true, None, 4_500), Some(0));
    }
}
