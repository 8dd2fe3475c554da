//! What is committed beside an offset: the fold's state at that offset.

use std::fmt::Write as _;

use super::pane::Pane;
use super::watermark::Watermark;
use crate::model::{EventTime, Offset};

/// Where every offset of a partition went. Nothing is skipped without being counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// The offset at which counting began.
    pub base: Offset,
    /// Records that were counted into an edge.
    pub accepted: u64,
    /// Records that came after their pane was shut.
    pub late: u64,
    /// Records with an event time too far ahead of the broker's timestamp.
    pub skewed: u64,
    /// Records that could not be read.
    pub rejected: u64,
    /// Records that speak of no endpoint's policy.
    pub filtered: u64,
    /// Offsets that hold no record: transaction markers, compacted or deleted records.
    pub gaps: u64,
    /// Of the accepted, records counted into an edge that stands for further peers beyond a limit.
    pub overflowed: u64,
}

impl Ledger {
    /// Returns the offsets before `position` that no counter accounts for: zero, or there is a bug.
    #[must_use]
    pub fn unaccounted(&self, position: Offset) -> i64 {
        let Self { base, accepted, late, skewed, rejected, filtered, gaps, overflowed: _ } = self;
        let sum = accepted + late + skewed + rejected + filtered + gaps;
        position.0 - base.0 - i64::try_from(sum).unwrap_or(i64::MAX)
    }
}

/// The state of a fold at an offset from which it can be continued.
///
/// Reading again from `offset`, records of panes before `resume_from` are counted in the ledger but build no totals:
/// those panes were published in full before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The next record to read.
    pub offset: Offset,
    /// Event-time progress at that offset.
    pub watermark: Watermark,
    /// The accounts at that offset.
    pub ledger: Ledger,
    /// The first pane that has to be built again.
    pub resume_from: Pane,
}

/// Why committed metadata cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It was written by something else, or by a newer version.
    #[error("committed metadata `{0}` was not written by this version of flowstage")]
    Foreign(String),
    /// It was written under other window settings or limits.
    #[error("committed metadata was written under other settings ({found:016x}, now {expected:016x})")]
    Settings {
        /// What the metadata says.
        found: u64,
        /// What is configured.
        expected: u64,
    },
}

impl Checkpoint {
    /// Writes everything but the offset as text of less than 300 bytes; `settings` names the settings in force.
    #[must_use]
    pub fn to_metadata(&self, settings: u64) -> String {
        let Self { offset: _, watermark, ledger, resume_from } = self;
        let Ledger { base, accepted, late, skewed, rejected, filtered, gaps, overflowed } = ledger;
        let mut text = format!("flowstage/1 {settings:016x} {} ", resume_from.0);
        for number in [watermark.closed().map(|it| it.0), watermark.newest().map(EventTime::as_millis)] {
            match number {
                Some(number) => write!(text, "{number} "),
                None => write!(text, "- "),
            }
            .expect("writing to a string does not fail");
        }
        write!(text, "{} {accepted} {late} {skewed} {rejected} {filtered} {gaps} {overflowed}", base.0)
            .expect("writing to a string does not fail");
        text
    }

    /// Reads what [`Checkpoint::to_metadata`] wrote.
    ///
    /// # Errors
    ///
    /// When the text is not ours, or was written under other settings.
    pub fn from_metadata(offset: Offset, text: &str, settings: u64) -> Result<Self, CheckpointError> {
        let foreign = || CheckpointError::Foreign(text.chars().take(80).collect());
        let mut words = text.split(' ');
        if words.next() != Some("flowstage/1") {
            return Err(foreign());
        }
        let found = words.next().and_then(|it| u64::from_str_radix(it, 16).ok()).ok_or_else(foreign)?;
        if found != settings {
            return Err(CheckpointError::Settings { found, expected: settings });
        }
        let mut number = || match words.next()? {
            "-" => Some(None),
            word => word.parse::<i64>().ok().map(Some),
        };
        let resume_from = Pane(number().flatten().ok_or_else(foreign)?);
        let closed = number().ok_or_else(foreign)?.map(Pane);
        let newest = number().ok_or_else(foreign)?.map(EventTime::from_millis);
        let base = Offset(number().flatten().ok_or_else(foreign)?);
        let mut count = || number().flatten().and_then(|it| u64::try_from(it).ok()).ok_or_else(foreign);
        let ledger = Ledger {
            base,
            accepted: count()?,
            late: count()?,
            skewed: count()?,
            rejected: count()?,
            filtered: count()?,
            gaps: count()?,
            overflowed: count()?,
        };
        Ok(Self { offset, watermark: Watermark::restore(newest, closed), ledger, resume_from })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            offset: Offset(1_000),
            watermark: Watermark::restore(Some(EventTime::from_secs(1_790_000_000)), Some(Pane(-3))),
            ledger: Ledger {
                base: Offset(10),
                accepted: 900,
                late: 1,
                skewed: 2,
                rejected: 3,
                filtered: 80,
                gaps: 4,
                overflowed: 7,
            },
            resume_from: Pane(29_833_333),
        }
    }

    #[test]
    fn metadata_reads_back_what_was_written() {
        let one = checkpoint();
        assert_eq!(Checkpoint::from_metadata(one.offset, &one.to_metadata(77), 77), Ok(one));
        let fresh = Checkpoint { watermark: Watermark::default(), ..one };
        assert_eq!(Checkpoint::from_metadata(fresh.offset, &fresh.to_metadata(77), 77), Ok(fresh));
    }

    #[test]
    fn metadata_of_others_and_of_other_settings_is_refused() {
        let text = checkpoint().to_metadata(77);
        assert!(matches!(
            Checkpoint::from_metadata(Offset(0), &text, 78),
            Err(CheckpointError::Settings { found: 77, expected: 78 })
        ));
        for bad in ["", "{}", "flowstage/2 0 0", "flowstage/1 000000000000004d 5 - -"] {
            assert!(
                matches!(Checkpoint::from_metadata(Offset(0), bad, 77), Err(CheckpointError::Foreign(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_ledger_accounts_for_every_offset() {
        assert_eq!(checkpoint().ledger.unaccounted(Offset(1_000)), 0);
        assert_eq!(checkpoint().ledger.unaccounted(Offset(1_001)), 1);
    }
}
