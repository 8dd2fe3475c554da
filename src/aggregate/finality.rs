//! When all input partitions have passed a pane.

use std::collections::BTreeMap;

use super::pane::Pane;
use crate::model::{Offset, PartitionId};

/// The frontiers of all input partitions, as the partials log tells them.
#[derive(Debug, Default)]
pub(super) struct Finalities {
    frontiers: BTreeMap<PartitionId, Known>,
    partitions: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    upto: Offset,
    closed: Option<Pane>,
    newest: Option<Pane>,
    idle: bool,
}

impl Finalities {
    /// Notes a frontier, unless a later one is known.
    pub(super) fn note(
        &mut self,
        partition: PartitionId,
        upto: Offset,
        closed: Option<Pane>,
        newest: Option<Pane>,
        partitions: u32,
        idle: bool,
    ) {
        self.partitions = self.partitions.max(partitions);
        let news = Known { upto, closed, newest, idle };
        self.frontiers
            .entry(partition)
            .and_modify(|known| {
                if upto >= known.upto {
                    *known = news;
                }
            })
            .or_insert(news);
    }

    /// Tells whether every input partition has told its frontier.
    pub(super) fn heard_of_all(&self) -> bool {
        let is_known = |it| i32::try_from(it).is_ok_and(|it| self.frontiers.contains_key(&PartitionId(it)));
        self.partitions > 0 && (0..self.partitions).all(is_known)
    }

    /// Returns the first pane that some input partition has not passed; nothing while some partition was not heard of.
    ///
    /// A partition without new records for some time has declared itself idle and holds nobody back. When all are
    /// idle, every pane that they have seen counts as passed.
    pub(super) fn shut(&self) -> Option<Pane> {
        if !self.heard_of_all() {
            return None;
        }
        let busy = self.frontiers.values().filter(|it| !it.idle);
        match busy.map(|it| it.closed).min() {
            Some(closed) => closed,
            None => self.frontiers.values().filter_map(|it| it.newest).max().map(Pane::next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One frontier a partition: (closed, newest, idle).
    #[track_caller]
    fn check(partitions: u32, frontiers: &[(i64, i64, bool)], expect: Option<i64>) {
        let mut all = Finalities::default();
        for (partition, (closed, newest, idle)) in (0..).zip(frontiers) {
            let (closed, newest) = (Some(Pane(*closed)), Some(Pane(*newest)));
            all.note(PartitionId(partition), Offset(1), closed, newest, partitions, *idle);
        }
        assert_eq!(all.shut(), expect.map(Pane));
    }

    #[test]
    fn the_slowest_partition_decides() {
        check(2, &[(10, 12, false), (7, 9, false)], Some(7));
    }

    #[test]
    fn a_partition_that_was_not_heard_of_holds_everything_open() {
        check(3, &[(10, 12, false), (7, 9, false)], None);
    }

    #[test]
    fn an_idle_partition_holds_nobody_back() {
        check(2, &[(10, 12, false), (7, 9, true)], Some(10));
    }

    #[test]
    fn when_all_are_idle_everything_seen_has_passed() {
        check(2, &[(10, 12, true), (7, 9, true)], Some(13));
    }

    #[test]
    fn an_older_frontier_does_not_replace_a_later_one() {
        let mut all = Finalities::default();
        let note = |all: &mut Finalities, upto, closed| {
            all.note(PartitionId(0), Offset(upto), Some(Pane(closed)), None, 1, false);
        };
        note(&mut all, 5, 9);
        note(&mut all, 4, 3);
        assert_eq!(all.shut(), Some(Pane(9)));
    }
}
