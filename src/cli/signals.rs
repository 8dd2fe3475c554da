//! The end: the first signal asks for it, the second does not wait.

use std::sync::Arc;

use crate::pipeline::Shared;
use crate::telemetry::Health;

/// Ends the work in order at the first SIGTERM or SIGINT; leaves at once at the second.
pub(super) fn end_on_signal(shared: Arc<Shared>, health: Health) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut term, mut int) = {
        let _guard = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = async move {
        let mut asked = false;
        loop {
            let code = tokio::select! {
                _ = term.recv() => 143,
                _ = int.recv() => 130,
            };
            if asked {
                std::process::exit(code);
            }
            asked = true;
            tracing::info!(
                "ending: publishing and committing what is at hand; a second signal leaves at once"
            );
            health.drain();
            shared.end();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(wait))?;
    Ok(())
}
