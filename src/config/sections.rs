//! The configuration as values, section by section, with the defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::setting::words;
use crate::aggregate::{Limits, StoreLimits};
use crate::decode::Format;
use crate::evaluate::Options;
use crate::model::{CalicoVersion, IpNet};
use crate::pipeline::Pace;
use crate::telemetry::{LogFormat, LogOptions};

/// The whole configuration of a process.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// Where flows come from, and the names of all topics.
    pub kafka: Kafka,
    /// How event time is cut.
    pub windows: Windows,
    /// Worker threads; nothing for one per core.
    pub workers: Option<u32>,
    /// Where policies come from.
    pub policies: Policies,
    /// Where partials are kept.
    pub partials: Partials,
    /// How often what is published.
    pub publish: Publish,
    /// How recommendations are made.
    pub recommendations: Recommendations,
    /// Where results go.
    pub sinks: Sinks,
    /// Where the process listens.
    pub http: Http,
    /// Bounds.
    pub limits: Bounds,
    /// What is logged.
    pub log: Log,
}

/// Where flows come from, and the names of all topics.
#[derive(Clone, PartialEq, Debug)]
pub struct Kafka {
    /// Brokers to ask first: `host:port`, separated by commas.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// The name that brokers log and count us by.
    pub client_id: String,
    /// What the records look like.
    pub format: Format,
    /// The names of the topics.
    pub topics: Topics,
    /// Properties of librdkafka that are passed through.
    pub properties: Properties,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            group: "flowstage".to_owned(),
            client_id: "flowstage".to_owned(),
            format: Format::Auto,
            topics: Topics::default(),
            properties: Properties::default(),
        }
    }
}

words!(Format { "auto" => Self::Auto, "calico" => Self::Calico, "goldmane" => Self::Goldmane });

/// The names of the topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// Flow records, read.
    pub flows: String,
    /// Partials, written and read.
    pub partials: String,
    /// Edge reports, written and read back.
    pub edges: String,
    /// Edge reports of would-be denies, written.
    pub denies: String,
    /// Recommendations, written and read back.
    pub recommendations: String,
    /// Records that could not be read, written.
    pub dead_letters: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            flows: "calico.flows".to_owned(),
            partials: "flowstage.partials".to_owned(),
            edges: "flowstage.edges".to_owned(),
            denies: "flowstage.denies".to_owned(),
            recommendations: "flowstage.recommendations".to_owned(),
            dead_letters: "flowstage.dead-letters".to_owned(),
        }
    }
}

/// Properties of librdkafka by name. What may be a secret is never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(pub BTreeMap<String, String>);

impl Properties {
    /// Tells whether the value of a property may be a secret.
    #[must_use]
    pub fn is_secret(name: &str) -> bool {
        ["password", "secret", "key", "token", "oauthbearer", "jaas", "pem"]
            .iter()
            .any(|it| name.contains(it))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&String, &String)| {
            (name.clone(), if Self::is_secret(name) { "(secret)".to_owned() } else { value.clone() })
        };
        f.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

/// How event time is cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Windows {
    /// The span that is looked at.
    pub width: Duration,
    /// The step, and the length of a pane.
    pub slide: Duration,
    /// How far behind the newest event time a record may be.
    pub lateness: Duration,
    /// How far ahead of the broker's timestamp an event time may be.
    pub skew: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            width: Duration::from_secs(900),
            slide: Duration::from_secs(60),
            lateness: Duration::from_secs(120),
            skew: Duration::from_secs(60),
        }
    }
}

/// Where policies come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policies {
    /// A directory of manifests, or one file; nothing for a process that judges nothing.
    pub path: Option<PathBuf>,
    /// How often it is looked at for changes.
    pub poll_interval: Duration,
    /// The prefixes that pods get their addresses from. A record without addresses can only be judged against a network
    /// set that lies apart from them; empty where nothing is to be supposed.
    pub pod_networks: Vec<IpNet>,
    /// The release of Calico whose rules for names, tiers and ties hold.
    pub calico_version: CalicoVersion,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            path: None,
            // A kubelet brings a changed `ConfigMap` within a minute, so more often finds nothing sooner.
            poll_interval: Duration::from_secs(10),
            pod_networks: Options::private_pods().pod_networks,
            calico_version: CalicoVersion::NEWEST,
        }
    }
}

