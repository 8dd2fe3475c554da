//! Answers over HTTP: metrics and probes for the cluster, a read-only API for people.
//!
//! Two listeners, so that network policy can open them to different peers. It promises that whatever a client does
//! costs a bounded number of connections, bytes and seconds, and that nothing can be changed through it. It refuses to
//! know how results come about: it reads a [`View`], and cannot reach the data path.
//!
//! ```text
//!   kubelet, Prometheus --> admin listener --guard--> Metrics, Health
//!   people, tools       --> API listener   --guard--> View (edges, policies, recommendations, status)
//!                                              |
//!                                   limits, headers, time taken
//! ```
//!
//! Errors are problem documents. Listings come in pages; a cursor names the last item that was seen, so a page neither
//! repeats nor skips what was there all along. The OpenAPI document is made from the types that are served.

mod admin;
mod api;
mod edges;
mod guard;
mod listener;
mod openapi;
mod page;
mod policies;
mod problem;
mod recommendations;
mod status;
mod view;

pub use admin::{Admin, Version, serve_admin};
pub use api::{API_ROUTES, Api, serve_api};
pub use edges::{EdgeFilter, EdgeItem, EdgePage};
pub use listener::{BindError, Bound, Role, bind};
pub use openapi::document;
pub use page::Page;
pub use policies::{PolicyCountsItem, PolicyItem};
pub use problem::Problem;
pub use status::{
    CountersItem, HealthItem, MemberItem, PartitionItem, PipelineStatus, PolicySetItem, StatusItem,
};
pub use view::View;
