//! What is settled of a link before any of its records is written: who denies it, and the text that never changes.

use std::sync::Arc;

use super::link::{Detail, Link};
use super::record::fixed_text;
use crate::evaluate::{Answer, Judgement};
use crate::model::{Direction, Edge, RecordedAction};

/// What becomes of a link's connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// They come to be.
    Connected,
    /// The first packet is dropped, at either end.
    Dropped,
}

/// One end's record, but for what changes from record to record.
#[derive(Debug)]
pub(super) struct Half {
    /// Which end reports.
    pub(super) direction: Direction,
    /// What it did.
    pub(super) action: RecordedAction,
    /// The text that is the same in every record.
    pub(super) text: String,
    /// The nodes that it reports from.
    pub(super) nodes: Vec<u32>,
}

/// A link, judged and half written.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The number of the link.
    pub(super) number: u64,
    /// What becomes of its connections.
    pub(super) fate: Fate,
    /// The source's record, if it reports.
    pub(super) egress: Option<Half>,
    /// The destination's record, if it reports and is reached.
    pub(super) ingress: Option<Half>,
}

/// What the policies say of both ends of a link.
#[derive(Debug)]
pub(super) struct Judged {
    egress: Option<Arc<Judgement>>,
    ingress: Option<Arc<Judgement>>,
}

impl Judged {
    /// Judges both ends of a link as the data plane does: with every address known. The end behind a denial at the
    /// source sees nothing.
    pub(super) fn new(link: &Link, verdicts: &mut dyn FnMut(&Edge) -> Arc<Judgement>) -> Self {
        let mut judge = |it: Direction| link.reports(it).then(|| verdicts(&link.edge(it, Detail::Full)));
        let egress = judge(Direction::Egress);
        let is_dropped = egress.as_ref().is_some_and(|it| action_of(it) == RecordedAction::Deny);
        let ingress = if is_dropped { None } else { judge(Direction::Ingress) };
        Self { egress, ingress }
    }

    /// Returns how many edges the link shows.
    pub(super) fn edges(&self) -> u64 {
        u64::from(self.egress.is_some()) + u64::from(self.ingress.is_some())
    }

    fn fate(&self) -> Fate {
        let denies =
            |it: &Option<Arc<Judgement>>| it.as_ref().is_some_and(|it| action_of(it) == RecordedAction::Deny);
        if denies(&self.egress) || denies(&self.ingress) { Fate::Dropped } else { Fate::Connected }
    }
}

/// Returns what the record says was done. What the policies alone do not settle was let through: that is what the
/// traffic of a running application looks like.
fn action_of(judgement: &Judgement) -> RecordedAction {
    match judgement.enforced.answer {
        Answer::Deny => RecordedAction::Deny,
        Answer::Allow | Answer::Undetermined(_) => RecordedAction::Allow,
    }
}

/// Returns how much a record of that action keeps.
pub(super) fn detail_of(action: RecordedAction) -> Detail {
    match action {
        RecordedAction::Allow => Detail::Aggregated,
        RecordedAction::Deny => Detail::Full,
    }
}

impl Prepared {
    /// Judges a link and writes what never changes of its records.
    pub(super) fn new(number: u64, link: &Link, judged: &Judged) -> Self {
        let half = |direction, judgement: &Option<Arc<Judgement>>, nodes: &Vec<u32>| {
            judgement.as_ref().map(|judgement| {
                let action = action_of(judgement);
                let text = fixed_text(link, number, direction, action, detail_of(action), judgement);
                Half { direction, action, text, nodes: nodes.clone() }
            })
        };
        Self {
            number,
            fate: judged.fate(),
            egress: half(Direction::Egress, &judged.egress, &link.source.nodes),
            ingress: half(Direction::Ingress, &judged.ingress, &link.dest.nodes),
        }
    }

    /// Returns how many edges the link shows.
    pub(super) fn edges(&self) -> u64 {
        u64::from(self.egress.is_some()) + u64::from(self.ingress.is_some())
    }
}
