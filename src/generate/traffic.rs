//! The stream of records.

use std::fmt;
use std::sync::Arc;

use super::chance::Chance;
use super::expected::{Account, ExpectedEdge, Tally};
use super::identity::{mix, node_name};
use super::poison::poison;
use super::prepared::{Half, Judged, Prepared};
use super::record::{Exchange, Moment, exchange, write_record};
use super::settings::{Checked, Settings, SettingsError};
use super::skew::Skew;
use super::topology::Topology;
use crate::evaluate::Judgement;
use crate::model::{Direction, Edge, EventTime, Name};

/// One record, ready to be written or sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GeneratedRecord {
    /// The value: one line of JSON without its end, or garbage.
    pub value: Vec<u8>,
    /// The node that wrote it; a shipper's key.
    pub host: Name,
    /// Its event time; for garbage, when it was written.
    pub end: EventTime,
}

/// Links whose text is kept ready. Two texts of a link take about 2 KB, so 32 MB in all; the hot links of a skewed
/// run fit, and a cold one costs two judgements and its text again.
const SLOTS: usize = 16_384;

/// Records before one may lie beyond the lateness: before it no reader's watermark has moved far enough.
const BEYOND_FROM: u64 = 10_000;

/// An endless-looking stream of flow records: [`Settings::flows`] of them.
///
/// Memory depends on the applications, the nodes and a fixed number of links that are kept ready; it grows neither
/// with the flows nor with the edges. Only the account that [`Traffic::with_account`] switches on grows with the
/// edges.
pub struct Traffic<V> {
    checked: Checked,
    topology: Topology,
    skew: Skew,
    chance: Chance,
    verdicts: V,
    hosts: Vec<Name>,
    slots: Vec<Option<Arc<Prepared>>>,
    second: Option<Entry>,
    again: Option<(Entry, GeneratedRecord)>,
    tally: Tally,
    swept: u64,
    swept_edges: u64,
    edges: u64,
    account: Option<Account>,
}

/// One record to be written: a link's end, what it counts and when.
#[derive(Clone)]
struct Entry {
    prepared: Arc<Prepared>,
    direction: Direction,
    exchange: Exchange,
    timing: Timing,
}

impl Entry {
    fn half(&self) -> Option<&Half> {
        match self.direction {
            Direction::Egress => self.prepared.egress.as_ref(),
            Direction::Ingress => self.prepared.ingress.as_ref(),
        }
    }
}

/// The interval of a pair of records.
#[derive(Clone, Copy)]
struct Timing {
    end_secs: i64,
    place: Place,
}

/// Where an event time stands against the lateness.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    OnTime,
    Late,
    Beyond,
}

impl<V: FnMut(&Edge) -> Arc<Judgement>> Traffic<V> {
    /// Lays out the cluster and stands before the first record. `verdicts` judges each link's ends; the recorded
    /// actions and traces are what it says.
    ///
    /// # Errors
    ///
    /// When a setting is out of its bounds.
    pub fn new(settings: Settings, mut verdicts: V) -> Result<Self, SettingsError> {
        let checked = settings.checked()?;
        let Settings { seed, edges, nodes, skew, .. } = checked.settings;
        let topology = Topology::new(edges, nodes, &mut |link| Judged::new(link, &mut verdicts).edges());
        let mut traffic = Self {
            skew: Skew::new(topology.len(), skew),
            chance: Chance::new(seed),
            verdicts,
            hosts: (0..nodes).map(node_name).collect(),
            slots: vec![None; SLOTS],
            second: None,
            again: None,
            tally: Tally::default(),
            swept: 0,
            swept_edges: 0,
            edges: edges.unwrap_or(0),
            account: None,
            topology,
            checked,
        };
        if edges.is_none() {
            traffic.edges = (0..traffic.topology.len()).map(|it| traffic.prepared(it).edges()).sum();
        }
        Ok(traffic)
    }

    /// Keeps an account of what is generated, for [`Traffic::expected`].
    #[must_use]
    pub fn with_account(mut self) -> Self {
        self.account = Some(Account::default());
        self
    }

