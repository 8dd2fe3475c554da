//! How the process stands.

use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admin::Version;
use super::api::{Answer, Api, parameters};
use crate::telemetry::Probe;

/// One partition that a member reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PartitionItem {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to process; `null` before the first record.
    #[schema(required)]
    pub position: Option<i64>,
    /// The offset that was committed last; `null` when none was.
    #[schema(required)]
    pub committed: Option<i64>,
    /// Records between the position and the end of the partition; `null` when the end is not known yet.
    #[schema(required)]
    pub lag_records: Option<u64>,
    /// The event time before which nothing more is expected, in milliseconds since the Unix epoch; `null` before the
    /// first flow, and for logs without event time.
    #[schema(required)]
    pub watermark_ms: Option<i64>,
}

/// One member of the consumer group in this process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct MemberItem {
    /// The member's name in the logs.
    pub name: String,
    /// What it reads now.
    pub partitions: Vec<PartitionItem>,
}

/// The policy set in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PolicySetItem {
    /// Its revision, equal on every process that read the same: 16 hexadecimal digits.
    pub revision: String,
    /// How many of its policies are enforced.
    pub enforced: u64,
    /// How many are staged.
    pub staged: u64,
}

/// Counts since the process started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, ToSchema)]
pub struct CountersItem {
    /// Records read.
    pub records: u64,
    /// Flows that were judged and counted.
    pub flows: u64,
    /// Records that could not be read.
    pub rejected: u64,
    /// Flows that are not ours to judge.
    pub filtered: u64,
    /// Flows that came after their pane was shut.
    pub late: u64,
    /// Flows too far ahead of their broker timestamp.
    pub skewed: u64,
}

/// How the pipeline of this process stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PipelineStatus {
    /// The members of the consumer group that run here.
    pub members: Vec<MemberItem>,
    /// The policy set in force; `null` before one is loaded.
    #[schema(required)]
    pub policy_set: Option<PolicySetItem>,
    /// The lowest watermark of the partitions that are read here, in milliseconds since the Unix epoch; `null` before
    /// the first flow.
    #[schema(required)]
    pub watermark_ms: Option<i64>,
    /// Edges that the listing knows.
    pub edges: u64,
    /// Namespaces with a recommendation.
    pub recommendations: u64,
    /// Counts since the start.
    pub counters: CountersItem,
}

/// One readiness check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct HealthItem {
    /// The check.
    pub check: String,
    /// Whether it passes.
    pub passes: bool,
    /// Why not; `null` when it passes.
    #[schema(required)]
    pub reason: Option<String>,
}

/// How the answering process stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct StatusItem {
    /// What runs.
    pub version: Version,
    /// Whether it has come up and is not about to end.
    pub ready: bool,
    /// The readiness checks.
    pub checks: Vec<HealthItem>,
    /// The pipeline.
    pub pipeline: PipelineStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParameters {}

/// Tells how the answering process stands: version, readiness, partitions and lag, policy set, counts.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    operation_id = "getStatus",
    tag = "service",
    responses((status = 200, description = "The status.", body = StatusItem)),
)]
pub(super) async fn status(State(api): State<Api>, uri: Uri) -> Answer<StatusItem> {
    let NoParameters {} = parameters(&uri)?;
    let Probe { passes, checks } = api.health.ready();
    let checks = checks.into_iter().map(|(check, result)| HealthItem {
        check,
        passes: result.is_ok(),
        reason: result.err(),
    });
    Ok(axum::Json(StatusItem {
        version: api.version.clone(),
        ready: passes,
        checks: checks.collect(),
        pipeline: api.read(|view| view.status()).await?,
    }))
}
