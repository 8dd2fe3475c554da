//! A worker's memory of judgements.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::change::Change;
use super::ends::{End, EndId, Ends};
use super::judging::{self, Case, Scratch};
use super::met::Met;
use super::programs::Programs;
use super::verdict::{Judgement, JudgementId};
use crate::model::{Direction, Edge, Endpoint, Protocol};

/// Answers by class beyond this many are forgotten all at once: a million, some thirty megabytes. Forgetting costs a
/// walk for each that comes again.
const MEMO_MAX: usize = 1_000_000;

/// Everything that a judgement of an edge depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    /// The ends, by their places.
    subject: u32,
    peer: u32,
    port_class: u32,
    protocol: Protocol,
    direction: Direction,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { subject, peer, port_class, protocol, direction } = *self;
        state.write_u64((u64::from(subject) << 32) | u64::from(peer));
        let direction = u64::from(direction == Direction::Egress);
        state.write_u64((u64::from(port_class) << 16) | (u64::from(protocol.0) << 8) | direction);
    }
}

/// Judges edges under one revision and remembers what it said. Equal judgements are stored once.
///
/// ```text
///   edge --> (end of subject, end of peer) --no policy applies to the subject--> JudgementId
///        --> (end of subject, end of peer, protocol, port class) --memo--> JudgementId
///                    miss: walk both programs --> what was found --met--> JudgementId
///                                     miss: build the judgement, with trace, outcome and blame
/// ```
#[derive(Debug)]
pub struct Judge {
    programs: Arc<Programs>,
    /// Nothing at the places of judgements that were forgotten.
    judgements: Vec<Option<Arc<Judgement>>>,
    vacant: Vec<JudgementId>,
    known: HashMap<Arc<Judgement>, JudgementId, FixedState>,
    met: Met,
    memo: HashMap<Key, JudgementId, FixedState>,
    ends: Ends,
    resets: u64,
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
            met: Met::default(),
            memo: HashMap::default(),
            ends: Ends::new(),
            resets: 0,
            scratch: Scratch::default(),
        }
    }

    /// Makes a judge that may hold so many bytes of what it has met.
    #[cfg(test)]
    pub(super) fn bounded(programs: Arc<Programs>, bytes_max: usize) -> Self {
        Self { ends: Ends::bounded(bytes_max), ..Self::new(programs) }
    }

    /// Returns the programs it judges by.
    #[must_use]
    pub const fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Judges an edge.
    #[must_use]
    pub fn judge(&mut self, edge: &Edge) -> JudgementId {
        let (mut subject, peer) = (self.meet(&edge.subject), self.meet(&edge.peer));
        if self.ends.end(subject).is_none() {
            // To meet the peer everything had to be forgotten.
            subject = self.meet(&edge.subject);
        }
        let id = self.judge_between(subject, peer, edge.direction, edge.protocol, edge.port);
        id.unwrap_or(JudgementId(u32::MAX))
    }

    /// Returns the end that an endpoint is. Who keeps it need not show the endpoint again for each of its edges.
    #[must_use]
    pub fn meet(&mut self, endpoint: &Endpoint) -> EndId {
        if self.ends.is_full() {
            // Judgements stay: edges remember their ids.
            self.ends.forget();
            self.resets += 1;
            self.memo.clear();
            self.met = Met::default();
        }
        self.ends.id(&self.programs, endpoint)
    }

    /// Judges an edge between ends that were met; `port` is that of [`Edge::port`]. Nothing where they were forgotten
    /// since; then they must be met again.
    #[must_use]
    pub fn judge_between(
        &mut self,
        subject: EndId,
        peer: EndId,
        direction: Direction,
        protocol: Protocol,
        port: Option<u16>,
    ) -> Option<JudgementId> {
        let ends = (self.ends.end(subject)?, self.ends.end(peer)?);
        if let Some(id) = self.ends.settled(ends.0, direction) {
            return Some(id);
        }
        let (dest_port, icmp) = protocol.split_port(port);
        let port_class = match icmp {
            // Messages are not told apart by class: there are few.
            Some(_) => port.map_or(0, |it| u32::from(it) + 1),
            None => self.programs.port_class(dest_port),
        };
        let key = Key { subject: subject.place, peer: peer.place, port_class, protocol, direction };
        if let Some(id) = self.memo.get(&key) {
            return Some(*id);
        }
        let service = judging::Service { direction, protocol, source_port: None, dest_port, icmp };
        let (id, is_settled) = self.judge_anew(ends, service)?;
        if is_settled {
            self.ends.settle(ends.0, direction, id);
            return Some(id);
        }
        if self.memo.len() >= MEMO_MAX {
            self.memo.clear();
        }
        self.memo.insert(key, id);
        Some(id)
    }

    /// Walks both programs. Also tells whether the judgement holds whatever the other end is.
    fn judge_anew(
        &mut self,
        (subject, peer): (End, End),
        service: judging::Service,
    ) -> Option<(JudgementId, bool)> {
        let Self { programs, ends, scratch, met, .. } = self;
        let direction = service.direction;
        let (source, dest) = match direction {
            Direction::Egress => (subject, peer),
            Direction::Ingress => (peer, subject),
        };
        let family = programs.family(source.families, dest.families, service.protocol);
        ends.make_plan(programs, subject, direction);
        let plan = ends.plan(subject, direction)?;
        let owner = ends.owner(subject);
        let (subject, peer) = (ends.class(subject, family)?, ends.class(peer, family)?);
        let case = Case { programs, plan, family, subject, peer, service };
        let is_settled = case.asks_nothing();
        case.walk_both(scratch);
        // Whom to blame takes more than was found, where there is a choice.
        let is_plain = scratch.pending.staged.len() < 2 || !scratch.may_blame();
        if is_plain && let Some(id) = met.find(&scratch.enforced, &scratch.pending, owner, direction) {
            return Some((id, is_settled));
        }
        let judgement = case.judgement(scratch);
        let id = self.intern(judgement);
        if is_plain {
            self.met.insert(id);
        }
        Some((id, is_settled))
    }

    /// Goes on under new programs. Judgements that `is_kept` keep their ids, for the edges that the change does not
    /// touch; the others are forgotten, and their ids given anew. See [`Change::touched`].
    pub fn advance(
        &mut self,
        programs: Arc<Programs>,
        change: &Change,
        mut is_kept: impl FnMut(JudgementId) -> bool,
    ) {
        let mut old = std::mem::replace(self, Self::new(programs));
        // Ids of ends that were given are void from now on.
        old.ends.forget();
        self.ends = old.ends;
        self.resets = old.resets;
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

    /// Returns how often, since the last call, what was met was forgotten because it took too much memory.
    pub const fn take_resets(&mut self) -> u64 {
        std::mem::replace(&mut self.resets, 0)
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
        let judgements = self.judgements.len() * (size_of::<Judgement>() + 256);
        memo + self.met.bytes() + judgements + self.ends.bytes()
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
