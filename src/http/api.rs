//! The routes of the API, and what they share.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::admin::Version;
use super::edges::{denies, edges};
use super::guard::{Guard, guard};
use super::listener::{Bound, serve};
use super::openapi::document;
use super::policies::policies;
use super::problem::{Kind, Problem};
use super::recommendations::{recommendation, recommendations};
use super::status::status;
use super::view::View;
use crate::telemetry::{Health, Metrics};

/// What a handler answers: JSON, or a problem.
pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// The templates of all routes.
pub const API_ROUTES: [&str; 7] = [
    "/api/v1/status",
    "/api/v1/edges",
    "/api/v1/denies",
    "/api/v1/policies",
    "/api/v1/recommendations",
    "/api/v1/recommendations/{namespace}",
    "/api/openapi.json",
];

/// Readers of the view at once: each walks everything that is known, and the cores belong to the pipeline.
const READERS_MAX: usize = 4;

/// What the API shows.
#[derive(Clone)]
pub struct Api {
    pub(super) view: Arc<dyn View>,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) version: Version,
    readers: Arc<Semaphore>,
}

impl Api {
    /// Shows `view`.
    #[must_use]
    pub fn new(view: Arc<dyn View>, metrics: Metrics, health: Health, version: Version) -> Self {
        Self { view, metrics, health, version, readers: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Reads the view on a thread of its own, since walking everything that is known takes a while.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn View) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = || Problem::new(Kind::Internal, "the answer could not be made");
        let reader = Arc::clone(&self.readers).acquire_owned().await.map_err(|_| failed())?;
        let view = Arc::clone(&self.view);
        let read = tokio::task::spawn_blocking(move || {
            let answer = read(&*view);
            // The place is free when the work is done, also where the client has long gone.
            drop(reader);
            answer
        });
        read.await.map_err(|_| failed())
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({:?})", self.version)
    }
}

/// Serves the API until `stop` is cancelled.
pub async fn serve_api(bound: Bound, api: Api, stop: CancellationToken) {
    let layer = Guard { metrics: api.metrics.clone(), loopback: bound.address().ip().is_loopback() };
    let [status_at, edges_at, denies_at, policies_at, recommendations_at, recommendation_at, document_at] =
        API_ROUTES;
    let router = Router::new()
        .route(status_at, get(status))
        .route(edges_at, get(edges))
        .route(denies_at, get(denies))
        .route(policies_at, get(policies))
        .route(recommendations_at, get(recommendations))
        .route(recommendation_at, get(recommendation))
        .route(document_at, get(openapi))
        .fallback(|| async { Problem::new(Kind::NotFound, "the routes are in /api/openapi.json") })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(layer, guard))
        .with_state(api);
    serve(bound, router, stop).await;
}

async fn method_not_allowed() -> Response {
    let problem = Problem::new(Kind::MethodNotAllowed, "use GET");
    ([(header::ALLOW, "GET, HEAD")], problem).into_response()
}

/// Describes the API as an OpenAPI document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "getOpenApi",
    tag = "service",
    responses((status = 200, description = "This document.", body = serde_json::Value)),
)]
pub(super) async fn openapi(State(api): State<Api>) -> Response {
    Json(document(&api.version.version)).into_response()
}

/// Reads the parameters of a query. Unknown and repeated ones are errors, since a filter that is misspelt would
/// silently show everything.
pub(super) fn parameters<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(parameters)) => Ok(parameters),
        Err(rejection) => {
            // It names the parameter, behind a preface that the title of the problem makes superfluous.
            let text = rejection.body_text();
            let detail = text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail);
            Err(Problem::new(Kind::BadParameter, detail))
        }
    }
}
