//! What clients of the two listeners see.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use flowstage::http::{API_ROUTES, Role, bind};
use flowstage::telemetry::Check;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::schemas::Schemas;
use crate::server::{Server, read_reply, request};

mod fake;
mod listings;
mod schemas;
mod server;

#[tokio::test]
async fn a_request_that_is_wrong_is_told_what_is_wrong() {
    let server = Server::start(10).await;
    for route in ["edges", "denies", "policies", "recommendations"] {
        let path = |query: &str| format!("/api/v1/{route}?{query}");
        for limit in ["0", "1001", "-1", "x", ""] {
            let detail = server.get(&path(&format!("limit={limit}"))).await.problem(400, "bad-parameter");
            assert!(detail.contains("limit") && detail.contains("between 1 and 1000"), "{limit}: {detail}");
        }
        for cursor in ["x", "00", "6564676573", "%ff"] {
            let reply = server.get(&path(&format!("cursor={cursor}"))).await;
            assert_eq!(reply.status, 400, "{route} {cursor}");
        }
        let detail = server.get(&path("namespcae=shop")).await.problem(400, "bad-parameter");
        assert!(detail.contains("namespcae"), "{detail}");
        server.get(&path("limit=1&limit=2")).await.problem(400, "bad-parameter");
    }
    let detail = server.get("/api/v1/edges?outcome=maybe").await.problem(400, "bad-parameter");
    assert!(detail.starts_with("outcome: ") && detail.contains("would-deny"), "{detail}");
    let detail = server.get("/api/v1/denies?limit=abc").await.problem(400, "bad-parameter");
    assert_eq!(detail, "limit: must be a whole number between 1 and 1000");
    server.get("/api/v1/denies?outcome=agrees").await.problem(400, "bad-parameter");
    server.get("/api/v1/recommendations?status=Perfect").await.problem(400, "bad-parameter");
    server.get("/api/v1/status?verbose=1").await.problem(400, "bad-parameter");
}

#[tokio::test]
async fn a_cursor_holds_only_for_the_listing_and_filters_it_came_from() {
    let server = Server::start(50).await;
    let page = server.fetch("/api/v1/edges", "/api/v1/edges?limit=2&namespace=shop").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    for path in ["edges?", "edges?namespace=pay&", "denies?namespace=shop&", "policies?namespace=shop&"] {
        let reply = server.get(&format!("/api/v1/{path}cursor={cursor}")).await;
        reply.problem(400, "bad-cursor");
    }
    let page = server.get(&format!("/api/v1/edges?limit=3&namespace=shop&cursor={cursor}")).await;
    assert_eq!(page.status, 200, "another limit is fine");
}

#[tokio::test]
async fn only_reading_is_offered() {
    let server = Server::start(0).await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for route in API_ROUTES {
            let reply = request(server.api, method, route, &[]).await;
            reply.problem(405, "method-not-allowed");
            assert_eq!(reply.header("allow").map(|it| it.contains("GET")), Some(true));
        }
    }
    let head = request(server.api, "HEAD", "/api/v1/status", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    server.get("/api/v2/status").await.problem(404, "not-found");
    server.get("/").await.problem(404, "not-found");
    server.admin("/api/v1/status").await.problem(404, "not-found");
    let large = request(server.api, "GET", "/api/v1/status", &[("content-length", "65537")]).await;
    large.problem(413, "body-too-large");
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_browsers_from_guessing() {
    let server = Server::start(1).await;
    for reply in [
        server.get("/api/v1/edges").await,
        server.get("/api/v1/edges?limit=0").await,
        server.get("/nowhere").await,
        server.admin("/metrics").await,
        server.admin("/livez").await,
    ] {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn a_loopback_listener_answers_only_to_the_name_of_this_host() {
    let server = Server::start(1).await;
    let evil = request(server.api, "GET", "/api/v1/edges", &[("host", "evil.example")]).await;
    evil.problem(421, "unknown-host");
    let port = server.api.port().to_string();
    let fine = request(server.api, "GET", "/api/v1/edges", &[("host", &format!("127.0.0.1:{port}"))]).await;
    assert_eq!(fine.status, 200);
    // Probes come from the kubelet under the pod's address.
    let probe = request(server.admin, "GET", "/livez", &[("host", "10.0.0.7:9404")]).await;
    assert_eq!(probe.status, 200);
}

#[tokio::test]
async fn the_document_covers_every_route_and_every_reference_resolves() {
    let server = Server::start(0).await;
    let body = server.get("/api/openapi.json").await.json();
    assert_eq!(body, Schemas::new().0);
    let described: BTreeSet<&str> = body["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, API_ROUTES.into_iter().collect());
    assert_eq!(body["info"]["version"], "0.1.0");
    assert_eq!(body["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    for (path, item) in body["paths"].as_object().unwrap() {
        let operation = &item["get"];
        assert!(operation["summary"].is_string(), "{path} has no summary");
        assert!(operations.insert(operation["operationId"].as_str().unwrap()), "{path}");
        assert!(!operation["responses"]["default"]["content"]["application/problem+json"].is_null());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{path}: {parameter}");
        }
    }
    let mut references = Vec::new();
    collect_references(&body, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        assert!(body.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    let problem = server.get("/api/v1/edges?limit=0").await.json();
    Schemas::new().validate(&body["components"]["schemas"]["Problem"], &problem, "$").unwrap();
}

fn collect_references(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|it| collect_references(it, references));
        }
        Value::Array(items) => items.iter().for_each(|it| collect_references(it, references)),
        _ => {}
    }
}

#[tokio::test]
async fn metrics_are_text_and_gzip_on_demand() {
    let server = Server::start(1).await;
    server.get("/api/v1/edges?limit=1").await;
    server.get("/api/v1/recommendations/shop").await;
    server.get("/some/path/4711").await;
    let plain = server.admin("/metrics").await;
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("content-encoding"), None);
    let text = plain.text();
    for line in text.lines().filter(|it| !it.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.starts_with("flowstage_") || series.starts_with("process_"), "{line}");
    }
    let requests = |route: &str, status: &str| {
        let series = format!(
            "flowstage_http_request_duration_seconds_count{{method=\"GET\",route=\"{route}\",status=\"{status}\"}}"
        );
        text.lines().find_map(|it| it.strip_prefix(&series)?.trim().parse::<f64>().ok())
    };
    assert_eq!(requests("/api/v1/edges", "2xx"), Some(1.0));
    assert_eq!(requests("/api/v1/recommendations/{namespace}", "2xx"), Some(1.0));
    assert_eq!(requests("unmatched", "4xx"), Some(1.0));
    assert!(!text.contains("4711"), "a path never becomes a label");

    let packed = request(server.admin, "GET", "/metrics", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    let mut unpacked = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed.body), &mut unpacked).unwrap();
    assert!(unpacked.contains("flowstage_build_info{"));
    assert!(packed.body.len() * 3 < unpacked.len());
}

