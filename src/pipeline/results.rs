//! What the readers of this process see: edges, would-be denies, recommendations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::aggregate::{EdgeReport, EdgeStore, Spec, StoreLimits};
use crate::model::Name;
use crate::recommend::Learned;
use crate::sink::render::RecommendationRecord;

/// The results, as they were published by whichever process made them.
#[derive(Debug)]
pub struct Results {
    edges: EdgeStore,
    // One entry a namespace; locked for a look-up or a replacement, by readers and at the end of a window.
    recommendations: Mutex<BTreeMap<Name, Published>>,
}

#[derive(Debug)]
struct Published {
    record: Arc<RecommendationRecord>,
    learned: Option<Learned>,
}

impl Results {
    /// Makes empty results.
    #[must_use]
    pub fn new(spec: Spec, limits: StoreLimits) -> Self {
        Self { edges: EdgeStore::new(spec, limits), recommendations: Mutex::default() }
    }

    /// Returns the store of edges and would-be denies.
    #[must_use]
    pub const fn edges(&self) -> &EdgeStore {
        &self.edges
    }

    /// Takes in a report.
    pub fn apply(&self, report: &EdgeReport) {
        self.edges.apply(report);
    }

    /// Takes in a recommendation, unless one of a later window is known.
    pub fn recommend(&self, record: RecommendationRecord) {
        let namespace = record.namespace.0.clone();
        let learned = record.learned().inspect_err(|error| {
            tracing::warn!(%namespace, %error, "what was learned cannot be read back");
        });
        let published = Published { record: Arc::new(record), learned: learned.ok() };
        let mut all = self.recommendations.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&namespace).map(|it| it.record.window_end_ms);
        if known.is_none_or(|it| it <= published.record.window_end_ms) {
            all.insert(namespace, published);
        }
    }

    /// Returns the recommendation of every namespace, by namespace.
    #[must_use]
    pub fn recommendations(&self) -> Vec<Arc<RecommendationRecord>> {
        let all = self.recommendations.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|it| Arc::clone(&it.record)).collect()
    }

    /// Returns the recommendation of one namespace.
    #[must_use]
    pub fn recommendation(&self, namespace: &str) -> Option<Arc<RecommendationRecord>> {
        let all = self.recommendations.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(namespace).map(|it| Arc::clone(&it.record))
    }

    /// Returns what was learned of every namespace, for a worker that takes over.
    #[must_use]
    pub fn learned(&self) -> Vec<Learned> {
        let all = self.recommendations.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter_map(|it| it.learned.clone()).collect()
    }
}
