//! The two HTTP listeners, on a thread of their own: nothing that waits for a client stands on the data path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::error::Error;
use crate::http::{Admin, Api, Bound, Role, Version, View, bind, serve_admin, serve_api};
use crate::telemetry::{Health, Metrics};

/// Where to listen. Port 0 lets the system choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenerConfig {
    /// For metrics and probes.
    pub admin: SocketAddr,
    /// For the read-only API.
    pub api: SocketAddr,
}

/// Bound listeners, served until they are dropped or stopped.
#[derive(Debug)]
pub struct Listeners {
    admin: SocketAddr,
    api: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Listeners {
    /// Binds both addresses and serves them.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, or the system refuses a thread.
    pub fn start(
        config: ListenerConfig,
        metrics: &Metrics,
        health: &Health,
        version: &Version,
        view: Arc<dyn View>,
    ) -> Result<Self, Error> {
        let what = "the HTTP listeners";
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("http")
            .enable_all()
            .build()
            .map_err(|source| Error::Start { what, source })?;
        let admin = runtime.block_on(bind(Role::Admin, config.admin))?;
        let api = runtime.block_on(bind(Role::Api, config.api))?;
        let stop = CancellationToken::new();
        let (admin_address, api_address) = (admin.address(), api.address());
        let admin_state =
            Admin { metrics: metrics.clone(), health: health.clone(), version: version.clone() };
        let api_state = Api::new(view, metrics.clone(), health.clone(), version.clone());
        let serving = serve(admin, admin_state, api, api_state, stop.clone());
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || runtime.block_on(serving))
            .map_err(|source| Error::Start { what, source })?;
        Ok(Self { admin: admin_address, api: api_address, stop, thread: Some(thread) })
    }

    /// Returns the address of the admin listener, with its real port.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Returns the address of the API, with its real port.
    #[must_use]
    pub const fn api(&self) -> SocketAddr {
        self.api
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by the panic hook; there is nothing left to do about it.
            drop(thread.join());
        }
    }
}

async fn serve(admin: Bound, admin_state: Admin, api: Bound, api_state: Api, stop: CancellationToken) {
    tokio::join!(serve_admin(admin, admin_state, stop.clone()), serve_api(api, api_state, stop));
}