#[tokio::test]
async fn ready_waits_for_the_checks_and_ends_with_the_drain() {
    let server = Server::start(0).await;
    let starting = server.admin("/readyz").await;
    assert_eq!(starting.status, 503);
    assert_eq!(
        starting.text(),
        "[-]kafka failed: waiting\n[-]policies failed: waiting\n[+]shutdown ok\nfailed\n"
    );
    server.health.pass(Check::Kafka);
    server.health.fail(Check::Policies, "2 files do not parse");
    assert!(server.admin("/readyz").await.text().contains("[-]policies failed: 2 files do not parse\n"));
    server.health.pass(Check::Policies);
    let ready = server.admin("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ok\n"));
    let verbose = server.admin("/readyz?verbose").await;
    assert_eq!(verbose.text(), "[+]kafka ok\n[+]policies ok\n[+]shutdown ok\npassed\n");
    assert_eq!(server.metrics.ready.with(["policies"]).get().to_string(), "1");
    server.health.drain();
    let draining = server.admin("/readyz").await;
    assert_eq!(draining.status, 503);
    assert!(draining.text().contains("[-]shutdown failed: draining\n"));
    assert_eq!(server.admin("/livez").await.status, 200, "a process that drains is alive");
}

#[tokio::test]
async fn live_means_that_every_poll_thread_has_ticked_within_half_a_minute() {
    let server = Server::start(0).await;
    assert_eq!(server.admin("/livez").await.status, 200, "no thread, nothing stuck");
    let (one, two) = (server.health.pulse("worker-0"), server.health.pulse("worker-1"));
    server.millis.store(30_000, Ordering::Relaxed);
    assert_eq!(server.admin("/livez").await.status, 200);
    one.tick();
    server.millis.store(30_001, Ordering::Relaxed);
    for path in ["/livez", "/healthz"] {
        let stuck = server.admin(path).await;
        assert_eq!(stuck.status, 503);
        assert_eq!(stuck.text(), "[+]worker-0 ok\n[-]worker-1 failed: no tick for 30 s\nfailed\n");
    }
    drop(two);
    assert_eq!(server.admin("/livez").await.status, 200, "a thread that ended is not waited for");
}

#[tokio::test]
async fn version_names_the_build() {
    let server = Server::start(0).await;
    assert_eq!(server.admin("/version").await.json()["librdkafka"], "2.12.1");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_a_way_out() {
    let server = Server::start(0).await;
    let error = bind(Role::Admin, server.admin).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on `{}` for the admin endpoints: ", server.admin)),
        "{text}"
    );
    assert!(text.contains("another process has it"), "{text}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_new_ones_are_not_taken() {
    let server = Server::start(1).await;
    let mut half = TcpStream::connect(server.api).await.unwrap();
    half.write_all(b"GET /api/v1/edges HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    // The head is there in part once the server has answered another connection that came later.
    assert_eq!(server.get("/api/v1/edges").await.status, 200);
    server.stop.cancel();
    half.write_all(b"\r\n").await.unwrap();
    let reply = read_reply(&mut half).await;
    assert_eq!(reply.status, 200);
    for task in server.tasks {
        task.await.unwrap();
    }
    assert!(TcpStream::connect(server.api).await.is_err());
    assert!(TcpStream::connect(server.admin).await.is_err());
}
