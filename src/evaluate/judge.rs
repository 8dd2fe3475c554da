//! A worker's memory of judgements.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{Equivalent, HashMap};

use super::change::Change;
use super::ends::{EndId, Ends};
use super::found::Walked;
use super::judging::{self, Case, Scratch};
use super::party::Owner;
use super::programs::Programs;
use super::verdict::Judgement;
use crate::model::{Direction, Edge, Protocol};

/// Answers by class beyond this many are forgotten all at once: a million, some thirty megabytes. Forgetting costs a
/// walk for each that comes again.
const MEMO_MAX: usize = 1_000_000;

/// A judgement by its place in a [`Judge`]'s table. Valid for the judge that gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JudgementId(pub u32);

/// Everything that a judgement of an edge depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    subject: EndId,
    peer: EndId,
    port_class: u32,
    protocol: Protocol,
    direction: Direction,
}

/// What was found, from which a judgement without blame follows.
#[derive(PartialEq, Eq, Debug)]
struct Found {
    enforced: Walked,
    pending: Walked,
    owner: Owner,
    direction: Direction,
}

/// A [`Found`] that is not owned.
struct FoundRef<'a> {
    enforced: &'a Walked,
    pending: &'a Walked,
    owner: &'a Owner,
    direction: Direction,
}

impl Hash for Found {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { enforced, pending, owner, direction } = self;
        FoundRef { enforced, pending, owner, direction: *direction }.hash(state);
    }
}

impl Hash for FoundRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.enforced.hash(state);
        self.pending.hash(state);
        self.owner.hash(state);
        self.direction.hash(state);
    }
}

impl Equivalent<Found> for FoundRef<'_> {
    fn equivalent(&self, key: &Found) -> bool {
        self.direction == key.direction
            && *self.owner == key.owner
            && *self.enforced == key.enforced
            && *self.pending == key.pending
    }
}

/// Judges edges under one revision and remembers what it said. Equal judgements are stored once.
///
/// ```text
///   edge --> (class of subject, class of peer, protocol, port class) --memo--> JudgementId
///                    miss: walk both programs --> what was found --known--> JudgementId
///                                     miss: build the judgement, with trace, outcome and blame
/// ```
#[derive(Debug)]
pub struct Judge {
    programs: Arc<Programs>,
    /// Nothing at the places of judgements that were forgotten.
    judgements: Vec<Option<Arc<Judgement>>>,
    vacant: Vec<JudgementId>,
    known: HashMap<Arc<Judgement>, JudgementId, FixedState>,
    found: HashMap<Found, JudgementId, FixedState>,
    memo: HashMap<Key, JudgementId, FixedState>,
    ends: Ends,
    scratch: Scratch,
}

impl Judge {
    /// Makes a judge that remembers nothing yet.
    #[must_use]
    pub fn new(programs: Arc<Programs>) -> Self {
        Self {
            programs,
            judgements: Vec::new(),
            vacant: Vec::new(),
            known: HashMap::default(),
            found: HashMap::default(),
            memo: HashMap::default(),
            ends: Ends::default(),
            scratch: Scratch::default(),
        }
    }

    /// Returns the programs it judges by.
    #[must_use]
    pub const fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Judges an edge.
    #[must_use]
    pub fn judge(&mut self, edge: &Edge) -> JudgementId {
        let subject = self.ends.id(&self.programs, &edge.subject);
        let peer = self.ends.id(&self.programs, &edge.peer);
        let port_class = self.programs.port_class(edge.port);
        let (protocol, direction) = (edge.protocol, edge.direction);
        let key = Key { subject, peer, port_class, protocol, direction };
        if let Some(id) = self.memo.get(&key) {
            return *id;
        }
        let id = self.judge_classes(key, edge.port);
        if self.memo.len() >= MEMO_MAX {
            self.memo.clear();
        }
        self.memo.insert(key, id);
        id
    }

