//! What the process says about itself: metrics, latencies, logs.
//!
//! One facade over the metrics crate, so that another crate would change this room alone. Handles are typed and cheap
//! to clone; whoever counts often keeps the handle and pays one atomic addition. Nothing here knows flows, policies or
//! Kafka: names come in as text.
//!
//! ```text
//!   worker --handles--> Families --+
//!   worker --add-----> PolicySlot -+--> Registry --render--> text for a scrape
//!   worker --record--> StageRecorder (one set of histograms a worker, swapped out at scrape)
//!   anyone --tracing--> logging (JSON or terminal), samples of bad input through Sampler
//! ```
//!
//! Invariants: every label set has a bound, and what does not fit is counted under `_other` and in
//! `flowstage_metric_series_dropped_total`; every series of a staged policy exists at 0 from the moment the policy is
//! loaded; no lock here is taken for a flow, at most one for a batch.

mod family;
mod health;
mod latency;
mod logging;
mod metrics;
mod sampler;
mod staged;

pub use family::{Counter, Counters, Gauge, Gauges, Histogram, Histograms, OTHER};
pub use health::{Check, Health, Probe, Pulse};
pub use latency::{Stage, StageRecorder};
pub use logging::{
    Error as LoggingError, Excerpt, Format as LogFormat, Options as LogOptions,
    check_filter as check_log_filter, init as init_logging,
};
pub use metrics::{BuildInfo, Families, Metrics};
pub use sampler::{Sample, Sampler, Suppressed};
pub use staged::{
    DeniedFlows, DirectionLabel, MissingLabel, PolicyCounters, PolicySeries, PolicySlot, TransitionLabel,
    VerdictLabel,
};
