//! flowstage rehearses network policies against real flow logs.
//!
//! Flow records come from Kafka. They are rolled into *edges* (who talks to whom on which port) in sliding windows of
//! event time; every edge is judged by the policies in force and by the *staged* ones beside them; what the staged ones
//! would deny is counted, published and exported, and least-privilege policies are recommended from what was needed.
//!
//! # The data's way
//!
//! ```text
//!        Kafka: flows, N partitions                         a folder of policies
//!                  |                                                 |
//!             [ ingest ]   batches of raw records               [ catalog ]
//!                  |                                                 |
//!             ( decode )   envelope off, Flow                   ( manifest )  YAML and JSON <-> policy types
//!                  |                                                 |
//!             ( aggregate: Fold )  private to the worker        ( policy )    tiers, policies, selectors
//!                  |     one partition -> panes of edges             |
//!                  |         ( evaluate )  once per edge and revision, counted for every flow  <--- compile
//!             partials log: Kafka topic, or memory when alone
//!                  |
//!             ( aggregate: Merge )  highest `upto` per slot, sum over partitions
//!                  |
//!             ( engine )    what is published, what may be committed
//!                  |
//!             ( recommend )  ClosedWindow -> Recommendation, verified by replay
//!                  |
//!             [ sink ]   Kafka, directory      [ telemetry ]   Prometheus      [ http ]   API
//!
//!   ( pure: synchronous, deterministic, no I/O, no clock )   [ shell: talks to the world ]   pipeline wires them
//! ```
//!
//! Two paths. The **hot path** is a worker thread: poll, decode, fold, judge, with no await, no lock and no allocation per
//! flow. The **slow path** is [`engine::Engine::apply`]: events in, effects out.
//!
//! # Rooms
//!
//! | Room | Kind | What it promises |
//! |---|---|---|
//! | [`model`] | pure | the words of the house |
//! | [`telemetry`] | shell | metrics, latencies, logs, health |
//! | [`policy`] | pure | the policy language, as written |
//! | [`ingest`] | shell | raw records with their offsets, from Kafka or files |
//! | [`decode`] | pure | bytes to [`model::Flow`] |
//! | [`manifest`] | pure | YAML and JSON to policies and back |
//! | [`evaluate`] | pure | which rule decides, enforced and staged |
//! | [`aggregate`] | pure | exact counts per edge and pane; the store |
//! | [`catalog`] | shell | a folder of manifests, whole set or nothing |
//! | [`recommend`] | pure | staged policies from what was needed |
//! | [`engine`] | pure | the one owner of a worker's state |
//! | [`sink`] | shell | results to the world, and back |
//! | [`generate`] | pure | traffic of well-known applications |
//! | [`http`] | shell | probes, metrics, the read-only API |
//! | [`pipeline`] | shell | wires the stages |
//! | [`config`] | shell | every setting, with its origin |
//! | [`cli`] | shell | the command line |
//!
//! A room imports only rooms before it; `tests/architecture.rs` holds the table.
//!
//! # Glossary
//!
//! | Term | Means here |
//! |---|---|
//! | flow | one aggregated connection record from one reporter |
//! | reporter | which end wrote it |
//! | endpoint | workload, host, network set or network |
//! | edge | one direction of one endpoint to one peer on one destination port |
//! | staged / enforced | not yet / already in force |
//! | verdict | answer (allow, deny, undetermined) and the trace that led to it |
//! | would-be deny | allowed now, denied by staged |
//! | truth check | the traces that records carry against ours; what differs has a cause, or is an error |
//! | recommendation | a staged policy that we propose, with its evidence |
//! | evidence | what a recorded trace settles of its record; of a recommendation, the edges that its rules are for |
//! | synthesised | an end of which no record can be: the source has dropped the flow, and would let it through |
//! | fold | stage one: one input partition's records turned into absolute counts |
//! | partial | one absolute value that a fold publishes, with the offset it is complete up to |
//! | frontier | how far a fold has come |
//! | merge | stage two: highest `upto` per slot, sum over partitions |
//! | pane, window, slide, lateness | smallest slice of event time; the span looked at; the step; the wait |
//! | checkpoint | the state of a fold at the offset that is committed |
//! | event, effect | what reaches the engine; what it asks of the shell |
//! | revision | version of a policy set |
//!
//! # Invariants
//!
//! - Nothing pure awaits, spawns, reads a clock, a file, the environment or a random source.
//! - The fold is a function of the log alone, so that reading again gives the same counts.
//! - An offset is committed only after everything before it is published, and never above the first offset of an open
//!   pane.
//! - A flow that cannot be judged is *undetermined*; it is counted, shown, and never taken for allowed.
//! - Every offset is in exactly one counter; no byte string ends the process.
//! - Every queue, map and label set has a bound; reaching it is counted and named.

pub mod aggregate;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod decode;
pub mod engine;
pub mod evaluate;
pub mod generate;
pub mod http;
pub mod ingest;
pub mod manifest;
pub mod model;
pub mod pipeline;
pub mod policy;
pub mod recommend;
pub mod sink;
pub mod telemetry;
