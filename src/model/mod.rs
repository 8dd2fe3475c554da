//! The words of the house: flow, endpoint, edge, trace, event time, offset.
//!
//! Plain values that every other room uses. They know nothing of wire formats, of policies' contents or of Kafka's
//! client, and they are not serializable: each room that talks to the world converts at its own edge.
//!
//! ```text
//!   Flow (one record, one reporter)  --reporter-->  Edge (subject, direction, peer, port)
//!     source, dest: EndpointView                      subject, peer: Endpoint
//!     enforced, pending: TraceText                    judged: Trace of PolicyHit
//! ```
//!
//! What a record does not say is `None` and means *unknown*; nothing here turns it into *empty*.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod calico_version;
mod edge;
mod endpoint;
mod flow;
mod labels;
mod name;
mod net;
mod stream;
mod time;
mod trace;

pub use calico_version::{CalicoVersion, UnknownVersion};
pub use edge::{Direction, Edge, ServiceRef};
pub use endpoint::{Endpoint, EndpointKind, EndpointView, NameScope};
pub use flow::{Counters, Flow, RecordedAction, Reporter, ServiceView, TraceText};
pub use labels::{LabelSet, LabelsText};
pub use name::Name;
pub use net::{IcmpMessage, IpAddr, IpNet, Protocol, UnknownProtocol};
pub use stream::{MergePartitionId, Offset, PartitionId};
pub use time::EventTime;
pub use trace::{Action, HitOwner, PolicyHit, PolicyId, PolicyKind, RuleIndex, RuleRef, Trace};
