//! Edges, and those that the staged policies would deny.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::api::{Answer, Api, parameters};
use super::page::{Listing, Page, limit, limit_text};
use crate::aggregate::{EdgeDigest, EdgeReport, Finality, Pane, StoredEdge, Totals};
use crate::evaluate::Outcome;
use crate::model::{HitOwner, PolicyId, RuleRef, Trace};
use crate::sink::render::{
    DirectionRecord, EdgeRecord, EndpointRecord, OutcomeRecord, PolicyRecord, RuleRecord, ServiceRecord,
    StagedHitRecord, TotalsRecord, VerdictRecord,
};

/// An edge over everything that the listing keeps of it, and what the policies say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EdgeItem {
    /// The edge's digest, equal on every process: 32 hexadecimal digits.
    pub edge: String,
    /// The revision of the policy set that judged: 16 hexadecimal digits.
    pub policy_set: String,
    /// The subject's direction that was judged.
    pub direction: DirectionRecord,
    /// The end whose policies decide: the source for egress, the destination for ingress.
    pub subject: EndpointRecord,
    /// The other end.
    pub peer: EndpointRecord,
    /// The protocol's name in lower case, else its number.
    pub protocol: String,
    /// The protocol's number.
    pub protocol_number: u8,
    /// The destination's port after translation; for ICMP type × 256 + code. `null` for other protocols without ports,
    /// or when the record does not tell.
    #[schema(required)]
    pub port: Option<u16>,
    /// The Service by which the destination was reached; `null` when none is known.
    #[schema(required)]
    pub service: Option<ServiceRecord>,
    /// Counts over the live window, or for a would-be deny over its retention.
    pub totals: TotalsRecord,
    /// With the enforced policies alone.
    pub enforced: VerdictRecord,
    /// With the staged policies evaluated as though they were enforced.
    pub pending: VerdictRecord,
    /// The one against the other.
    pub outcome: OutcomeRecord,
    /// The rule that makes the difference; `null` unless the outcome is a would-be deny or allow.
    #[schema(required)]
    pub by: Option<RuleRecord>,
    /// The staged policy that a would-be deny is charged to; else `null`.
    #[schema(required)]
    pub charged: Option<PolicyRecord>,
    /// The staged policies that each alone would deny; if none does, a smallest set that jointly denies.
    pub blame: Vec<PolicyRecord>,
    /// For an undetermined outcome: the names of the attributes that the records lack. Else empty.
    pub missing: Vec<String>,
    /// The staged policies that select the subject in this direction, in the order of evaluation.
    pub staged: Vec<StagedHitRecord>,
}

impl EdgeItem {
    fn new(stored: &StoredEdge, totals: Totals) -> Self {
        // The shapes of what is published are also what is served; only the pane does not apply to a sum of panes.
        let EdgeRecord {
            schema: _,
            policy_set,
            pane: _,
            pane_start: _,
            pane_start_ms: _,
            pane_end: _,
            pane_end_ms: _,
            edge,
            direction,
            subject,
            peer,
            protocol,
            protocol_number,
            port,
            service,
            totals,
            revision: _,
            finality: _,
            enforced,
            pending,
            outcome,
            by,
            charged,
            blame,
            missing,
            staged,
        } = EdgeRecord::from(&EdgeReport {
            policy_set: stored.policy_set,
            pane: Pane(0),
            start: totals.first_seen,
            end: totals.last_seen,
            edge: Arc::clone(&stored.edge),
            digest: stored.digest,
            totals,
            revision: 0,
            finality: Finality::Provisional,
            judgement: Arc::clone(&stored.judgement),
        });
        Self {
            edge,
            policy_set,
            direction,
            subject,
            peer,
            protocol,
            protocol_number,
            port,
            service,
            totals,
            enforced,
            pending,
            outcome,
            by,
            charged,
            blame,
            missing,
            staged,
        }
    }
}

