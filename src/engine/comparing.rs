//! Recorded traces against our own, flow by flow.
//!
//! ```text
//!   flow --(same texts as this edge's last)--> + 1                                    nearly always
//!     | no
//!   texts --intern--> parsed once --(edge, texts, phase)--memo--> + 1
//!                                     | new
//!                       the edge's judgement says the same, or the checker's ------> agrees, checker
//!                                     | no
//!                       a closer look, of which there are so many between two calls
//! ```

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::judging::Judging;
use crate::aggregate::{EdgeIdx, EdgeTable};
use crate::evaluate::{Agreement, Judge, Judgement, JudgementId, Phase, Programs, Recorded, TruthCheck};
use crate::model::{Edge, EventTime, Flow, RecordedAction, Trace, TraceText};

/// Reads a trace as records spell it; nothing where it cannot be read, or does not tell who made a hit.
pub type ReadTrace = fn(TraceText<'_>) -> Option<Trace>;

/// How recorded traces stand to a flow's judgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compared {
    /// They were compared.
    Traces {
        /// The trace of what was enforced.
        enforced: Agreement,
        /// The pending trace.
        pending: Agreement,
    },
    /// They were not: closer looks were due at too many flows at once.
    Skipped,
}

/// How far apart a change may be in the cluster and in what is loaded: a file that is mounted from the cluster follows
/// within some ninety seconds, and a folder is looked at every few.
const CHANGE_MARGIN: Duration = Duration::from_mins(2);

/// Different traces that are kept. There are about as many as policies times ways past them.
const TEXTS_MAX: usize = 16_384;

/// Bytes of their texts. Traces of a cluster have a few hundred each; a record may have many thousands.
const TEXT_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Edges with their traces that are kept, for edges whose records change between traces.
const MEMO_MAX: usize = 262_144;

/// Closer looks between two calls of [`Engine::drain_compared`](super::Engine::drain_compared), where flows are not to
/// wait for them long. Most cost some tenths of a millisecond; one at an end of many different pods, or among thousands of
/// policies that name prefixes, may cost a thousand times as much.
pub const LOOKS_LIVE: u32 = 16;

/// What a record says of its verdict, read once.
#[derive(Debug)]
struct Texts {
    enforced: Box<str>,
    pending: Box<str>,
    action: RecordedAction,
    enforced_trace: Trace,
    pending_trace: Trace,
}

impl Texts {
    fn is_of(&self, flow: &Flow<'_>) -> bool {
        self.action == flow.action && *self.enforced == *flow.enforced.0 && *self.pending == *flow.pending.0
    }
}

/// What was found for an edge's last flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    texts: u32,
    found: u32,
    phase: Phase,
}

const NEVER: Seen = Seen { texts: u32::MAX, found: 0, phase: Phase::NONE };

/// Compares, remembers by edge, and counts.
#[derive(Debug)]
pub(super) struct Comparing {
    read: Option<ReadTrace>,
    check: TruthCheck,
    programs: Arc<Programs>,
    // Made when first needed.
    checker: Option<Judge>,
    newest: EventTime,
    seen: Vec<Seen>,
    texts: Vec<Texts>,
    texts_by_key: HashMap<Box<str>, u32>,
    text_bytes: usize,
    key: String,
    memo: HashMap<(EdgeIdx, u32, Phase), u32>,
    // Flows by what was found; a few rows.
    counts: Vec<(Compared, u64)>,
    looks: u32,
    looks_max: u32,
    // Edges that were skipped, each once: they cost nothing until it is their turn.
    waiting: VecDeque<EdgeIdx>,
    is_waiting: HashSet<EdgeIdx>,
}

impl Comparing {
    pub(super) fn new(programs: Arc<Programs>) -> Self {
        Self {
            read: None,
            check: TruthCheck::new(Arc::clone(&programs), CHANGE_MARGIN),
            programs,
            checker: None,
            newest: EventTime::MIN,
            seen: Vec::new(),
            texts: Vec::new(),
            texts_by_key: HashMap::new(),
            text_bytes: 0,
            key: String::new(),
            memo: HashMap::new(),
            counts: Vec::new(),
            looks: 0,
            looks_max: 0,
            waiting: VecDeque::new(),
            is_waiting: HashSet::new(),
        }
    }

    pub(super) const fn begin(&mut self, read: ReadTrace, looks_max: u32) {
        self.read = Some(read);
        self.looks_max = looks_max;
    }

    /// Goes on under new programs. Those before are kept, for connections that are older; when they were in force in
    /// the cluster is not known better than by the flows that came with them.
    pub(super) fn change(&mut self, programs: Arc<Programs>) {
        if programs.revision() != self.programs.revision() {
            self.check.change(self.newest, Arc::clone(&programs));
            self.check.keep(2);
        }
        self.programs = programs;
        self.checker = None;
        self.forget_edges();
    }

    /// Forgets what was found for edges: they are numbered anew.
    pub(super) fn forget_edges(&mut self) {
        self.seen.clear();
        self.memo.clear();
        self.waiting.clear();
        self.is_waiting.clear();
    }

    /// Returns how often, since the last call, the judge by the checker's rules had to forget what it had met.
    pub(super) fn take_resets(&mut self) -> u64 {
        self.checker.as_mut().map_or(0, Judge::take_resets)
    }