    /// Returns the number of distinct edges that the links show.
    #[must_use]
    pub const fn edges(&self) -> u64 {
        self.edges
    }

    /// Returns what was generated so far, by kind.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns what an exact reader counts of every edge, from the account; nothing where none is kept.
    pub fn expected(&mut self) -> Option<Vec<ExpectedEdge>> {
        let account = self.account.as_ref()?;
        Some(account.edges(&self.topology, &mut self.verdicts))
    }

    fn prepared(&mut self, number: u64) -> Arc<Prepared> {
        let slots = u64::try_from(SLOTS).unwrap_or(u64::MAX);
        let slot = usize::try_from(number % slots).unwrap_or(0);
        if let Some(Some(found)) = self.slots.get(slot)
            && found.number == number
        {
            return Arc::clone(found);
        }
        let link = self.topology.link(number);
        let judged = Judged::new(&link, &mut self.verdicts);
        let prepared = Arc::new(Prepared::new(number, &link, &judged));
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = Some(Arc::clone(&prepared));
        }
        prepared
    }

    /// Picks the next link and tells whether it is the sweep's turn, which shows every edge once before the end; all
    /// other turns follow the skew.
    fn pick(&mut self) -> (Arc<Prepared>, bool) {
        let flows = u128::from(self.checked.settings.flows);
        let links = self.topology.len();
        // The sweep is done when nineteen twentieths of the records are out, so that what is lost to repeats and
        // garbage does not cut it short.
        let is_due = self.swept < links
            && u128::from(self.swept_edges) * flows * 19
                <= u128::from(self.tally.records) * u128::from(self.edges) * 20;
        if is_due {
            let number = spread(self.swept, links, self.checked.settings.seed);
            let prepared = self.prepared(number);
            self.swept += 1;
            self.swept_edges += prepared.edges();
            return (prepared, true);
        }
        (self.drawn(), false)
    }

    /// Draws a link by the skew. The applications' links have the first ranks, so that they carry the demonstration
    /// however many links fill up behind them.
    fn drawn(&mut self) -> Arc<Prepared> {
        let rank = self.skew.draw(&mut self.chance);
        let (links, fixed) = (self.topology.len(), self.topology.fixed_len());
        let seed = self.checked.settings.seed;
        let number = if rank < fixed {
            spread(rank, fixed, seed)
        } else {
            fixed + spread(rank - fixed, links - fixed, seed)
        };
        self.prepared(number)
    }

    fn now_millis(&self) -> i64 {
        let passed = u128::from(self.tally.records) * 1_000 / u128::from(self.checked.settings.rate);
        let start = self.checked.settings.start.as_millis();
        start.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    fn timing(&mut self) -> Timing {
        let lateness = self.checked.lateness_secs;
        // Nodes report at moments of their own, and shipping takes a moment.
        let mut back = self.chance.below(4);
        let mut place = Place::OnTime;
        if self.chance.happens(self.checked.late) {
            place = Place::Late;
            back = self.chance.between(4, lateness.saturating_sub(5));
        }
        if self.tally.records >= BEYOND_FROM && self.chance.happens(self.checked.beyond) {
            place = Place::Beyond;
            back = lateness + self.chance.between(60, 600);
        }
        let back = i64::try_from(back).unwrap_or(i64::MAX);
        Timing { end_secs: self.now_millis().div_euclid(1_000).saturating_sub(back), place }
    }

    /// Opens the record of a link's first reporter and leaves the second for the next turn.
    fn first(&mut self) -> Entry {
        let (prepared, is_swept) = self.pick();
        let exchange = exchange(prepared.fate, &mut self.chance);
        let timing = self.timing();
        let lacks_dest = !is_swept && self.chance.happens(self.checked.lacks_dest_record);
        let direction = if prepared.egress.is_some() { Direction::Egress } else { Direction::Ingress };
        let entry = Entry { prepared, direction, exchange, timing };
        if direction == Direction::Egress && entry.prepared.ingress.is_some() && !lacks_dest {
            self.second = Some(Entry { direction: Direction::Ingress, ..entry.clone() });
        }
        entry
    }

    fn write(&mut self, entry: &Entry) -> GeneratedRecord {
        let Some(half) = entry.half() else {
            // Neither end reports: such a link is not laid out. An empty record keeps the count.
            return GeneratedRecord {
                value: Vec::new(),
                host: node_name(0),
                end: self.checked.settings.start,
            };
        };
        let nodes = u64::try_from(half.nodes.len()).unwrap_or(1);
        let replica = usize::try_from(self.chance.below(nodes)).unwrap_or(0);
        let node = half.nodes.get(replica).and_then(|it| usize::try_from(*it).ok()).unwrap_or(0);
        let host = self.hosts.get(node).cloned().unwrap_or_else(|| node_name(0));
        let interval = i64::try_from(self.checked.interval_secs).unwrap_or(i64::MAX);
        let delay = i64::try_from(self.chance.below(900)).unwrap_or(0);
        let end_secs = entry.timing.end_secs;
        let moment = Moment {
            start_secs: end_secs.saturating_sub(interval),
            end_secs,
            shipped_millis: self.now_millis().saturating_add(delay),
            host: &host,
        };
        let value = write_record(half, &entry.exchange, &moment);
        GeneratedRecord { value, host, end: EventTime::from_secs(end_secs) }
    }

    fn count(&mut self, entry: &Entry) {
        match entry.timing.place {
            Place::OnTime => {}
            Place::Late => self.tally.late += 1,
            Place::Beyond => {
                self.tally.beyond += 1;
                return;
            }
        }
        if let (Some(account), Some(half)) = (&mut self.account, entry.half()) {
            account.add(entry.prepared.number, half, &entry.exchange);
        }
    }

    fn garbage(&mut self) -> GeneratedRecord {
        self.tally.poison += 1;
        let prepared = self.drawn();
        let exchange = exchange(prepared.fate, &mut self.chance);
        let timing = Timing { end_secs: self.now_millis().div_euclid(1_000), place: Place::OnTime };
        let direction = if prepared.egress.is_some() { Direction::Egress } else { Direction::Ingress };
        let record = self.write(&Entry { prepared, direction, exchange, timing });
        GeneratedRecord { value: poison(&record.value, &mut self.chance), ..record }
    }
}

