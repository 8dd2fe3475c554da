//! The policies in force, with what the staged ones would have done so far.

use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::api::{Answer, Api, parameters};
use super::page::{Listing, Page, limit, limit_text};
use super::problem::{Kind, Problem};
use crate::aggregate::PolicyTotals;
use crate::model::Direction;
use crate::policy::Policy;
use crate::sink::render::{DirectionRecord, PolicyRecord, Text};

/// What a staged policy would have done with the flows of the whole group in the live window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PolicyCountsItem {
    /// Flows that the policy selects and that could be judged.
    pub evaluated: u64,
    /// Of those, flows that are allowed now and that it denies.
    pub newly_denied: u64,
    /// Of those, flows that are denied now and that it denies too.
    pub already_denied: u64,
    /// Of those, flows that are denied now and that it would let through.
    pub newly_allowed: u64,
    /// Flows that it could not be judged on. Not among the evaluated.
    pub indeterminate: u64,
}

impl From<PolicyTotals> for PolicyCountsItem {
    fn from(totals: PolicyTotals) -> Self {
        let PolicyTotals { evaluated, already_denied, undetermined, newly_denied, newly_allowed } = totals;
        Self { evaluated, newly_denied, already_denied, newly_allowed, indeterminate: undetermined }
    }
}

/// One policy of the set in force.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PolicyItem {
    /// Its place in the order of evaluation of the whole set, counted from 0. Edges name staged policies by it.
    pub place: u64,
    /// Kind, namespace and name.
    pub policy: PolicyRecord,
    /// The tier it belongs to.
    pub tier: String,
    /// Its order in the tier; `null` is last.
    #[schema(required)]
    pub order: Option<f64>,
    /// Whether it is only rehearsed.
    pub staged: bool,
    /// The directions that it governs.
    pub directions: Vec<DirectionRecord>,
    /// How many rules it has for ingress.
    pub ingress_rules: u64,
    /// How many rules it has for egress.
    pub egress_rules: u64,
    /// What it would have done; `null` for a policy that is enforced.
    #[schema(required)]
    pub counts: Option<PolicyCountsItem>,
}

impl PolicyItem {
    /// Makes the item of the policy at `place`, with the counts of a staged one.
    #[must_use]
    pub fn new(place: usize, policy: &Policy, totals: Option<PolicyTotals>) -> Self {
        let directions = [Direction::Ingress, Direction::Egress];
        Self {
            place: place as u64,
            policy: (&policy.id).into(),
            tier: policy.tier.to_string(),
            order: policy.order.value(),
            staged: policy.id.kind.is_staged(),
            directions: directions
                .into_iter()
                .filter(|it| policy.types.governs(*it))
                .map(DirectionRecord::from)
                .collect(),
            ingress_rules: policy.ingress.len() as u64,
            egress_rules: policy.egress.len() as u64,
            counts: totals.map(PolicyCountsItem::from),
        }
    }
}

/// Which policies, and which page of them.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyParameters {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    #[serde(default, deserialize_with = "limit_text")]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only policies of this namespace.
    namespace: Option<String>,
    /// Only policies that are staged, or that are not.
    staged: Option<bool>,
}

/// Lists the policies in force in the order of evaluation, with live counts for the staged ones.
///
/// The counts are those of the whole group in the live window. When the set changes between two pages the
/// cursor is refused with status 410.
#[utoipa::path(
    get,
    path = "/api/v1/policies",
    operation_id = "listPolicies",
    tag = "results",
    params(PolicyParameters),
    responses(
        (status = 200, description = "A page of policies.", body = Page<PolicyItem>),
        (
            status = 410,
            description = "The policy set has changed since the cursor was made.",
            body = Problem,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn policies(State(api): State<Api>, uri: Uri) -> Answer<Page<PolicyItem>> {
    let PolicyParameters { limit: items, cursor, namespace, staged } = parameters(&uri)?;
    let staged_text = staged.map(|it| if it { "true" } else { "false" });
    let listing = Listing::new("policies", &[namespace.as_deref(), staged_text]);
    let namespace = namespace.as_deref().map(Text::from);
    let limit = limit(items)?;
    let after = cursor.map(|it| Place::parse(&listing.key(&it)?)).transpose()?;
    let page = api
        .read(move |view| {
            let (revision, items) = view.policies();
            let revision = revision.to_string();
            if after.as_ref().is_some_and(|it| it.revision != revision) {
                return Err(Problem::new(
                    Kind::StaleCursor,
                    "the policy set has changed since; leave `cursor` out to begin again",
                ));
            }
            let mut items = items.into_iter().filter(|it| {
                after.as_ref().is_none_or(|after| it.place > after.place)
                    && namespace
                        .as_ref()
                        .is_none_or(|namespace| it.policy.namespace.as_ref() == Some(namespace))
                    && staged.is_none_or(|staged| it.staged == staged)
            });
            let picked: Vec<PolicyItem> = items.by_ref().take(limit).collect();
            let last = picked.last().filter(|_| items.next().is_some());
            let next_cursor = last.map(|it| listing.cursor(&format!("{revision}/{}", it.place)));
            Ok(Page { items: picked, next_cursor })
        })
        .await??;
    Ok(axum::Json(page))
}

/// What stands behind a cursor of policies.
struct Place {
    revision: String,
    place: u64,
}

impl Place {
    fn parse(key: &str) -> Result<Self, Problem> {
        let (revision, place) = key.split_once('/').ok_or_else(Listing::bad_key)?;
        let place = place.parse().map_err(|_| Listing::bad_key())?;
        Ok(Self { revision: revision.to_owned(), place })
    }
}