    fn judge_classes(&mut self, key: Key, port: Option<u16>) -> JudgementId {
        let Self { programs, ends, scratch, found, .. } = self;
        let (Some(subject), Some(peer)) = (ends.end(key.subject), ends.end(key.peer)) else {
            return JudgementId(u32::MAX);
        };
        let (source, dest) = match key.direction {
            Direction::Egress => (subject, peer),
            Direction::Ingress => (peer, subject),
        };
        let family = programs.family(source.families, dest.families, key.protocol);
        ends.make_plan(programs, subject, key.direction);
        let plan = ends.plan(subject, key.direction);
        let classes = (ends.class(subject, family), ends.class(peer, family));
        let (Some(plan), (Some(subject), Some(peer))) = (plan, classes) else {
            return JudgementId(u32::MAX);
        };
        let service = judging::Service {
            direction: key.direction,
            protocol: key.protocol,
            source_port: None,
            dest_port: port,
            icmp: None,
        };
        let case = Case { programs, plan, family, subject, peer, service };
        case.walk_both(scratch);
        // Whom to blame takes more than was found, where there is a choice.
        let is_plain = scratch.pending.staged.len() < 2 || !scratch.may_blame();
        if is_plain {
            let Scratch { enforced, pending, .. } = &*scratch;
            let found_ref = FoundRef { enforced, pending, owner: case.owner(), direction: key.direction };
            if let Some(id) = found.get(&found_ref) {
                return *id;
            }
        }
        let what = is_plain.then(|| Found {
            enforced: scratch.enforced.clone(),
            pending: scratch.pending.clone(),
            owner: case.owner().clone(),
            direction: key.direction,
        });
        let judgement = case.judgement(scratch);
        let id = self.intern(judgement);
        if let Some(what) = what {
            self.found.insert(what, id);
        }
        id
    }

    /// Goes on under new programs. Judgements that `is_kept` keep their ids, for the edges that the change does not
    /// touch; the others are forgotten, and their ids given anew. See [`Change::touched`].
    pub fn advance(
        &mut self,
        programs: Arc<Programs>,
        change: &Change,
        mut is_kept: impl FnMut(JudgementId) -> bool,
    ) {
        let old = std::mem::replace(self, Self::new(programs));
        // The index holds every judgement a second time.
        drop(old.known);
        for (judgement, id) in old.judgements.into_iter().zip((0_u32..).map(JudgementId)) {
            let kept = judgement.filter(|_| is_kept(id)).map(|it| renamed(it, change));
            if let Some(judgement) = &kept {
                self.known.entry(Arc::clone(judgement)).or_insert(id);
            } else {
                self.vacant.push(id);
            }
            self.judgements.push(kept);
        }
    }

    /// Stores a judgement, equal ones once.
    fn intern(&mut self, judgement: Judgement) -> JudgementId {
        if let Some(id) = self.known.get(&judgement) {
            return *id;
        }
        let judgement = Arc::new(judgement);
        let vacant = self.vacant.pop().and_then(|id| Some((id, usize::try_from(id.0).ok()?)));
        let id = match vacant.and_then(|(id, place)| Some((id, self.judgements.get_mut(place)?))) {
            Some((id, slot)) => {
                *slot = Some(Arc::clone(&judgement));
                id
            }
            None => {
                self.judgements.push(Some(Arc::clone(&judgement)));
                JudgementId(u32::try_from(self.judgements.len() - 1).unwrap_or(u32::MAX))
            }
        };
        self.known.insert(judgement, id);
        id
    }

    /// Returns a judgement that this judge gave; nothing for an id of another.
    #[must_use]
    pub fn judgement(&self, id: JudgementId) -> Option<&Arc<Judgement>> {
        self.judgements.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    /// Returns how many different judgements were given.
    #[must_use]
    pub fn len(&self) -> usize {
        self.judgements.len() - self.vacant.len()
    }

    /// Tells whether nothing was judged yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many classes of ends were met.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.ends.classes_len()
    }

    /// Estimates the memory held beside the programs, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let memo = self.memo.capacity() * (size_of::<Key>() + size_of::<JudgementId>() + 1);
        let found = self.found.capacity() * (size_of::<Found>() + size_of::<JudgementId>() + 1);
        let judgements = self.judgements.len() * (size_of::<Judgement>() + 256);
        memo + found + judgements + self.ends.bytes()
    }
}

/// Says by which places the policies of a judgement stand after a change.
fn renamed(mut judgement: Arc<Judgement>, change: &Change) -> Arc<Judgement> {
    if judgement.staged.iter().all(|hit| change.place(hit.policy) == Some(hit.policy)) {
        return judgement;
    }
    // A hit of a policy that is gone is of an edge that is touched.
    Arc::make_mut(&mut judgement).staged.retain_mut(|hit| {
        change.place(hit.policy).is_some_and(|place| {
            hit.policy = place;
            true
        })
    });
    judgement
}
