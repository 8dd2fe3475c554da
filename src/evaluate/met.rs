//! What walks have found before, each with the judgement that came of it.
//!
//! What a walk finds is written as a few words, so that to know it again is a hash and a comparison of memory that
//! lies together.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::found::{Hitter, Walked};
use super::verdict::JudgementId;
use crate::model::{Action, Direction};

/// Findings as words, and the table that finds them.
#[derive(Debug, Default)]
pub(super) struct Met {
    table: HashTable<Finding>,
    words: Vec<u32>,
    /// The finding that is asked about.
    asked: Vec<u32>,
    asked_hash: u64,
}

/// One finding: where its words stand.
#[derive(Debug)]
struct Finding {
    start: usize,
    count: usize,
    judgement: JudgementId,
}

impl Met {
    /// Returns the judgement of what was found for an end of `owner`, if it was met before.
    pub(super) fn find(
        &mut self,
        enforced: &Walked,
        pending: &Walked,
        owner: u32,
        direction: Direction,
    ) -> Option<JudgementId> {
        self.asked.clear();
        self.asked.extend([owner, u32::from(direction == Direction::Egress)]);
        for walked in [enforced, pending] {
            spell(walked, &mut self.asked);
        }
        self.asked_hash = hash(&self.asked);
        let Self { table, words, asked, .. } = self;
        table.find(self.asked_hash, |it| it.of(words) == asked.as_slice()).map(|it| it.judgement)
    }

    /// Remembers the judgement of what was asked about last.
    pub(super) fn insert(&mut self, judgement: JudgementId) {
        let finding = Finding { start: self.words.len(), count: self.asked.len(), judgement };
        self.words.extend_from_slice(&self.asked);
        let Self { table, words, .. } = self;
        table.insert_unique(self.asked_hash, finding, |it| hash(it.of(words)));
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.table.capacity() * (size_of::<Finding>() + 1) + self.words.capacity() * size_of::<u32>()
    }
}

impl Finding {
    fn of<'a>(&self, words: &'a [u32]) -> &'a [u32] {
        words.get(self.start..self.start + self.count).unwrap_or_default()
    }
}

fn hash(words: &[u32]) -> u64 {
    let mut state = FixedState::default().build_hasher();
    for word in words {
        state.write_u32(*word);
    }
    state.finish()
}

/// Writes everything that was found; the counts first, so that no two findings are written alike.
fn spell(walked: &Walked, out: &mut Vec<u32>) {
    let Walked { may_allow, may_deny, is_error, missing, hits, hits_before_doubt, staged } = walked;
    let flags = u32::from(*may_allow) | (u32::from(*may_deny) << 1) | (u32::from(*is_error) << 2);
    // More than the policies and profiles of a set there are not.
    let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    let before_doubt = hits_before_doubt.map_or(0, |it| count(it).saturating_add(1));
    out.extend([
        flags | (u32::from(missing.bits()) << 16),
        count(hits.len()),
        before_doubt,
        count(staged.len()),
    ]);
    for hit in hits {
        let action = match hit.action {
            Action::Allow => 0,
            Action::Deny => 1,
            Action::Pass => 2,
        };
        let (is_profile, by) = match hit.by {
            Hitter::Policy(policy) => (0, policy),
            Hitter::Profile(place) => (1, place),
        };
        let kind = action | (is_profile << 2) | (u32::from(hit.rule.is_some()) << 3);
        out.extend([kind, by, hit.rule.unwrap_or(hit.last)]);
    }
    out.extend(staged.iter().flat_map(|(policy, results)| [*policy, u32::from(results.bits())]));
}

#[cfg(test)]
mod tests {
    use super::super::found::{ActionSet, Hit, Results};
    use super::super::verdict::Missing;
    use super::*;

    /// Every part of a finding, changed alone.
    fn findings() -> Vec<Walked> {
        let hit = Hit { by: Hitter::Policy(1), action: Action::Allow, rule: Some(1), last: 0 };
        let of_hit = |hit: Hit| Walked { hits: vec![hit], ..Walked::default() };
        vec![
            Walked::default(),
            Walked { may_allow: true, ..Walked::default() },
            Walked { may_deny: true, ..Walked::default() },
            Walked { is_error: true, ..Walked::default() },
            Walked { missing: Missing::SOURCE_LABELS, ..Walked::default() },
            Walked { missing: Missing::ENDPOINT, ..Walked::default() },
            Walked { hits_before_doubt: Some(0), ..Walked::default() },
            Walked { hits_before_doubt: Some(1), ..Walked::default() },
            Walked { staged: vec![(1, Results::NO_MATCH)], ..Walked::default() },
            Walked { staged: vec![(1, Results::of(ActionSet::only(Action::Deny)))], ..Walked::default() },
            Walked { staged: vec![(2, Results::NO_MATCH)], ..Walked::default() },
            Walked { staged: vec![(2, Results::NO_MATCH); 2], ..Walked::default() },
            of_hit(hit),
            of_hit(Hit { by: Hitter::Policy(2), ..hit }),
            of_hit(Hit { by: Hitter::Profile(1), ..hit }),
            of_hit(Hit { action: Action::Deny, ..hit }),
            of_hit(Hit { action: Action::Pass, ..hit }),
            of_hit(Hit { rule: Some(2), ..hit }),
            of_hit(Hit { rule: None, last: 1, ..hit }),
            of_hit(Hit { rule: None, last: 2, ..hit }),
            Walked { hits: vec![hit, hit], ..Walked::default() },
        ]
    }

    #[test]
    fn no_two_findings_are_one() {
        let mut met = Met::default();
        let mut given = Vec::new();
        for enforced in &findings() {
            for pending in &findings() {
                for owner in [0, 1] {
                    for direction in [Direction::Ingress, Direction::Egress] {
                        assert_eq!(met.find(enforced, pending, owner, direction), None);
                        let id = JudgementId(u32::try_from(given.len()).unwrap());
                        met.insert(id);
                        given.push((enforced.clone(), pending.clone(), owner, direction, id));
                    }
                }
            }
        }
        for (enforced, pending, owner, direction, id) in given {
            assert_eq!(met.find(&enforced, &pending, owner, direction), Some(id));
        }
    }
}
