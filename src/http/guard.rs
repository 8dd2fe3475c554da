//! What holds for every request: limits, headers, and the time it took.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Kind, Problem};
use crate::telemetry::Metrics;

/// Nobody needs to send a body to an API that only reads; this much is read past for clients that do.
const BODY_BYTES_MAX: u64 = 64 * 1024;
/// Long enough for the largest page, short enough that a stuck answer is noticed.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What the guard of one listener knows.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) metrics: Metrics,
    /// Whether only this host can connect. Then a page on the web could still make a browser connect under its own
    /// name (DNS rebinding), so the name has to be this host's.
    pub(super) loopback: bool,
}

/// Lets a request through to its handler and finishes the response.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH" | "DELETE") => method.to_owned(),
        _ => "other".to_owned(),
    };
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |it| it.as_str().to_owned());
    // The guard object, and not a line after the await: a client that hangs up drops this future midway.
    let _in_flight = InFlight::enter(&guard.metrics);
    let mut response = match refuse(&guard, request.headers()) {
        Some(problem) => problem.into_response(),
        None => match tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(Kind::TimedOut, "try again, or ask for less").into_response(),
        },
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    let class = match response.status().as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    let seconds = begin.elapsed().as_secs_f64();
    guard.metrics.http_request_duration.with([&method, &route, class]).observe(seconds);
    response
}

fn refuse(guard: &Guard, headers: &HeaderMap) -> Option<Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|it| it > BODY_BYTES_MAX) {
        return Some(Problem::new(Kind::BodyTooLarge, format!("at most {BODY_BYTES_MAX} bytes are read")));
    }
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if guard.loopback && !is_loopback(host) {
        return Some(Problem::new(
            Kind::UnknownHost,
            "this listener answers to `localhost` and loopback addresses",
        ));
    }
    None
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The answers are data for programs: nothing in them is to be run, framed, guessed at or kept.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

struct InFlight(Metrics);

impl InFlight {
    fn enter(metrics: &Metrics) -> Self {
        metrics.http_in_flight.add(1.0);
        Self(metrics.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.http_in_flight.add(-1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: bool) {
        assert_eq!(is_loopback(host), expected, "{host}");
    }

    #[test]
    fn only_names_of_this_host_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:9405", "127.0.0.1", "127.0.0.1:9405", "[::1]:9405", "[::1]", "127.9.9.9"]
        {
            check(host, true);
        }
        for host in
            ["", "evil.example", "localhost.evil.example:9405", "10.0.0.1:9405", "127.0.0.1.evil.example"]
        {
            check(host, false);
        }
    }
}
