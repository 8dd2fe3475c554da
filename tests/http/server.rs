//! Both listeners on ports of the system's choice, and a client that shows everything that it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowstage::http::{Admin, Api, Role, Version, bind, serve_admin, serve_api};
use flowstage::telemetry::{BuildInfo, Check, Health, Metrics};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, policies, recommendations, store};
use crate::schemas::Schemas;

pub(crate) struct Server {
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) millis: Arc<AtomicU64>,
    pub(crate) view: Arc<Fake>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Server {
    pub(crate) async fn start(edges: u32) -> Self {
        let metrics = Metrics::new(&BuildInfo {
            version: "0.1.0",
            revision: "abc",
            rustc: "1.95.0",
            librdkafka: "2.12.1",
        });
        let millis = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&millis);
        let health = Health::with_clock(&metrics, &[Check::Kafka, Check::Policies], move || {
            Duration::from_millis(clock.load(Ordering::Relaxed))
        });
        let version = Version {
            version: "0.1.0".into(),
            revision: "abc".into(),
            rustc: "1.95.0".into(),
            librdkafka: "2.12.1".into(),
        };
        let view = Arc::new(Fake {
            edges: store(0..edges),
            policies: policies(&metrics),
            revision: AtomicU64::new(7),
            recommendations: recommendations(),
        });
        let any = "127.0.0.1:0".parse().unwrap();
        let api = bind(Role::Api, any).await.unwrap();
        let admin = bind(Role::Admin, any).await.unwrap();
        let (api_address, admin_address) = (api.address(), admin.address());
        let stop = CancellationToken::new();
        let shown = Api::new(view.clone(), metrics.clone(), health.clone(), version.clone());
        let admin_state = Admin { metrics: metrics.clone(), health: health.clone(), version };
        let tasks = vec![
            tokio::spawn(serve_api(api, shown, stop.clone())),
            tokio::spawn(serve_admin(admin, admin_state, stop.clone())),
        ];
        Self { api: api_address, admin: admin_address, metrics, health, millis, view, stop, tasks }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        request(self.api, "GET", path, &[]).await
    }

    /// Fetches, and checks the body against the schema that the document gives for the route.
    pub(crate) async fn fetch(&self, route: &str, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let body = reply.json();
        Schemas::new().check(route, &body);
        body
    }

    pub(crate) async fn admin(&self, path: &str) -> Reply {
        request(self.admin, "GET", path, &[]).await
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:flowstage:problem:{kind}"));
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        problem["detail"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let host = format!("localhost:{}", address.port());
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: {host}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    read_reply(&mut stream).await
}

pub(crate) async fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Reply { status, headers, body: bytes[end + 4..].to_vec() }
}
