//! What the listings show, and how their pages fit together.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use flowstage::http::EdgePage;
use flowstage::telemetry::Check;
use serde_json::Value;

use crate::fake::store;
use crate::server::{Server, request};

#[tokio::test]
async fn status_tells_version_checks_and_partitions() {
    let server = Server::start(3).await;
    let body = server.fetch("/api/v1/status", "/api/v1/status").await;
    assert_eq!(body["version"]["version"], "0.1.0");
    assert_eq!(body["ready"], false);
    assert_eq!(body["checks"][0]["check"], "kafka");
    assert_eq!(body["checks"][0]["reason"], "waiting");
    assert_eq!(body["pipeline"]["members"][0]["partitions"][0]["lag_records"], 3);
    assert_eq!(body["pipeline"]["edges"], 3);
    server.health.pass(Check::Kafka);
    server.health.pass(Check::Policies);
    let body = server.fetch("/api/v1/status", "/api/v1/status").await;
    assert_eq!(body["ready"], true);
    assert_eq!(body["checks"][0]["reason"], Value::Null);
}

/// Walks a listing page by page and returns its items.
async fn walk(server: &Server, route: &str, query: &str, limit: u32) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{route}?limit={limit}{query}{cursor}");
        let mut page = server.fetch(route, &path).await;
        let found = page["items"].as_array_mut().unwrap();
        assert!(found.len() <= limit as usize);
        items.append(found);
        match page["next_cursor"].as_str() {
            Some(next) => {
                assert!(items.len().is_multiple_of(limit as usize), "a page before the last one is full");
                cursor = format!("&cursor={next}");
            }
            None => return items,
        }
    }
}

