//! The wire shapes of what is published, and the way back.
//!
//! Every process publishes these as JSON and reads them back from the topics, so the way there and back is the
//! identity: what a core value does not know is `null`, never left to a default. A field that is added keeps the
//! schema's number; a field that changes its meaning raises it, and a reader refuses numbers that it does not know.
//!
//! Times stand twice where a person will look for them: as RFC 3339 text, and in milliseconds since the Unix epoch,
//! which is what is read back.

mod dead_letter;
mod edge;
mod endpoint;
mod error;
mod judgement;
mod need;
mod policy;
mod recommendation;
mod text;

pub use dead_letter::DeadLetterRecord;
pub use edge::{DirectionRecord, EdgeRecord, FinalityRecord, TotalsRecord};
pub use endpoint::{EndpointKindRecord, EndpointRecord, NameScopeRecord, ServiceRecord};
pub use error::RecordError;
pub use judgement::{AnswerRecord, OutcomeRecord, StagedHitRecord, StagedResultRecord, VerdictRecord};
pub use need::{NeedRecord, PeerKindRecord, PeerRecord};
pub use policy::{ActionRecord, HitRecord, PolicyKindRecord, PolicyRecord, RuleRecord};
pub use recommendation::{
    FlagRecord, OmittedRecord, PeerClassRecord, RecommendationRecord, RuleEvidenceRecord, StatusRecord,
};
pub use text::{Text, rfc3339};

pub(super) use text::rfc3339_of_millis;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::sample_recommendation;
