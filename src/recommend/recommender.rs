//! The recommender: what every namespace was seen to need, and what was last proposed for it.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Config;
use super::draft::{draft, fingerprint};
use super::evidence::{Asked, Evidence};
use super::form::{Form, Known};
use super::generalize::{Generalized, Generalizer, Lift};
use super::lifecycle::status;
use super::naming::Naming;
use super::need::{Need, NeedKey, Omitted, Seen};
use super::recommendation::{Fingerprint, Learned, Reason, Recommendation, Status, Withheld};
use super::verify::verify;
use crate::aggregate::ClosedWindow;
use crate::evaluate::Programs;
use crate::model::{Direction, EventTime, Name};
use crate::policy::Revision;

/// Edges that are shown as examples of what a withheld recommendation would deny. One is often enough to see why.
const EXAMPLES_MAX: usize = 3;

/// Learns from closed windows and proposes one staged policy for each namespace.
///
/// Its answers are a function of the windows and policy sets that it was given: it has no clock, no random names, and
/// the same input gives the same bytes.
#[derive(Debug)]
pub struct Recommender {
    config: Config,
    namespaces: BTreeMap<Name, State>,
}

/// What is known of one namespace.
#[derive(Debug)]
struct State {
    needs: BTreeMap<NeedKey, Seen>,
    learning_since: EventTime,
    window_end: EventTime,
    rules: Option<Rules>,
    published: Option<Published>,
}

/// The rules that were drafted last.
#[derive(Clone, Copy, Debug)]
struct Rules {
    fingerprint: Fingerprint,
    changed: EventTime,
}

/// What is published, or was published last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Published {
    fingerprint: Fingerprint,
    changed: EventTime,
    status: Status,
    window_end: EventTime,
}

impl Recommender {
    /// Makes a recommender that has learned nothing yet.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config, namespaces: BTreeMap::new() }
    }

    /// Goes on from what another owner of the namespace had learned and published. What is known here of later windows
    /// stays.
    pub fn restore(&mut self, learned: &Learned) {
        let Learned {
            namespace,
            status,
            needs,
            fingerprint,
            window_end,
            learning_since,
            changed,
            policy_set: _,
        } = learned;
        let state = self.namespaces.entry(namespace.clone()).or_insert_with(|| State::new(*learning_since));
        for Need { key, seen } in needs {
            state.see(key.clone(), *seen);
        }
        state.learning_since = state.learning_since.min(*learning_since);
        if state.published.is_none_or(|it| it.window_end < *window_end) {
            let (fingerprint, changed) = (*fingerprint, *changed);
            let (status, window_end) = (*status, *window_end);
            state.published = Some(Published { fingerprint, changed, status, window_end });
        }
        if state.window_end < *window_end {
            state.window_end = *window_end;
            state.rules = Some(Rules { fingerprint: *fingerprint, changed: *changed });
        }
    }

    /// Forgets a namespace that another process owns now.
    pub fn forget(&mut self, namespace: &Name) {
        self.namespaces.remove(namespace);
    }

    /// Learns from a window and returns the recommendation if it is to be published: when its rules or its status
    /// changed, and in between so often that its evidence stays fresh. Nothing for excluded namespaces, for those
    /// that nothing is known of, and for windows before one that was already observed.
    ///
    /// # Errors
    ///
    /// When a recommendation was made that must not be published. It is made again with the next window.
    pub fn observe(
        &mut self,
        window: &ClosedWindow,
        programs: &Programs,
    ) -> Option<Result<Recommendation, Withheld>> {
        let Self { config, namespaces } = self;
        if config.excludes(&window.namespace) {
            return None;
        }
        let mut evidence = Evidence::of(window, programs, config);
        if evidence.needs.is_empty() && !namespaces.contains_key(&window.namespace) {
            return None;
        }
        let state = namespaces.entry(window.namespace.clone()).or_insert_with(|| State::new(window.start));
        if window.end < state.window_end {
            return None;
        }
        state.learn(&mut evidence, window.end, config);
        state.propose(window, &evidence, programs, config).transpose()
    }
}

impl State {
    const fn new(learning_since: EventTime) -> Self {
        Self {
            needs: BTreeMap::new(),
            learning_since,
            window_end: EventTime::MIN,
            rules: None,
            published: None,
        }
    }

    fn see(&mut self, key: NeedKey, seen: Seen) {
        self.needs.entry(key).and_modify(|it| *it = it.join(seen)).or_insert(seen);
    }

