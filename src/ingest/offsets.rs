//! Offsets as plain values, without a client: where to start, how far delivery is, what is committed.

use std::collections::BTreeMap;

use rdkafka::Offset;

use super::port::{Committed, From, Log, LogPartition};

/// Where a partition that was just assigned begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// At what was committed.
    Committed(Committed),
    /// At the earliest record, wherever that is.
    Beginning,
    /// Where the broker says that this is: an edge of the log, or a timestamp in the place of an offset.
    Ask(Offset),
}

impl Start {
    /// Decides where `log` begins, given what was committed for the partition.
    ///
    /// `from` decides at the `first` assignment of a process that holds flows, and only there: what is assigned
    /// later was read by a member of the group before, or is a new partition and must be read from its beginning.
    /// It is about the flows. Partials are what the group wrote itself, and skipping some would lose results, so of
    /// them `from` can only make more to be read.
    pub(super) fn decide(log: Log, committed: Option<Committed>, from: From, first: bool) -> Self {
        let left = committed.map_or(Self::Beginning, Self::Committed);
        match (first, log, from) {
            (false, _, _) | (true, _, From::Committed) => left,
            (true, Log::Flows, From::Earliest) => Self::Ask(Offset::Beginning),
            (true, Log::Partials, From::Earliest) => Self::Beginning,
            (true, Log::Flows, From::Latest) => Self::Ask(Offset::End),
            (true, Log::Flows, From::Timestamp(at)) => Self::Ask(Offset::Offset(at.as_millis().max(0))),
            (true, Log::Partials, From::Latest | From::Timestamp(_)) => left,
        }
    }
}

/// How far the delivery of each assigned partition is.
#[derive(Debug, Default)]
pub(super) struct Positions {
    flows: Vec<Option<Position>>,
    partials: Vec<Option<Position>>,
}

/// How far the delivery of one partition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Position {
    /// The lowest offset that was not delivered.
    pub(super) next: i64,
    /// Where the log ended when the partition was assigned.
    pub(super) end: i64,
}

impl Positions {
    /// Starts to follow a partition.
    pub(super) fn open(&mut self, partition: LogPartition, position: Position) {
        let Ok(idx) = usize::try_from(partition.partition) else { return };
        let all = self.of_mut(partition.log);
        if all.len() <= idx {
            all.resize(idx + 1, None);
        }
        all[idx] = Some(position);
    }

    /// Stops following a partition.
    pub(super) fn close(&mut self, partition: LogPartition) {
        if let Some(slot) = self.slot(partition) {
            *slot = None;
        }
    }

    /// Notes that the record at `offset` is about to be delivered. Refuses a record of a partition that is not ours,
    /// and one that was delivered before.
    pub(super) fn accept(&mut self, partition: LogPartition, offset: i64) -> bool {
        match self.slot(partition) {
            Some(Some(position)) if offset >= position.next => {
                position.next = offset + 1;
                true
            }
            _ => false,
        }
    }

    /// Returns how far a partition is, where it is ours.
    pub(super) fn get(&self, partition: LogPartition) -> Option<Position> {
        let all = match partition.log {
            Log::Flows => &self.flows,
            Log::Partials => &self.partials,
        };
        *all.get(usize::try_from(partition.partition).ok()?)?
    }

    /// Iterates over the partitions that are ours.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LogPartition, Position)> {
        let one = |log, all: &[Option<Position>]| {
            (0..)
                .zip(all)
                .filter_map(move |(partition, it)| Some((LogPartition { log, partition }, (*it)?)))
                .collect()
        };
        let flows: Vec<_> = one(Log::Flows, &self.flows);
        flows.into_iter().chain(one(Log::Partials, &self.partials))
    }

    fn of_mut(&mut self, log: Log) -> &mut Vec<Option<Position>> {
        match log {
            Log::Flows => &mut self.flows,
            Log::Partials => &mut self.partials,
        }
    }

    fn slot(&mut self, partition: LogPartition) -> Option<&mut Option<Position>> {
        let idx = usize::try_from(partition.partition).ok()?;
        self.of_mut(partition.log).get_mut(idx)
    }
}

/// What is known of each assigned partition's commits.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<LogPartition, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    noted: Option<Committed>,
    sent: Option<Committed>,
    confirmed: Option<Committed>,
}

impl Entry {
    fn due(&self) -> Option<&Committed> {
        self.noted.as_ref().filter(|&noted| self.confirmed.as_ref() != Some(noted))
    }
}

impl Ledger {
    /// Opens an entry for a partition that is now ours; what the broker already has is confirmed.
    pub(super) fn open(&mut self, partition: LogPartition, confirmed: Option<Committed>) {
        self.entries.insert(partition, Entry { noted: None, sent: None, confirmed });
    }

    /// Closes the entry of a partition that is no longer ours.
    pub(super) fn close(&mut self, partition: LogPartition) {
        self.entries.remove(&partition);
    }

    /// Notes what may be committed; dropped for a partition that is not ours.
    pub(super) fn note(&mut self, partition: LogPartition, committed: Committed) {
        if let Some(entry) = self.entries.get_mut(&partition) {
            entry.noted = Some(committed);
        }
    }

