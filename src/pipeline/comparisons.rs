//! What the truth check found, moved into the metrics once a batch.

use crate::engine::Compared;
use crate::evaluate::{Agreement, Cause};
use crate::telemetry::{Counter, Metrics};

/// What became of a flow's comparison: the label `result`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Agrees,
    Differs,
    NotRecorded,
    Skipped,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Agrees, Self::Differs, Self::NotRecorded, Self::Skipped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::NotRecorded => "not_recorded",
            Self::Skipped => "skipped",
        }
    }

    const fn of(compared: Compared) -> Self {
        match compared {
            Compared::Skipped => Self::Skipped,
            Compared::Traces { enforced, pending } => match (enforced, pending) {
                (Agreement::Differs(_), _) | (_, Agreement::Differs(_)) => Self::Differs,
                (Agreement::NotRecorded, Agreement::NotRecorded) => Self::NotRecorded,
                (Agreement::Agrees, _) | (_, Agreement::Agrees) => Self::Agrees,
            },
        }
    }
}

/// Returns the causes of a comparison: none, one, or one for each trace.
fn causes(compared: Compared) -> [Option<Cause>; 2] {
    let cause = |agreement| match agreement {
        Agreement::Differs(cause) => Some(cause),
        Agreement::Agrees | Agreement::NotRecorded => None,
    };
    match compared {
        Compared::Skipped => [None, None],
        Compared::Traces { enforced, pending } => {
            let (enforced, pending) = (cause(enforced), cause(pending));
            [enforced, pending.filter(|it| enforced != Some(*it))]
        }
    }
}

/// The counters of the truth check. A flow counts once for each cause.
#[derive(Debug)]
pub(super) struct Comparisons {
    by_cause: [Counter; Cause::ALL.len()],
    by_outcome: [Counter; Outcome::ALL.len()],
}

impl Comparisons {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            by_cause: Cause::ALL.map(|it| metrics.replay_disagreements.with([it.as_str()])),
            by_outcome: Outcome::ALL.map(|it| metrics.replay_compared.with([it.as_str()])),
        }
    }

    pub(super) fn add(&self, compared: Compared, flows: u64) {
        for cause in causes(compared).into_iter().flatten() {
            self.by_cause[cause as usize].add(flows);
        }
        self.by_outcome[Outcome::of(compared) as usize].add(flows);
    }
}

/// What the truth check found so far, in flows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TruthTally {
    /// Both traces are ours, or the one that is recorded.
    pub agree: u64,
    /// A trace is another than ours.
    pub differ: u64,
    /// No trace is recorded, and what was done proves nothing.
    pub not_recorded: u64,
    /// Not compared: too many closer looks were due at once.
    pub skipped: u64,
    /// Of those that differ, by cause, without those that did not occur; a flow counts once for each of its two traces
    /// that has another.
    pub by_cause: Vec<(Cause, u64)>,
}

impl TruthTally {
    /// Reads the counters.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        let [agree, differ, not_recorded, skipped] =
            Outcome::ALL.map(|it| metrics.replay_compared.with([it.as_str()]).get());
        let by_cause = Cause::ALL.map(|it| (it, metrics.replay_disagreements.with([it.as_str()]).get()));
        let by_cause = by_cause.into_iter().filter(|(_, flows)| *flows > 0).collect();
        Self { agree, differ, not_recorded, skipped, by_cause }
    }
}