impl<V: FnMut(&Edge) -> Arc<Judgement>> Iterator for Traffic<V> {
    type Item = GeneratedRecord;

    fn next(&mut self) -> Option<GeneratedRecord> {
        if self.tally.records >= self.checked.settings.flows {
            return None;
        }
        let record = if let Some((entry, record)) = self.again.take() {
            self.tally.repeated += 1;
            self.count(&entry);
            record
        } else if self.second.is_none() && self.chance.happens(self.checked.poison) {
            self.garbage()
        } else {
            let entry = match self.second.take() {
                Some(entry) => entry,
                None => self.first(),
            };
            let record = self.write(&entry);
            self.count(&entry);
            if self.chance.happens(self.checked.repeat) {
                self.again = Some((entry, record.clone()));
            }
            record
        };
        self.tally.records += 1;
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.checked.settings.flows - self.tally.records;
        usize::try_from(left).map_or((usize::MAX, None), |it| (it, Some(it)))
    }
}

impl<V> fmt::Debug for Traffic<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic")
            .field("settings", &self.checked.settings)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

/// Returns where the `place`-th of `all` stands after a shuffle that follows from the seed: a step through all places
/// that meets each once.
fn spread(place: u64, all: u64, seed: u64) -> u64 {
    if all == 0 {
        return 0;
    }
    let mut step = mix(seed) % all;
    while gcd(step, all) != 1 {
        step += 1;
    }
    let at = (u128::from(place) * u128::from(step) + u128::from(mix(!seed) % all)) % u128::from(all);
    u64::try_from(at).unwrap_or(0)
}

fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
