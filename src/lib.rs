//! flowstage.
pub mod aggregate;
pub mod decode;
pub mod engine;
pub mod evaluate;
pub mod generate;
pub mod ingest;
pub mod model;
pub mod pipeline;
pub mod policy;
pub mod recommend;
pub mod sink;
pub mod telemetry;
