//! From the configuration to what the stages take.

use std::time::Duration;

use super::check::WORKERS_MAX;
use super::sections::{
    Bounds, Config, Http, Kafka, Log, Partials, PartialsMode, Policies, Publish, Recommendations, Topics,
    Windows,
};
use crate::aggregate::{Limits, Settings, Spec, SpecError, StoreLimits};
use crate::evaluate::Options;
use crate::ingest::{Cleanup, TopicSpec};
use crate::pipeline::{ListenerConfig, Pace};
use crate::telemetry::LogOptions;
use crate::{catalog, ingest, recommend, sink};

/// Recommendations are wanted for as long as somebody may come back to them.
const RECOMMENDATIONS_KEPT: Duration = Duration::from_hours(24 * 365);

/// Records that could not be read are looked at within days or never.
const DEAD_LETTERS_KEPT: Duration = Duration::from_hours(24 * 7);

impl Config {
    /// Returns how event time is cut.
    ///
    /// # Errors
    ///
    /// When width, slide, lateness and skew do not fit each other; never for a configuration that was loaded.
    pub fn window_spec(&self) -> Result<Spec, SpecError> {
        let Windows { width, slide, lateness, skew } = self.windows;
        Spec::new(width, slide, lateness, skew)
    }

    /// Returns how the log is folded.
    ///
    /// # Errors
    ///
    /// As [`Config::window_spec`].
    pub fn fold_settings(&self) -> Result<Settings, SpecError> {
        let Bounds { edges_per_subject, edges_per_pane, .. } = self.limits;
        let Partials { mode: _, partitions } = self.partials;
        let limits = Limits { edges_per_subject, edges_per_pane };
        Ok(Settings { spec: self.window_spec()?, limits, merge_partitions: partitions })
    }

    /// Returns how workers keep time.
    #[must_use]
    pub const fn pace(&self) -> Pace {
        let Publish { flush_interval, publish_interval, idle_after, drain_timeout } = self.publish;
        Pace { flush: flush_interval, publish: publish_interval, idle: idle_after, drain: drain_timeout }
    }

    /// Returns how much readers see.
    #[must_use]
    pub const fn store_limits(&self) -> StoreLimits {
        let Bounds { store_edges, deny_retention, .. } = self.limits;
        StoreLimits { edges_max: store_edges, deny_retention }
    }

    /// Returns how flows are read.
    #[must_use]
    pub fn ingest(&self) -> ingest::KafkaConfig {
        let Kafka { brokers, group, client_id, format: _, topics, properties } = &self.kafka;
        ingest::KafkaConfig {
            brokers: brokers.clone(),
            flows_topic: topics.flows.clone(),
            group: group.clone(),
            client_id: client_id.clone(),
            properties: properties.0.clone().into_iter().collect(),
        }
    }

    /// Returns the topics that results go to.
    #[must_use]
    pub fn result_topics(&self) -> sink::Topics {
        let Topics { flows: _, partials, edges, denies, recommendations, dead_letters } =
            self.kafka.topics.clone();
        sink::Topics { partials, edges, denies, recommendations, dead_letters }
    }

    /// Returns where policies come from, if from anywhere.
    #[must_use]
    pub fn catalog(&self) -> Option<catalog::Config> {
        let Policies { path, poll_interval, pod_networks: _, calico_version } = &self.policies;
        path.clone().map(|path| catalog::Config {
            path,
            poll_interval: *poll_interval,
            calico_version: *calico_version,
        })
    }

    /// Returns the topics of ours that a process needs, and how they have to be.
    ///
    /// Partials are kept for as long as a window and what may come late, and are not compacted: the merge reads them
    /// again from the oldest pane of an open window. Results are compacted by their keys, which change with every pane,
    /// so they are deleted after some time too.
    #[must_use]
    pub fn topic_specs(&self) -> Vec<TopicSpec> {
        let topics = &self.kafka.topics;
        let partitions = i32::try_from(self.partials.partitions).unwrap_or(i32::MAX);
        let windows = 2 * (self.windows.width + self.windows.lateness) + Duration::from_secs(3_600);
        let results = self.limits.deny_retention.max(windows);
        let spec =
            |name: &str, fixed, cleanup| TopicSpec { name: name.to_owned(), partitions, fixed, cleanup };
        let mut specs = Vec::new();
        if self.partials.mode == PartialsMode::Kafka {
            specs.push(spec(&topics.partials, true, Cleanup::Delete(windows)));
        }
        if self.partials.mode == PartialsMode::Kafka || self.sinks.kafka {
            specs.push(spec(&topics.edges, false, Cleanup::CompactDelete(results)));
            specs.push(spec(&topics.denies, false, Cleanup::CompactDelete(results)));
            specs.push(spec(&topics.recommendations, false, Cleanup::CompactDelete(RECOMMENDATIONS_KEPT)));
            specs.push(spec(&topics.dead_letters, false, Cleanup::Delete(DEAD_LETTERS_KEPT)));
        }
        specs
    }

    /// Returns how policies are compiled.
    #[must_use]
    pub fn evaluation(&self) -> Options {
        Options { pod_networks: self.policies.pod_networks.clone(), ..Options::default() }
    }

    /// Returns what the compiled policies may take, in bytes.
    #[must_use]
    pub fn policies_bytes_max(&self) -> usize {
        usize::try_from(u64::from(self.limits.compiled_policies_mib) << 20).unwrap_or(usize::MAX)
    }

    /// Returns how policies are recommended.
    #[must_use]
    pub fn recommend(&self) -> recommend::Config {
        let Recommendations { enabled, stabilization_period, exclude_namespaces } = &self.recommendations;
        let exclude_namespaces = if *enabled { exclude_namespaces.clone() } else { vec!["*".to_owned()] };
        let stabilization_period = *stabilization_period;
        recommend::Config { stabilization_period, exclude_namespaces, ..recommend::Config::default() }
    }

    /// Returns where to listen.
    #[must_use]
    pub const fn listeners(&self) -> ListenerConfig {
        let Http { admin, api } = self.http;
        ListenerConfig { admin, api }
    }

    /// Returns how many workers there are: one a core where none is configured.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let max = usize::try_from(WORKERS_MAX).unwrap_or(usize::MAX);
        self.workers.map_or_else(cores, |it| usize::try_from(it).unwrap_or(1).max(1)).min(max)
    }

    /// Returns what is logged.
    #[must_use]
    pub fn log_options(&self) -> LogOptions {
        let Log { level, format } = &self.log;
        LogOptions { filter: level.clone(), format: *format }
    }
}
