//! Panes and windows: how event time is cut.

use std::time::Duration;

use crate::model::EventTime;

/// The smallest slice of event time: one slide long, counted from the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pane(pub i64);

impl Pane {
    /// Returns the pane behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the pane `panes` before this one.
    #[must_use]
    pub const fn minus(self, panes: i64) -> Self {
        Self(self.0.saturating_sub(panes))
    }
}

/// Why a window cannot be cut like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The slide is zero, or not whole milliseconds.
    #[error("slide must be at least one millisecond")]
    Slide,
    /// The width is not a multiple of the slide.
    #[error("width {width:?} is not a whole number of slides of {slide:?}")]
    Width {
        /// The width asked for.
        width: Duration,
        /// The slide asked for.
        slide: Duration,
    },
    /// Too many panes would be open at once.
    #[error("lateness {lateness:?} and skew {skew:?} keep more than {max} panes of {slide:?} open")]
    OpenPanes {
        /// The lateness asked for.
        lateness: Duration,
        /// The skew asked for.
        skew: Duration,
        /// The slide asked for.
        slide: Duration,
        /// The bound.
        max: i64,
    },
}

/// How windows are cut: width, slide, and how long is waited for late records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Spec {
    // INVARIANT: slide at least 1 ms; width a positive multiple of it; open panes bounded.
    width: Duration,
    slide: Duration,
    lateness: Duration,
    skew: Duration,
}

impl Spec {
    /// Panes that may be open at once, beside the newest: bounds memory and what a restart reads again.
    pub const OPEN_PANES_MAX: i64 = 31;

    /// Checks and makes a cut: windows of `width`, one every `slide`; records up to `lateness` behind the newest are
    /// taken; event times more than `skew` ahead of the broker's are set aside.
    ///
    /// # Errors
    ///
    /// When the width is no multiple of the slide, the slide is zero, or too many panes would be open at once.
    pub fn new(
        width: Duration,
        slide: Duration,
        lateness: Duration,
        skew: Duration,
    ) -> Result<Self, SpecError> {
        let slide_millis = slide.as_millis();
        if slide_millis == 0 {
            return Err(SpecError::Slide);
        }
        if width.is_zero() || !width.as_millis().is_multiple_of(slide_millis) {
            return Err(SpecError::Width { width, slide });
        }
        let open = (lateness.as_millis() + skew.as_millis()).div_ceil(slide_millis);
        if open > Self::OPEN_PANES_MAX.unsigned_abs().into() {
            return Err(SpecError::OpenPanes { lateness, skew, slide, max: Self::OPEN_PANES_MAX });
        }
        Ok(Self { width, slide, lateness, skew })
    }

    /// Returns the width of a window.
    #[must_use]
    pub const fn width(&self) -> Duration {
        self.width
    }

    /// Returns the length of a pane.
    #[must_use]
    pub const fn slide(&self) -> Duration {
        self.slide
    }

    /// Returns how far behind the newest event time a record may be.
    #[must_use]
    pub const fn lateness(&self) -> Duration {
        self.lateness
    }

    /// Returns how far ahead of the broker's timestamp an event time may be.
    #[must_use]
    pub const fn skew(&self) -> Duration {
        self.skew
    }

    /// Returns the number of panes in a window.
    #[must_use]
    pub fn panes_per_window(&self) -> i64 {
        i64::try_from(self.width.as_millis() / self.slide.as_millis()).unwrap_or(i64::MAX)
    }

    /// Returns the pane that holds `time`.
    #[must_use]
    pub fn pane_of(&self, time: EventTime) -> Pane {
        Pane(time.as_millis().div_euclid(self.slide_millis()))
    }

    /// Returns the begin of `pane`.
    #[must_use]
    pub fn start_of(&self, pane: Pane) -> EventTime {
        EventTime::from_millis(pane.0.saturating_mul(self.slide_millis()))
    }

    /// Returns the end of `pane`, which is the begin of the next.
    #[must_use]
    pub fn end_of(&self, pane: Pane) -> EventTime {
        self.start_of(pane.next())
    }

    fn slide_millis(&self) -> i64 {
        i64::try_from(self.slide.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(width: u64, slide: u64, lateness: u64) -> Result<Spec, SpecError> {
        let secs = Duration::from_secs;
        Spec::new(secs(width), secs(slide), secs(lateness), secs(60))
    }

    #[test]
    fn a_width_that_is_no_multiple_of_the_slide_is_refused() {
        assert!(matches!(spec(100, 60, 0), Err(SpecError::Width { .. })));
        assert!(matches!(spec(900, 0, 0), Err(SpecError::Slide)));
        assert!(matches!(spec(900, 60, 3_600), Err(SpecError::OpenPanes { .. })));
    }

    #[test]
    fn panes_meet_without_gap_on_both_sides_of_the_epoch() {
        let spec = spec(900, 60, 120).unwrap();
        for secs in [-61, -60, -1, 0, 59, 60, 1_790_000_000] {
            let time = EventTime::from_secs(secs);
            let pane = spec.pane_of(time);
            assert!(spec.start_of(pane) <= time && time < spec.end_of(pane), "{secs}");
        }
        assert_eq!(spec.panes_per_window(), 15);
    }
}
