//! What the API reads, made of the results and of where this process stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::results::Results;
use super::shared::{PartitionStatus, Shared};
use crate::aggregate::Ledger;
use crate::http::{
    CountersItem, EdgePage, MemberItem, PartitionItem, PipelineStatus, PolicyItem, PolicySetItem, View,
};
use crate::ingest::{KafkaStats, Log, LogPartition};
use crate::model::{EventTime, PartitionId};
use crate::policy::Revision;
use crate::sink::render::RecommendationRecord;

/// Answers from memory.
#[derive(Debug)]
pub struct ReadView {
    shared: Arc<Shared>,
    results: Arc<Results>,
    flows_topic: String,
    stats: Vec<Arc<KafkaStats>>,
}

impl ReadView {
    /// Makes a view. `stats` are the counters of each worker's Kafka client.
    #[must_use]
    pub const fn new(
        shared: Arc<Shared>,
        results: Arc<Results>,
        flows_topic: String,
        stats: Vec<Arc<KafkaStats>>,
    ) -> Self {
        Self { shared, results, flows_topic, stats }
    }

    /// Returns the lag of each partition whose end the clients know.
    fn lags(&self) -> BTreeMap<LogPartition, i64> {
        self.stats.iter().flat_map(|it| it.snapshot().lag_records).collect()
    }

    fn partition(
        &self,
        partition: PartitionId,
        status: &PartitionStatus,
        lags: &BTreeMap<LogPartition, i64>,
    ) -> PartitionItem {
        let source = LogPartition { log: Log::Flows, partition: partition.0 };
        PartitionItem {
            topic: self.flows_topic.clone(),
            partition: partition.0,
            position: Some(status.frontier.upto.0),
            committed: status.committed.map(|it| it.0),
            lag_records: lags.get(&source).and_then(|it| u64::try_from(*it).ok()),
            watermark_ms: status.frontier.newest.map(EventTime::as_millis),
        }
    }
}

impl View for ReadView {
    fn status(&self) -> PipelineStatus {
        let (partitions, lags) = (self.shared.partitions(), self.lags());
        let workers =
            partitions.values().map(|it| it.worker + 1).max().unwrap_or(0).max(self.shared.workers());
        let members = (0..workers).map(|worker| MemberItem {
            name: format!("worker-{worker}"),
            partitions: partitions
                .iter()
                .filter(|(_, it)| it.worker == worker)
                .map(|(partition, it)| self.partition(*partition, it, &lags))
                .collect(),
        });
        let mut counters = CountersItem::default();
        for status in partitions.values() {
            let Ledger { base: _, accepted, late, skewed, rejected, filtered, gaps: _, overflowed: _ } =
                status.frontier.ledger;
            counters.records += accepted + late + skewed + rejected + filtered;
            counters.flows += accepted;
            counters.rejected += rejected;
            counters.filtered += filtered;
            counters.late += late;
            counters.skewed += skewed;
        }
        let loaded = self.shared.loaded();
        let policies = loaded.programs().set().policies();
        let staged = policies.iter().filter(|it| it.id.kind.is_staged()).count();
        PipelineStatus {
            members: members.collect(),
            policy_set: Some(PolicySetItem {
                revision: loaded.programs().revision().to_string(),
                enforced: count(policies.len() - staged),
                staged: count(staged),
            }),
            watermark_ms: partitions
                .values()
                .filter_map(|it| it.frontier.newest)
                .min()
                .map(EventTime::as_millis),
            edges: self.results.edges().len(),
            recommendations: count(self.results.recommendations().len()),
            counters,
        }
    }

    fn edges(&self, page: &mut EdgePage) {
        self.results.edges().visit_edges(|it| page.offer(it));
    }

    fn denies(&self, page: &mut EdgePage) {
        self.results.edges().visit_denies(|it| page.offer(it));
    }

    fn policies(&self) -> (Revision, Vec<PolicyItem>) {
        let loaded = self.shared.loaded();
        let set = loaded.programs().set();
        let counts = self.results.edges().policy_counts();
        let item = |(place, policy): (usize, &Arc<crate::policy::Policy>)| {
            let totals = policy.id.kind.is_staged().then(|| counts.of(place, &policy.id));
            PolicyItem::new(place, policy, totals)
        };
        (set.revision(), set.policies().iter().enumerate().map(item).collect())
    }

    fn recommendations(&self) -> Vec<Arc<RecommendationRecord>> {
        self.results.recommendations()
    }

    fn recommendation(&self, namespace: &str) -> Option<Arc<RecommendationRecord>> {
        self.results.recommendation(namespace)
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
