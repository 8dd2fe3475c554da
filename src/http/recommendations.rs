//! Recommended policies: as documents with their evidence, or as manifests ready to be applied.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::api::{Answer, Api, parameters};
use super::page::{Listing, Page, limit, limit_text};
use super::problem::{Kind, Problem};
use crate::recommend::Status;
use crate::sink::render::RecommendationRecord;

/// Which recommendations, and which page of them.
#[derive(Deserialize, IntoParams, Debug)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecommendationParameters {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    #[serde(default, deserialize_with = "limit_text")]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only those with this status: `Learning`, `Stabilizing` or `Stable`, in any case.
    status: Option<String>,
}

/// Lists the recommended policies by namespace.
#[utoipa::path(
    get,
    path = "/api/v1/recommendations",
    operation_id = "listRecommendations",
    tag = "results",
    params(RecommendationParameters),
    responses((status = 200, description = "A page of recommendations.", body = Page<RecommendationRecord>)),
)]
pub(super) async fn recommendations(
    State(api): State<Api>,
    uri: Uri,
) -> Answer<Page<Arc<RecommendationRecord>>> {
    let RecommendationParameters { limit: items, cursor, status } = parameters(&uri)?;
    let known = ["Learning", "Stabilizing", "Stable"];
    if let Some(status) = &status
        && !known.iter().any(|it| it.eq_ignore_ascii_case(status))
    {
        return Err(Problem::new(
            Kind::BadParameter,
            format!("`status` must be one of {}", known.join(", ")),
        ));
    }
    let status = status.map(|it| it.to_ascii_lowercase());
    let listing = Listing::new("recommendations", &[status.as_deref()]);
    let limit = limit(items)?;
    let after = cursor.map(|it| listing.key(&it)).transpose()?;
    let page = api
        .read(move |view| {
            let mut items = view.recommendations();
            items.retain(|it| {
                after.as_deref().is_none_or(|after| *it.namespace.0 > *after)
                    && status
                        .as_deref()
                        .is_none_or(|status| Status::from(it.status).as_str().eq_ignore_ascii_case(status))
            });
            items.sort_by(|a, b| a.namespace.cmp(&b.namespace));
            let more = items.len() > limit;
            items.truncate(limit);
            let last = items.last().filter(|_| more);
            let next_cursor = last.map(|it| listing.cursor(&it.namespace.0));
            Page { items, next_cursor }
        })
        .await?;
    Ok(Json(page))
}

/// Shows the policy recommended for a namespace: JSON with its evidence, or with `Accept: application/yaml` the
/// manifest alone.
#[utoipa::path(
    get,
    path = "/api/v1/recommendations/{namespace}",
    operation_id = "getRecommendation",
    tag = "results",
    params(("namespace" = String, Path, description = "The namespace.")),
    responses(
        (status = 200, description = "The recommendation.", content(
            (RecommendationRecord = "application/json"),
            (String = "application/yaml"),
        )),
        (status = 404, description = "Nothing is recommended for the namespace.", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "Neither JSON nor YAML is accepted.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn recommendation(
    State(api): State<Api>,
    Path(namespace): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = Form::accepted(&headers).ok_or_else(|| {
        Problem::new(Kind::NotAcceptable, "accept `application/json` or `application/yaml`")
    })?;
    let found = api.read(move |view| view.recommendation(&namespace)).await?;
    let item = found.ok_or_else(|| {
        Problem::new(Kind::NotFound, "nothing is recommended for this namespace; see /api/v1/recommendations")
    })?;
    let mut response = match form {
        Form::Json => Json(item).into_response(),
        Form::Yaml => ([(header::CONTENT_TYPE, "application/yaml")], item.yaml.clone()).into_response(),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Json,
    Yaml,
}

impl Form {
    /// Picks the accepted form of the highest weight; JSON where both weigh the same or nothing is said.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok()).collect();
        if values.is_empty() {
            return Some(Self::Json);
        }
        let (mut json, mut yaml) = (Weight::default(), Weight::default());
        for range in values.iter().flat_map(|it| it.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight =
                parts.find_map(|it| it.strip_prefix("q=")).map_or(1.0, |it| it.parse::<f32>().unwrap_or(0.0));
            match media.as_str() {
                "*/*" => {
                    json.note(0, weight);
                    yaml.note(0, weight);
                }
                "application/*" => {
                    json.note(1, weight);
                    yaml.note(1, weight);
                }
                "text/*" => yaml.note(1, weight),
                "application/json" => json.note(2, weight),
                "application/yaml" | "application/x-yaml" | "text/yaml" => yaml.note(2, weight),
                _ => {}
            }
        }
        let best = if yaml.weight > json.weight { (Self::Yaml, yaml) } else { (Self::Json, json) };
        (best.1.weight > 0.0).then_some(best.0)
    }
}

/// The weight of a form: that of the most exact range that covers it.
#[derive(Clone, Copy, Default)]
struct Weight {
    exactness: u8,
    weight: f32,
}

impl Weight {
    fn note(&mut self, exactness: u8, weight: f32) {
        if exactness >= self.exactness {
            *self = Self { exactness, weight };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &'static str, expected: Option<Form>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        assert_eq!(Form::accepted(&headers), expected, "{accept}");
    }

    #[test]
    fn the_form_follows_the_weights() {
        check("application/yaml", Some(Form::Yaml));
        check("*/*", Some(Form::Json));
        check("application/json;q=0.5, application/yaml", Some(Form::Yaml));
        check("text/html, application/yaml;q=0.9, */*;q=0.8", Some(Form::Yaml));
        check("application/json;q=0, */*", Some(Form::Yaml));
        check("text/html", None);
        check("application/json;q=0, application/yaml;q=0", None);
    }
}