    /// Returns what the broker does not have yet.
    pub(super) fn due(&self) -> Vec<(LogPartition, Committed)> {
        self.entries.iter().filter_map(|(&it, entry)| Some((it, entry.due()?.clone()))).collect()
    }

    /// Notes that a commit is on its way.
    pub(super) fn sent(&mut self, commits: &[(LogPartition, Committed)]) {
        for (partition, committed) in commits {
            if let Some(entry) = self.entries.get_mut(partition) {
                entry.sent = Some(committed.clone());
            }
        }
    }

    /// Notes that the broker has `answered`, if that is what was last sent. An answer to an older commit confirms
    /// nothing: the newer one is still under way, and is sent again if it fails.
    pub(super) fn confirm(&mut self, partition: LogPartition, answered: &Committed) {
        if let Some(entry) = self.entries.get_mut(&partition)
            && entry.sent.as_ref() == Some(answered)
        {
            entry.confirmed = entry.sent.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventTime;

    const P0: LogPartition = LogPartition { log: Log::Flows, partition: 0 };

    fn at(offset: i64, metadata: &str) -> Committed {
        Committed { offset, metadata: metadata.to_owned() }
    }

    #[test]
    fn a_note_stays_due_until_the_broker_confirms_it() {
        let mut ledger = Ledger::default();
        ledger.open(P0, None);
        ledger.note(P0, at(7, "a"));
        assert_eq!(ledger.due(), [(P0, at(7, "a"))]);
        let due = ledger.due();
        ledger.sent(&due);
        assert_eq!(ledger.due(), due, "sent is not confirmed");
        ledger.confirm(P0, &at(7, "a"));
        assert_eq!(ledger.due(), []);
    }

    #[test]
    fn new_metadata_at_the_same_offset_is_due_again() {
        let mut ledger = Ledger::default();
        ledger.open(P0, Some(at(7, "a")));
        ledger.note(P0, at(7, "a"));
        assert_eq!(ledger.due(), []);
        ledger.note(P0, at(7, "b"));
        assert_eq!(ledger.due(), [(P0, at(7, "b"))]);
    }

    #[test]
    fn a_late_answer_to_an_older_commit_confirms_nothing() {
        let mut ledger = Ledger::default();
        ledger.open(P0, None);
        for metadata in ["old", "new"] {
            ledger.note(P0, at(3, metadata));
            let due = ledger.due();
            ledger.sent(&due);
        }
        ledger.confirm(P0, &at(3, "old"));
        assert_eq!(ledger.due(), [(P0, at(3, "new"))]);
    }

    #[test]
    fn a_note_for_a_partition_that_is_not_ours_is_dropped() {
        let mut ledger = Ledger::default();
        ledger.note(P0, at(1, ""));
        ledger.open(P0, None);
        ledger.note(P0, at(2, ""));
        ledger.close(P0);
        ledger.note(P0, at(3, ""));
        assert_eq!(ledger.due(), []);
    }

    #[track_caller]
    fn check_start(log: Log, from: From, first: bool, committed: Option<i64>, expect: &Start) {
        assert_eq!(Start::decide(log, committed.map(|it| at(it, "m")), from, first), *expect);
    }

    #[test]
    fn a_later_assignment_goes_on_where_the_group_was() {
        for from in [From::Earliest, From::Latest, From::Timestamp(EventTime::from_millis(5))] {
            check_start(Log::Flows, from, false, Some(9), &Start::Committed(at(9, "m")));
            check_start(Log::Flows, from, false, None, &Start::Beginning);
        }
    }

    #[test]
    fn the_first_assignment_begins_where_it_was_told() {
        check_start(Log::Flows, From::Committed, true, Some(9), &Start::Committed(at(9, "m")));
        check_start(Log::Flows, From::Committed, true, None, &Start::Beginning);
        check_start(Log::Flows, From::Earliest, true, Some(9), &Start::Ask(Offset::Beginning));
        check_start(Log::Flows, From::Latest, true, None, &Start::Ask(Offset::End));
        let then = From::Timestamp(EventTime::from_millis(5));
        check_start(Log::Flows, then, true, Some(9), &Start::Ask(Offset::Offset(5)));
    }

    #[test]
    fn partials_are_never_skipped() {
        check_start(Log::Partials, From::Latest, true, Some(9), &Start::Committed(at(9, "m")));
        check_start(Log::Partials, From::Latest, true, None, &Start::Beginning);
        check_start(Log::Partials, From::Earliest, true, Some(9), &Start::Beginning);
    }

    #[test]
    fn a_record_is_delivered_once_and_only_while_its_partition_is_ours() {
        let mut positions = Positions::default();
        assert!(!positions.accept(P0, 4), "not assigned");
        positions.open(P0, Position { next: 4, end: 7 });
        assert!(!positions.accept(P0, 3), "before the start");
        assert!(positions.accept(P0, 4));
        assert!(!positions.accept(P0, 4), "a second time");
        assert!(positions.accept(P0, 9), "a gap is the log's own");
        assert_eq!(positions.get(P0), Some(Position { next: 10, end: 7 }));
        positions.close(P0);
        assert!(!positions.accept(P0, 13), "revoked");
        assert_eq!(positions.iter().count(), 0);
    }
}