    /// Takes in the needs of a window. A quiet window takes nothing away; age does, if it is set to.
    fn learn(&mut self, evidence: &mut Evidence, window_end: EventTime, config: &Config) {
        self.window_end = window_end;
        let mut kept = BTreeMap::<NeedKey, Asked>::new();
        for (key, asked) in std::mem::take(&mut evidence.needs) {
            let room = self.needs.len() < config.needs_max || self.needs.contains_key(&key);
            let key = if room { key } else { key.coarser(|it| config.is_private(it)) };
            self.see(key.clone(), asked.seen());
            kept.entry(key).and_modify(|it| it.absorb(&asked)).or_insert(asked);
        }
        evidence.needs = kept;
        if let Some(age_max) = config.evidence_age_max {
            let oldest = window_end.minus(age_max);
            self.needs.retain(|_, seen| seen.last >= oldest);
        }
    }

    fn propose(
        &mut self,
        window: &ClosedWindow,
        evidence: &Evidence,
        programs: &Programs,
        config: &Config,
    ) -> Result<Option<Recommendation>, Withheld> {
        let withheld = |reason| Withheld {
            namespace: window.namespace.clone(),
            window_end: window.end,
            policy_set: programs.revision(),
            reason,
        };
        let Generalized { forms, edges_unnamed } =
            self.generalize(&window.namespace, evidence, programs, config).map_err(withheld)?;
        if forms.is_empty() {
            return Ok(None);
        }
        let (policy, rule_evidence) = draft(&window.namespace, &forms, config);
        let now = self.note_rules(fingerprint(&policy), window.end, config);
        if !now.is_due_after(self.published, config) {
            return Ok(None);
        }
        let found = verify(&policy, window, programs, config);
        if !found.denied.is_empty() {
            return Err(withheld(Reason::WouldDeny {
                edges: count(found.denied.len()),
                examples: found.denied.into_iter().take(EXAMPLES_MAX).collect(),
            }));
        }
        self.published = Some(now);
        let omitted = &evidence.omitted;
        Ok(Some(Recommendation {
            policy,
            evidence: rule_evidence,
            learned: self.learned(&window.namespace, now, programs.revision()),
            omitted: Omitted { peer_unknown: omitted.peer_unknown.saturating_add(edges_unnamed), ..*omitted },
            edges_verified: found.verified,
            edges_undetermined: found.undetermined,
            edges_would_allow: found.would_allow,
        }))
    }

    /// Turns all needs into rules, as narrow as the bound on their number allows.
    fn generalize(
        &self,
        namespace: &Name,
        evidence: &Evidence,
        programs: &Programs,
        config: &Config,
    ) -> Result<Generalized, Reason> {
        let known = |(key, seen): (&NeedKey, &Seen)| {
            let asked = evidence.needs.get(key).copied();
            (key.clone(), Known { seen: *seen, asked, flags: BTreeSet::new() })
        };
        let needs: BTreeMap<NeedKey, Known> = self.needs.iter().map(known).collect();
        let naming = Naming::new(programs.set().cluster());
        let mut widest = Ok(Generalized::default());
        for lift in Lift::STEPS {
            let generalized = Generalizer::new(namespace, &needs, &naming, config, lift).generalize(&needs);
            widest = within_bound(generalized, config.rules_max);
            if widest.is_ok() {
                break;
            }
        }
        widest
    }

    /// Notes the rules that were drafted now; unchanged rules keep the time of their last change.
    fn note_rules(&mut self, fingerprint: Fingerprint, window_end: EventTime, config: &Config) -> Published {
        let changed = match self.rules {
            Some(rules) if rules.fingerprint == fingerprint => rules.changed,
            Some(_) | None => window_end,
        };
        self.rules = Some(Rules { fingerprint, changed });
        Published { fingerprint, changed, status: status(changed, window_end, config), window_end }
    }

    fn learned(&self, namespace: &Name, now: Published, policy_set: Revision) -> Learned {
        let Published { fingerprint, changed, status, window_end } = now;
        Learned {
            namespace: namespace.clone(),
            status,
            needs: self.needs.iter().map(|(key, seen)| Need { key: key.clone(), seen: *seen }).collect(),
            fingerprint,
            window_end,
            learning_since: self.learning_since,
            changed,
            policy_set,
        }
    }
}

impl Published {
    /// Tells whether this says something new, or was not said for long enough.
    fn is_due_after(&self, last: Option<Self>, config: &Config) -> bool {
        last.is_none_or(|last| {
            last.fingerprint != self.fingerprint
                || last.status != self.status
                || self.window_end >= last.window_end.plus(config.refresh_interval)
        })
    }
}

fn within_bound(generalized: Generalized, max: usize) -> Result<Generalized, Reason> {
    for direction in [Direction::Ingress, Direction::Egress] {
        let rules = generalized.forms.iter().filter(|it: &&Form| it.direction == direction).count();
        if rules > max {
            return Err(Reason::TooManyRules { direction, rules, max });
        }
    }
    Ok(generalized)
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