/// Which edges are wanted. A field that is `None` wants all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EdgeFilter {
    /// The namespace of the subject.
    pub namespace: Option<String>,
    /// A policy that has a say: `name`, `namespace/name`, or as traces write it, `snp:namespace/name`.
    pub policy: Option<String>,
    /// The outcome.
    pub outcome: Option<OutcomeRecord>,
}

impl EdgeFilter {
    /// Tells whether the edge is wanted.
    #[must_use]
    pub fn accepts(&self, stored: &StoredEdge) -> bool {
        let namespace = stored.edge.subject.namespace.as_deref();
        self.namespace.as_deref().is_none_or(|it| Some(it) == namespace)
            && self.outcome.is_none_or(|it| it == outcome_of(stored))
            && self.policy.as_deref().is_none_or(|it| has_a_say(it, stored))
    }
}

fn outcome_of(stored: &StoredEdge) -> OutcomeRecord {
    match stored.judgement.outcome {
        Outcome::Agrees => OutcomeRecord::Agrees,
        Outcome::WouldDeny { .. } => OutcomeRecord::WouldDeny,
        Outcome::WouldAllow { .. } => OutcomeRecord::WouldAllow,
        Outcome::Undetermined { .. } => OutcomeRecord::Undetermined,
    }
}

/// Tells whether a policy of that name is charged, blamed, or among the hits of either verdict.
fn has_a_say(wanted: &str, stored: &StoredEdge) -> bool {
    // No name has a colon: what stands before one is a kind.
    let (kind, id) = wanted.split_once(':').map_or((None, wanted), |(kind, id)| (Some(kind), id));
    let (namespace, name) =
        id.split_once('/').map_or((None, id), |(namespace, name)| (Some(namespace), name));
    let named = |it: &PolicyId| {
        let of_kind = kind.is_none_or(|kind| kind == it.kind.short());
        // With a kind the whole is written out, and a policy without a namespace is a global one.
        let is_any = namespace.is_none() && kind.is_none();
        of_kind && (is_any || it.namespace.as_deref() == namespace) && it.name == *name
    };
    let owned = |owner: &HitOwner| match owner {
        HitOwner::Policy { policy, tier: _ } => named(policy),
        HitOwner::Profile(_) => false,
    };
    let by = |rule: &RuleRef| owned(&rule.owner);
    let hit = |trace: &Trace| trace.0.iter().any(|it| owned(&it.owner));
    let judgement = &stored.judgement;
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

/// Picks one page out of all edges: the lowest digests behind a given one that pass a filter.
///
/// An edge keeps its digest, so a page neither repeats nor skips an edge that is there all along, however many come
/// and go in between.
#[derive(Debug)]
pub struct EdgePage {
    filter: EdgeFilter,
    after: Option<EdgeDigest>,
    limit: usize,
    // One more than the limit, to know whether there is a next page.
    picked: BTreeMap<EdgeDigest, StoredEdge>,
}

impl EdgePage {
    /// Begins a page of at most `limit` edges behind `after`.
    #[must_use]
    pub const fn new(filter: EdgeFilter, after: Option<EdgeDigest>, limit: usize) -> Self {
        Self { filter, after, limit, picked: BTreeMap::new() }
    }

    /// Offers one edge. Most are turned down by their digest alone.
    pub fn offer(&mut self, stored: &StoredEdge) {
        let key = stored.digest;
        let full = self.picked.len() > self.limit;
        if self.after.is_some_and(|it| key <= it)
            || (full && self.picked.last_key_value().is_some_and(|(last, _)| key >= *last))
            || !self.filter.accepts(stored)
        {
            return;
        }
        self.picked.insert(key, stored.clone());
        if self.picked.len() > self.limit + 1 {
            self.picked.pop_last();
        }
    }

    /// Returns the page in the order of the digests, and the digest of its last edge if there is more.
    #[must_use]
    pub fn finish(mut self) -> (Vec<EdgeItem>, Option<EdgeDigest>) {
        let more = self.picked.len() > self.limit;
        if more {
            self.picked.pop_last();
        }
        let last = self.picked.last_key_value().map(|(key, _)| *key).filter(|_| more);
        // An edge without a pane is about to be forgotten.
        let items = self.picked.values().filter_map(|it| Some(EdgeItem::new(it, it.totals()?)));
        (items.collect(), last)
    }
}

/// Which edges, and which page of them.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EdgeParameters {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    #[serde(default, deserialize_with = "limit_text")]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only edges whose subject is in this namespace.
    namespace: Option<String>,
    /// Only edges on which this policy has a say: `name`, `namespace/name`, or as traces write it, `snp:namespace/name`,
    /// which tells kinds apart. Names match as a whole, as the answers show them, with a tier where one is part of the
    /// name (`security.db`). A policy that nobody knows matches no edge, and is no error.
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
    #[serde(default, deserialize_with = "limit_text")]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only edges whose subject is in this namespace.
    namespace: Option<String>,
    /// Only edges on which this policy has a say: `name`, `namespace/name`, or as traces write it, `snp:namespace/name`,
    /// which tells kinds apart. Names match as a whole, as the answers show them, with a tier where one is part of the
    /// name (`security.db`). A policy that nobody knows matches no edge, and is no error.
    policy: Option<String>,
}

