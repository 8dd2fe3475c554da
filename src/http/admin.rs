//! Metrics, probes and the version.

use std::io::Write;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::guard::{Guard, guard};
use super::listener::{Bound, serve};
use super::problem::{Kind, Problem};
use crate::telemetry::{Health, Metrics, Probe};

/// What the binary was built from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Version {
    /// The package's version.
    pub version: String,
    /// The source revision, or `unknown`.
    pub revision: String,
    /// The compiler, or `unknown`.
    pub rustc: String,
    /// The version of the Kafka client library.
    pub librdkafka: String,
}

/// What the admin endpoints show.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The metrics.
    pub metrics: Metrics,
    /// The health.
    pub health: Health,
    /// The build.
    pub version: Version,
}

/// Serves the admin endpoints until `stop` is cancelled.
///
/// It is to be stopped last: while the process drains, `/readyz` says so.
pub async fn serve_admin(bound: Bound, admin: Admin, stop: CancellationToken) {
    let layer = Guard { metrics: admin.metrics.clone(), loopback: false };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/version", get(version))
        .fallback(|| async { Problem::new(Kind::NotFound, "see /metrics, /livez, /readyz and /version") })
        .method_not_allowed_fallback(|| async { Problem::new(Kind::MethodNotAllowed, "use GET") })
        .layer(middleware::from_fn_with_state(layer, guard))
        .with_state(admin);
    serve(bound, router, stop).await;
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let gzip = accepts_gzip(&headers);
    // Thousands of series take milliseconds to render, which are not to be taken from the probes.
    let rendered = tokio::task::spawn_blocking(move || {
        let text = admin.metrics.render().into_bytes();
        if gzip { compress(&text) } else { text }
    });
    let Ok(body) = rendered.await else {
        return Problem::new(Kind::Internal, "the metrics could not be rendered").into_response();
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn compress(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder.write_all(text).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}

/// Tells whether gzip is among the accepted encodings, with a weight above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|it| it.to_str().ok());
    values.flat_map(|it| it.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|it| it.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|it| {
            it.strip_prefix("q=").is_some_and(|weight| weight.parse::<f32>().is_ok_and(|it| it <= 0.0))
        });
        named && !refused
    })
}

async fn livez(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    answer(&admin.health.live(), query.as_deref())
}

async fn readyz(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    answer(&admin.health.ready(), query.as_deref())
}

/// A probe that fails always tells why; one that passes only when asked.
fn answer(probe: &Probe, query: Option<&str>) -> Response {
    let verbose = query.is_some_and(|it| it.split('&').any(|it| it.split('=').next() == Some("verbose")));
    let status = if probe.passes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = if verbose || !probe.passes { probe.to_string() } else { "ok\n".to_owned() };
    (status, body).into_response()
}

async fn version(State(admin): State<Admin>) -> Json<Version> {
    Json(admin.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &'static str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        assert_eq!(accepts_gzip(&headers), expected, "{accept}");
    }

    #[test]
    fn gzip_is_sent_only_to_who_asks_for_it() {
        check("gzip", true);
        check("br, GZIP;q=0.5", true);
        check("gzip;q=0, br", false);
        check("identity", false);
        check("", false);
    }
}
