//! How far event time has come in one input partition.

use super::pane::{Pane, Spec};
use crate::model::EventTime;

/// The progress of one input partition. A function of its log alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Watermark {
    newest: Option<EventTime>,
    // INVARIANT: only grows. Panes before it are shut.
    closed: Option<Pane>,
}

/// What a record's event time means for the panes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// It belongs to this pane, which is open.
    Open(Pane),
    /// Its pane is shut.
    Late,
    /// It lies too far ahead of the broker's timestamp to be believed.
    Skewed,
}

impl Watermark {
    /// Puts a watermark where it was.
    #[must_use]
    pub const fn restore(newest: Option<EventTime>, closed: Option<Pane>) -> Self {
        Self { newest, closed }
    }

    /// Returns the newest event time that was accepted.
    #[must_use]
    pub const fn newest(&self) -> Option<EventTime> {
        self.newest
    }

    /// Returns the first pane that is not shut; nothing while no record was accepted.
    #[must_use]
    pub const fn closed(&self) -> Option<Pane> {
        self.closed
    }

    /// Decides on a record, and advances when it is accepted.
    ///
    /// A record ahead of the broker's timestamp by more than the allowed skew moves nothing: one wrong clock must not
    /// shut everybody's panes. The broker's timestamp is in the log, so a replay decides the same.
    pub(super) fn admit(&mut self, spec: &Spec, time: EventTime, broker: Option<EventTime>) -> Admission {
        if broker.is_some_and(|broker| time > broker.plus(spec.skew())) {
            return Admission::Skewed;
        }
        let pane = spec.pane_of(time);
        if self.closed.is_some_and(|closed| pane < closed) {
            return Admission::Late;
        }
        if self.newest.is_none_or(|newest| time > newest) {
            self.newest = Some(time);
            let closed = spec.pane_of(time.minus(spec.lateness()));
            self.closed = Some(self.closed.map_or(closed, |it| it.max(closed)));
        }
        Admission::Open(pane)
    }
}
