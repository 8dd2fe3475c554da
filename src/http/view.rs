//! What the API reads.

use std::sync::Arc;

use super::edges::EdgePage;
use super::policies::PolicyItem;
use super::status::PipelineStatus;
use crate::policy::Revision;
use crate::sink::render::RecommendationRecord;

/// The results as one process sees them.
///
/// Every method answers from memory, at once, and is called on a thread that may take its time; none is called on the
/// data path.
pub trait View: Send + Sync {
    /// Tells how the pipeline stands.
    fn status(&self) -> PipelineStatus;

    /// Offers every edge of the live window to `page`, in any order. The page picks.
    fn edges(&self, page: &mut EdgePage);

    /// Offers every edge that the policy set in force would newly deny, over the retention of denies.
    fn denies(&self, page: &mut EdgePage);

    /// Returns the policies of the set in force with their counts, in the order of evaluation, and its revision.
    fn policies(&self) -> (Revision, Vec<PolicyItem>);

    /// Returns the current recommendation of every namespace, in any order.
    fn recommendations(&self) -> Vec<Arc<RecommendationRecord>>;

    /// Returns the current recommendation for one namespace.
    fn recommendation(&self, namespace: &str) -> Option<Arc<RecommendationRecord>>;
}
