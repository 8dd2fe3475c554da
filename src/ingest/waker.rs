//! A wake-up call for a worker that waits on several queues at once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Remembers that something arrived until somebody waits for it, so no call is lost.
#[derive(Debug, Default)]
pub(super) struct Waker {
    called: Mutex<bool>,
    condition: Condvar,
}

impl Waker {
    /// Wakes who waits, or who will wait next.
    pub(super) fn wake(&self) {
        *self.called.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condition.notify_one();
    }

    /// Waits until called, at most `wait`; returns at once when a call came since the last wait.
    pub(super) fn wait(&self, wait: Duration) {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut called, _) = self
            .condition
            .wait_timeout_while(called, wait, |called| !*called)
            .unwrap_or_else(PoisonError::into_inner);
        *called = false;
    }
}