    /// Compares one flow with the judgement of its edge: the hot path.
    #[inline]
    pub(super) fn count(
        &mut self,
        edges: &EdgeTable,
        edge: EdgeIdx,
        judging: &Judging,
        judgement: JudgementId,
        flow: &Flow<'_>,
    ) {
        let Some(read) = self.read else { return };
        self.newest = self.newest.max(flow.end);
        let phase = self.check.phase(flow.start, flow.end);
        if let Some(seen) = self.seen.get(edge.0 as usize)
            && seen.phase == phase
            && self.texts.get(seen.texts as usize).is_some_and(|it| it.is_of(flow))
            && let Some((_, flows)) = self.counts.get_mut(seen.found as usize)
        {
            *flows += 1;
            return;
        }
        self.count_anew(edges, edge, judging.by_id(judgement).map(AsRef::as_ref), flow, phase, read);
    }

    #[cold]
    fn count_anew(
        &mut self,
        edges: &EdgeTable,
        edge: EdgeIdx,
        judgement: Option<&Judgement>,
        flow: &Flow<'_>,
        phase: Phase,
        read: ReadTrace,
    ) {
        let (Some(row), Some(judgement)) = (edges.row(edge), judgement) else { return };
        let texts = self.intern(flow, read);
        if let Some(found) = self.memo.get(&(edge, texts, phase)).copied() {
            self.remember(edge, Seen { texts, found, phase });
            self.add(found);
            return;
        }
        let compared = self.compare(&row.edge, texts, judgement, flow);
        let found = self.place(compared);
        self.add(found);
        match compared {
            Compared::Traces { .. } => {
                if self.memo.len() >= MEMO_MAX {
                    self.memo.clear();
                }
                self.memo.insert((edge, texts, phase), found);
            }
            Compared::Skipped => {
                if self.is_waiting.insert(edge) {
                    self.waiting.push_back(edge);
                }
            }
        }
        self.remember(edge, Seen { texts, found, phase });
    }

    fn compare(&mut self, edge: &Edge, texts: u32, judgement: &Judgement, flow: &Flow<'_>) -> Compared {
        let Self { check, programs, checker, texts: all, looks, looks_max, .. } = self;
        let Some(texts) = all.get(texts as usize) else { return Compared::Skipped };
        let recorded = Recorded {
            edge,
            start: flow.start,
            end: flow.end,
            action: texts.action,
            enforced: &texts.enforced_trace,
            pending: &texts.pending_trace,
        };
        let enforced = check.enforced_at_a_glance(&recorded, &judgement.enforced);
        let by_checker = || {
            if checker.is_none() {
                *checker = programs.checker().cloned().map(Judge::new);
            }
            let checker = checker.as_mut()?;
            let id = checker.judge(edge);
            checker.judgement(id).map(Arc::clone)
        };
        let pending = check.pending_at_a_glance(&recorded, &judgement.pending, by_checker);
        if let (Some(enforced), Some(pending)) = (enforced, pending) {
            return Compared::Traces { enforced, pending };
        }
        if *looks >= *looks_max {
            return Compared::Skipped;
        }
        *looks += 1;
        Compared::Traces {
            enforced: enforced.unwrap_or_else(|| check.enforced(&recorded)),
            pending: pending.unwrap_or_else(|| check.pending(&recorded)),
        }
    }

    /// Returns the number of a flow's texts, which are read when they are new.
    fn intern(&mut self, flow: &Flow<'_>, read: ReadTrace) -> u32 {
        let Flow { enforced, pending, action, .. } = flow;
        self.key.clear();
        // A trace has no control characters but its line ends.
        let mark = match action {
            RecordedAction::Allow => "\u{1}",
            RecordedAction::Deny => "\u{2}",
        };
        for part in [enforced.0, mark, pending.0] {
            self.key.push_str(part);
        }
        if let Some(known) = self.texts_by_key.get(self.key.as_str()) {
            return *known;
        }
        if self.texts.len() >= TEXTS_MAX || self.text_bytes >= TEXT_BYTES_MAX {
            self.texts.clear();
            self.texts_by_key.clear();
            self.text_bytes = 0;
            self.forget_edges();
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        // Their names have to be those of the policies that they are compared with.
        let version = self.programs.set().version();
        let named = |text| read(text).unwrap_or_default().named_by(version);
        self.texts.push(Texts {
            enforced: enforced.0.into(),
            pending: pending.0.into(),
            action: *action,
            enforced_trace: named(*enforced),
            pending_trace: named(*pending),
        });
        self.text_bytes += self.key.len();
        self.texts_by_key.insert(self.key.as_str().into(), number);
        number
    }

    fn remember(&mut self, edge: EdgeIdx, seen: Seen) {
        let idx = edge.0 as usize;
        if idx >= self.seen.len() {
            self.seen.resize(idx + 1, NEVER);
        }
        if let Some(it) = self.seen.get_mut(idx) {
            *it = seen;
        }
    }

    /// Returns the row of a finding, which is made when it is new.
    fn place(&mut self, compared: Compared) -> u32 {
        let known = self.counts.iter().position(|(it, _)| *it == compared);
        let place = known.unwrap_or_else(|| {
            self.counts.push((compared, 0));
            self.counts.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    fn add(&mut self, found: u32) {
        if let Some((_, flows)) = self.counts.get_mut(found as usize) {
            *flows += 1;
        }
    }

    /// Hands out what was counted since the last call.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Compared, u64)) {
        self.looks = 0;
        for _ in 0..self.looks_max {
            let Some(edge) = self.waiting.pop_front() else { break };
            self.is_waiting.remove(&edge);
            if let Some(seen) = self.seen.get_mut(edge.0 as usize) {
                *seen = NEVER;
            }
        }
        for (compared, flows) in &mut self.counts {
            if *flows > 0 {
                each(*compared, std::mem::take(flows));
            }
        }
    }
}