fn names(items: &[Value]) -> Vec<String> {
    items.iter().map(|it| it["subject"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_of_edges_together_are_everything_once_and_in_one_order() {
    let server = Server::start(50).await;
    let whole = walk(&server, "/api/v1/edges", "", 1000).await;
    assert_eq!(names(&whole).into_iter().collect::<BTreeSet<_>>().len(), 50);
    for limit in [1, 7, 10, 49, 50, 51] {
        assert_eq!(walk(&server, "/api/v1/edges", "", limit).await, whole, "limit {limit}");
    }
    let digests: Vec<&str> = whole.iter().map(|it| it["edge"].as_str().unwrap()).collect();
    assert!(digests.is_sorted(), "{digests:?}");
    let first = server.fetch("/api/v1/edges", "/api/v1/edges").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 50, "the default page holds a hundred");
}

#[tokio::test]
async fn filters_of_edges_agree_with_a_look_at_each() {
    let server = Server::start(50).await;
    let check = async |query: &str, wanted: fn(u32) -> bool| {
        let mut found = names(&walk(&server, "/api/v1/edges", query, 4).await);
        found.sort();
        let mut expected: Vec<String> =
            (0..50).filter(|it| wanted(*it)).map(|it| format!("web-{it}")).collect();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    };
    check("&namespace=pay", |n| n % 3 == 1).await;
    check("&namespace=nobody", |_| false).await;
    check("&outcome=would-deny", |n| n % 4 == 0).await;
    check("&outcome=would-allow", |n| n % 4 == 1).await;
    check("&outcome=undetermined", |n| n % 4 == 2).await;
    check("&outcome=agrees", |n| n % 4 == 3).await;
    check("&policy=default.web", |n| n % 4 < 2).await;
    check("&policy=shop/default.web", |n| n % 4 < 2 && n % 3 == 0).await;
    check("&policy=shop%2Fdefault.web&outcome=would-deny", |n| n % 4 == 0 && n % 3 == 0).await;
    check("&policy=default.api", |_| false).await;
    // As traces write it, the whole counts.
    check("&policy=snp:shop/default.web", |n| n % 4 < 2 && n % 3 == 0).await;
    check("&policy=snp%3Ashop%2Fdefault.web", |n| n % 4 < 2 && n % 3 == 0).await;
    for other in ["np:shop/default.web", "snp:default.web", "snp:shop/web", "web"] {
        check(&format!("&policy={other}"), |_| false).await;
    }
    check("&namespace=shop&outcome=agrees", |n| n % 4 == 3 && n % 3 == 0).await;
}

#[tokio::test]
async fn denies_are_the_edges_that_would_be_denied() {
    let server = Server::start(50).await;
    let denies = walk(&server, "/api/v1/denies", "", 5).await;
    // The walk of the edges holds each deny with the same counts, since all panes lie within the window here.
    assert_eq!(denies, walk(&server, "/api/v1/edges", "&outcome=would-deny", 1000).await);
    assert_eq!(denies[0]["charged"]["name"], "default.web");
    let in_shop = walk(&server, "/api/v1/denies", "&namespace=shop&policy=default.web", 5).await;
    assert_eq!(in_shop.len(), (0..50).filter(|n| n % 12 == 0).count());
}

#[test]
fn an_edge_that_appears_between_two_pages_disturbs_none_of_the_others() {
    let few = store((0..9).map(|n| n * 2));
    let more = store(0..18);
    let mut page = EdgePage::new(Default::default(), None, 3);
    few.edges().iter().for_each(|it| page.offer(it));
    let (first, after) = page.finish();
    let mut page = EdgePage::new(Default::default(), after, 100);
    more.edges().iter().for_each(|it| page.offer(it));
    let (rest, end) = page.finish();
    assert_eq!((first.len(), end), (3, None));
    let seen: Vec<&str> = first.iter().chain(&rest).map(|it| it.edge.as_str()).collect();
    let distinct: BTreeSet<&str> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len(), "nothing is shown twice");
    for stored in few.edges() {
        assert!(distinct.contains(stored.digest.to_string().as_str()), "nothing that was there is skipped");
    }
}

#[tokio::test]
async fn policies_come_in_the_order_of_evaluation_with_live_counts() {
    let server = Server::start(0).await;
    let all = walk(&server, "/api/v1/policies", "", 2).await;
    let places: Vec<u64> = all.iter().map(|it| it["place"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 3, 4]);
    assert_eq!(all[0]["counts"]["newly_denied"], 4);
    assert_eq!(all[1]["counts"], Value::Null);
    assert_eq!(walk(&server, "/api/v1/policies", "&namespace=pay", 3).await.len(), 4);
    assert_eq!(walk(&server, "/api/v1/policies", "&staged=true", 3).await.len(), 1);
    assert_eq!(walk(&server, "/api/v1/policies", "&staged=false&namespace=shop", 3).await.len(), 0);
}

#[tokio::test]
async fn a_cursor_of_policies_does_not_outlive_its_set() {
    let server = Server::start(0).await;
    let page = server.fetch("/api/v1/policies", "/api/v1/policies?limit=2").await;
    server.view.revision.store(8, Ordering::Relaxed);
    let cursor = page["next_cursor"].as_str().unwrap();
    let reply = server.get(&format!("/api/v1/policies?limit=2&cursor={cursor}")).await;
    reply.problem(410, "stale-cursor");
}

#[tokio::test]
async fn recommendations_come_as_json_or_as_a_manifest() {
    let server = Server::start(0).await;
    let all = walk(&server, "/api/v1/recommendations", "", 2).await;
    let namespaces: Vec<&str> = all.iter().map(|it| it["namespace"].as_str().unwrap()).collect();
    assert_eq!(namespaces, ["blog", "pay", "shop"]);
    assert_eq!(walk(&server, "/api/v1/recommendations", "&status=stable", 1).await.len(), 2);

    let route = "/api/v1/recommendations/{namespace}";
    let one = server.fetch(route, "/api/v1/recommendations/pay").await;
    assert_eq!(one["status"], "Learning");
    assert_eq!(one["edges_verified"], 5);
    let path = "/api/v1/recommendations/pay";
    let yaml = request(server.api, "GET", path, &[("accept", "application/yaml")]).await;
    assert_eq!(yaml.status, 200);
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert_eq!(yaml.header("vary"), Some("accept"));
    assert_eq!(yaml.text(), one["yaml"].as_str().unwrap());
    request(server.api, "GET", path, &[("accept", "text/html")]).await.problem(406, "not-acceptable");
    server.get("/api/v1/recommendations/nobody").await.problem(404, "not-found");
}