/// Lists the edges of the live window, each with its counts and what the policies say of it.
#[utoipa::path(
    get,
    path = "/api/v1/edges",
    operation_id = "listEdges",
    tag = "results",
    params(EdgeParameters),
    responses((status = 200, description = "A page of edges.", body = Page<EdgeItem>)),
)]
pub(super) async fn edges(State(api): State<Api>, uri: Uri) -> Answer<Page<EdgeItem>> {
    let EdgeParameters { limit, cursor, namespace, policy, outcome } = parameters(&uri)?;
    list(&api, Which::Edges, EdgeFilter { namespace, policy, outcome }, limit, cursor.as_deref()).await
}

/// Lists the edges that are allowed now and that the staged policies would deny, over a longer time than the window.
#[utoipa::path(
    get,
    path = "/api/v1/denies",
    operation_id = "listDenies",
    tag = "results",
    params(DenyParameters),
    responses((status = 200, description = "A page of would-be denies.", body = Page<EdgeItem>)),
)]
pub(super) async fn denies(State(api): State<Api>, uri: Uri) -> Answer<Page<EdgeItem>> {
    let DenyParameters { limit, cursor, namespace, policy } = parameters(&uri)?;
    list(&api, Which::Denies, EdgeFilter { namespace, policy, outcome: None }, limit, cursor.as_deref()).await
}

#[derive(Clone, Copy)]
enum Which {
    Edges,
    Denies,
}

async fn list(
    api: &Api,
    which: Which,
    filter: EdgeFilter,
    items: Option<u32>,
    cursor: Option<&str>,
) -> Answer<Page<EdgeItem>> {
    let name = match which {
        Which::Edges => "edges",
        Which::Denies => "denies",
    };
    let outcome = filter.outcome.map(OutcomeRecord::as_str);
    let listing = Listing::new(name, &[filter.namespace.as_deref(), filter.policy.as_deref(), outcome]);
    let after = match cursor {
        Some(cursor) => {
            let key = u128::from_str_radix(&listing.key(cursor)?, 16).map_err(|_| Listing::bad_key())?;
            Some(EdgeDigest(key))
        }
        None => None,
    };
    let mut page = EdgePage::new(filter, after, limit(items)?);
    let page = api
        .read(move |view| {
            match which {
                Which::Edges => view.edges(&mut page),
                Which::Denies => view.denies(&mut page),
            }
            let (items, last) = page.finish();
            Page { items, next_cursor: last.map(|it| listing.cursor(&it.to_string())) }
        })
        .await?;
    Ok(axum::Json(page))
}
