//! Edges, and those that the staged policies would deny.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use utoipa::IntoParams;

use super::api::{Answer, Api, parameters};
use super::page::{Listing, Page, limit};
use crate::aggregate::{EdgeDigest, EdgeReport};
use crate::evaluate::Outcome;
use crate::model::{EventTime, HitOwner, PolicyId, RuleRef, Trace};
use crate::policy::Revision;
use crate::sink::render::{EdgeRecord, OutcomeRecord};

/// What stands behind a cursor of edges: policy set, begin of the pane, edge. Pages are in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EdgeKey {
    start: EventTime,
    policy_set: Revision,
    edge: EdgeDigest,
}

impl EdgeKey {
    /// Returns the key of a report.
    #[must_use]
    pub const fn of(report: &EdgeReport) -> Self {
        Self { start: report.start, policy_set: report.policy_set, edge: report.digest }
    }
}

impl fmt::Display for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.start.as_millis(), self.policy_set, self.edge)
    }
}

impl FromStr for EdgeKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(());
        let start = EventTime::from_millis(part()?.parse().map_err(drop)?);
        let policy_set = Revision(u64::from_str_radix(part()?, 16).map_err(drop)?);
        let edge = EdgeDigest(u128::from_str_radix(part()?, 16).map_err(drop)?);
        if parts.next().is_some() { Err(()) } else { Ok(Self { start, policy_set, edge }) }
    }
}

/// Which edges are wanted. A field that is `None` wants all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EdgeFilter {
    /// The namespace of the subject.
    pub namespace: Option<String>,
    /// A policy that has a say: `name`, or `namespace/name`.
    pub policy: Option<String>,
    /// The outcome.
    pub outcome: Option<OutcomeRecord>,
}

impl EdgeFilter {
    /// Tells whether the edge is wanted.
    #[must_use]
    pub fn accepts(&self, report: &EdgeReport) -> bool {
        let namespace = report.edge.subject.namespace.as_deref();
        self.namespace.as_deref().is_none_or(|it| Some(it) == namespace)
            && self.outcome.is_none_or(|it| it == outcome_of(report))
            && self.policy.as_deref().is_none_or(|it| has_a_say(it, report))
    }
}

fn outcome_of(report: &EdgeReport) -> OutcomeRecord {
    match report.judgement.outcome {
        Outcome::Agrees => OutcomeRecord::Agrees,
        Outcome::WouldDeny { .. } => OutcomeRecord::WouldDeny,
        Outcome::WouldAllow { .. } => OutcomeRecord::WouldAllow,
        Outcome::Undetermined { .. } => OutcomeRecord::Undetermined,
    }
}

/// Tells whether a policy of that name is charged, blamed, or among the hits of either verdict.
fn has_a_say(wanted: &str, report: &EdgeReport) -> bool {
    let named = |id: &PolicyId| match wanted.split_once('/') {
        Some((namespace, name)) => id.namespace.as_deref() == Some(namespace) && id.name == *name,
        None => id.name == *wanted,
    };
    let owned = |owner: &HitOwner| match owner {
        HitOwner::Policy { policy, tier: _ } => named(policy),
        HitOwner::Profile(_) => false,
    };
    let by = |rule: &RuleRef| owned(&rule.owner);
    let hit = |trace: &Trace| trace.0.iter().any(|it| owned(&it.owner));
    let judgement = &report.judgement;
    let decisive = match &judgement.outcome {
        Outcome::Agrees | Outcome::Undetermined { .. } => false,
        Outcome::WouldDeny { by: rule, charged } => by(rule) || named(charged),
        Outcome::WouldAllow { by: rule } => by(rule),
    };
    decisive
        || judgement.blame.iter().any(named)
        || hit(&judgement.enforced.trace)
        || hit(&judgement.pending.trace)
}

/// Picks one page out of all edges: the lowest keys behind a given one that pass a filter.
#[derive(Debug)]
pub struct EdgePage {
    filter: EdgeFilter,
    after: Option<EdgeKey>,
    limit: usize,
    // One more than the limit, to know whether there is a next page.
    picked: BTreeMap<EdgeKey, EdgeReport>,
}

