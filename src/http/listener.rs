//! Sockets: bound early so that a wrong address stops the start, served until told to stop.
//!
//! Connections are served one by one here and not by `axum::serve`, which bounds neither their number nor the time that
//! a client may take to send a head.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// What a listener is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Metrics and probes, for the cluster.
    Admin,
    /// The read-only API, for people and their tools.
    Api,
}

impl Role {
    /// The most connections at once. HTTP/1 answers one request a connection at a time, so this bounds requests too.
    /// A probe and a scraper need a handful; a browser opens six.
    const fn connections_max(self) -> usize {
        match self {
            Self::Admin => 64,
            Self::Api => 256,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin endpoints",
            Self::Api => "API",
        })
    }
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}` for the {role}: {}", remedy(.source))]
pub struct BindError {
    /// What it was for.
    pub role: Role,
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process has it; stop that one, or configure another port (0 picks a free one)"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; configure a higher one",
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this host has the address; configure 0.0.0.0, [::] or 127.0.0.1"
        }
        _ => "the system refuses; see the cause, and configure another address",
    }
}

/// A socket that is bound and not served yet.
#[derive(Debug)]
pub struct Bound {
    role: Role,
    address: SocketAddr,
    listener: TcpListener,
}

impl Bound {
    /// Returns the address, with the real port where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what the socket is for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

/// Binds a socket. Port 0 lets the system choose.
///
/// # Errors
///
/// When the address cannot be bound; the error names it and a way out.
pub async fn bind(role: Role, address: SocketAddr) -> Result<Bound, BindError> {
    let fail = |source| BindError { role, address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    if role == Role::Api && !address.ip().is_loopback() {
        warn!(%address, "the API asks nobody who they are and listens beyond this host: restrict who reaches it");
    }
    Ok(Bound { role, address, listener })
}

/// A head that is not there after this time is never coming; idle connections end by it too.
const HEAD_TIME_MAX: Duration = Duration::from_secs(15);
/// Heads are small; one connection may not hold more memory than this for what it has read.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long answers that are under way may take after the stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Serves `router` until `stop` is cancelled, then lets the answers that are under way finish.
pub(super) async fn serve(bound: Bound, router: Router, stop: CancellationToken) {
    let Bound { role, address, listener } = bound;
    let slots = Arc::new(Semaphore::new(role.connections_max()));
    let connections = TaskTracker::new();
    let kill = CancellationToken::new();
    debug!(%address, %role, "listening");
    loop {
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), stop.clone());
                let kill = kill.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = kill.cancelled() => {}
                        () = connection => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors, or a client that is gone already. Both pass; a short pause keeps the first
                // from spinning.
                warn!(%address, %error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_TIME_MAX, connections.wait()).await.is_err() {
        warn!(%address, abandoned = connections.len(), "connections did not finish in time");
        kill.cancel();
        connections.wait().await;
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(READ_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // The client's doing: a reset, a malformed head, a time-out.
        debug!(%error, "connection ended early");
    }
}