/// Where partials are kept between the fold and the merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PartialsMode {
    /// In a Kafka topic: several processes share the work.
    #[default]
    Kafka,
    /// In memory: one process does all of it.
    Memory,
}

words!(PartialsMode { "kafka" => Self::Kafka, "memory" => Self::Memory });

/// Where partials are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partials {
    /// In Kafka or in memory.
    pub mode: PartialsMode,
    /// Over how many partitions they are spread; equal on every process of a group, and kept for ever.
    pub partitions: u32,
}

impl Default for Partials {
    fn default() -> Self {
        Self { mode: PartialsMode::Kafka, partitions: 8 }
    }
}

/// How often what is published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish {
    /// Between two publications of partials.
    pub flush_interval: Duration,
    /// Between two publications of results.
    pub publish_interval: Duration,
    /// Without new records for so long, at the end of its log, a partition no longer holds the others back.
    pub idle_after: Duration,
    /// For the last flush and commit when the process ends.
    pub drain_timeout: Duration,
}

impl Default for Publish {
    fn default() -> Self {
        let Pace { flush, publish, idle, drain } = Pace::default();
        Self { flush_interval: flush, publish_interval: publish, idle_after: idle, drain_timeout: drain }
    }
}

/// How recommendations are made.
#[derive(Clone, PartialEq, Debug)]
pub struct Recommendations {
    /// Whether any are made.
    pub enabled: bool,
    /// How long rules must not change to count as stable.
    pub stabilization_period: Duration,
    /// Namespaces without recommendations; a `*` at the end stands for any rest.
    pub exclude_namespaces: Vec<String>,
}

impl Default for Recommendations {
    fn default() -> Self {
        Self {
            enabled: true,
            stabilization_period: Duration::from_secs(600),
            exclude_namespaces: ["kube-system", "kube-public", "kube-node-lease", "calico-*", "tigera-*"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

/// Where results go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sinks {
    /// Whether they are written to the topics.
    pub kafka: bool,
    /// A directory for recommendations, one file a namespace, if any.
    pub directory: Option<PathBuf>,
}

impl Default for Sinks {
    fn default() -> Self {
        Self { kafka: true, directory: None }
    }
}

/// Where the process listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// Health and metrics, for the cluster.
    pub admin: SocketAddr,
    /// The read-only API, for people; on the machine itself unless somebody says otherwise.
    pub api: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            admin: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9404)),
            api: SocketAddr::from((Ipv4Addr::LOCALHOST, 9405)),
        }
    }
}

/// Bounds of what is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Edges of one subject in one pane of one input partition.
    pub edges_per_subject: u32,
    /// Edges in one pane of one input partition.
    pub edges_per_pane: u32,
    /// Edges that readers see.
    pub store_edges: u64,
    /// For how long, in event time, would-be denies are kept for readers.
    pub deny_retention: Duration,
    /// Memory of the compiled policies, in MiB. A larger set is refused.
    pub compiled_policies_mib: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        let Limits { edges_per_subject, edges_per_pane } = Limits::default();
        let StoreLimits { edges_max, deny_retention } = StoreLimits::default();
        let compiled_policies_mib = 512;
        Self {
            edges_per_subject,
            edges_per_pane,
            store_edges: edges_max,
            deny_retention,
            compiled_policies_mib,
        }
    }
}

/// What is logged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// The level, for everything or by target.
    pub level: String,
    /// The look of a line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        let LogOptions { filter, format } = LogOptions::default();
        Self { level: filter, format }
    }
}

words!(LogFormat { "auto" => Self::Auto, "json" => Self::Json, "text" => Self::Text });