impl EdgePage {
    /// Begins a page of at most `limit` edges behind `after`.
    #[must_use]
    pub const fn new(filter: EdgeFilter, after: Option<EdgeKey>, limit: usize) -> Self {
        Self { filter, after, limit, picked: BTreeMap::new() }
    }

    /// Offers one edge. Most are turned down by their key alone; a copy costs two reference counts.
    pub fn offer(&mut self, report: &EdgeReport) {
        let key = EdgeKey::of(report);
        let full = self.picked.len() > self.limit;
        if self.after.is_some_and(|it| key <= it)
            || (full && self.picked.last_key_value().is_some_and(|(last, _)| key >= *last))
            || !self.filter.accepts(report)
        {
            return;
        }
        self.picked.insert(key, report.clone());
        if self.picked.len() > self.limit + 1 {
            self.picked.pop_last();
        }
    }

    /// Returns the page in the order of the keys, and the key of its last edge if there is more.
    #[must_use]
    pub fn finish(mut self) -> (Vec<EdgeRecord>, Option<EdgeKey>) {
        let more = self.picked.len() > self.limit;
        if more {
            self.picked.pop_last();
        }
        let last = self.picked.last_key_value().map(|(key, _)| *key).filter(|_| more);
        (self.picked.values().map(EdgeRecord::from).collect(), last)
    }
}

/// Which edges, and which page of them.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EdgeParameters {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only edges whose subject is in this namespace.
    namespace: Option<String>,
    /// Only edges on which this policy has a say: `name`, or `namespace/name`.
    policy: Option<String>,
    /// Only edges with this outcome.
    #[param(inline)]
    outcome: Option<OutcomeRecord>,
}

/// Which would-be denies, and which page of them.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DenyParameters {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only edges whose subject is in this namespace.
    namespace: Option<String>,
    /// Only edges on which this policy has a say: `name`, or `namespace/name`.
    policy: Option<String>,
}

/// Lists the edges that were seen, each with its counts and what the policies say of it.
#[utoipa::path(
    get,
    path = "/api/v1/edges",
    operation_id = "listEdges",
    tag = "results",
    params(EdgeParameters),
    responses((status = 200, description = "A page of edges.", body = Page<EdgeRecord>)),
)]
pub(super) async fn edges(State(api): State<Api>, uri: Uri) -> Answer<Page<EdgeRecord>> {
    let EdgeParameters { limit, cursor, namespace, policy, outcome } = parameters(&uri)?;
    list(&api, "edges", EdgeFilter { namespace, policy, outcome }, limit, cursor.as_deref()).await
}

/// Lists the edges that are allowed now and that the staged policies would deny.
#[utoipa::path(
    get,
    path = "/api/v1/denies",
    operation_id = "listDenies",
    tag = "results",
    params(DenyParameters),
    responses((status = 200, description = "A page of would-be denies.", body = Page<EdgeRecord>)),
)]
pub(super) async fn denies(State(api): State<Api>, uri: Uri) -> Answer<Page<EdgeRecord>> {
    let DenyParameters { limit, cursor, namespace, policy } = parameters(&uri)?;
    let filter = EdgeFilter { namespace, policy, outcome: Some(OutcomeRecord::WouldDeny) };
    list(&api, "denies", filter, limit, cursor.as_deref()).await
}

async fn list(
    api: &Api,
    name: &'static str,
    filter: EdgeFilter,
    items: Option<u32>,
    cursor: Option<&str>,
) -> Answer<Page<EdgeRecord>> {
    let outcome = filter.outcome.map(OutcomeRecord::as_str);
    let listing = Listing::new(name, &[filter.namespace.as_deref(), filter.policy.as_deref(), outcome]);
    let after = match cursor {
        Some(cursor) => Some(listing.key(cursor)?.parse().map_err(|()| Listing::bad_key())?),
        None => None,
    };
    let mut page = EdgePage::new(filter, after, limit(items)?);
    let page = api
        .read(move |view| {
            view.edges(&mut page);
            let (items, last) = page.finish();
            Page { items, next_cursor: last.map(|it| listing.cursor(&it.to_string())) }
        })
        .await?;
    Ok(axum::Json(page))
}
