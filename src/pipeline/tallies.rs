//! Plain counters of a batch, moved into the metrics once a batch.

use crate::aggregate::{Absorbed, Filtered};
use crate::decode::{Envelope, EnvelopeCounts, PathCounts, Reason};
use crate::model::{Flow, RecordedAction, Reporter};
use crate::telemetry::{Counter, Metrics};

/// A number that grows by one an event, and the metric that it is added to.
struct Cell {
    pending: u64,
    metric: Counter,
}

impl Cell {
    fn new(metric: Counter) -> Self {
        Self { pending: 0, metric }
    }

    fn publish(&mut self) {
        if self.pending > 0 {
            self.metric.add(std::mem::take(&mut self.pending));
        }
    }
}

/// One worker's counters.
pub(super) struct BatchCounts {
    metrics: Metrics,
    decoded: Cell,
    // By action and reporter.
    flows: [[Cell; 3]; 2],
    connections: [[Cell; 3]; 2],
    late: Cell,
    skewed: Cell,
    forwarded: Cell,
    no_endpoint: Cell,
    absorbed: Cell,
    stale: Cell,
    rejected: Vec<(Reason, Cell)>,
    envelopes: Vec<(Envelope, u64)>,
    paths: PathCounts,
}

impl BatchCounts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let by_both = |make: &dyn Fn([&str; 2]) -> Counter| {
            ["allow", "deny"]
                .map(|action| ["src", "dst", "fwd"].map(|reporter| Cell::new(make([action, reporter]))))
        };
        Self {
            decoded: Cell::new(metrics.records_decoded.with(["json"])),
            flows: by_both(&|labels| metrics.flows.with(labels)),
            connections: by_both(&|labels| metrics.connections.with(labels)),
            late: Cell::new(metrics.late_flows.with(["dropped"])),
            skewed: Cell::new(metrics.skewed_flows.clone()),
            forwarded: Cell::new(metrics.records_filtered.with([Filtered::Forwarded.as_str()])),
            no_endpoint: Cell::new(metrics.records_filtered.with([Filtered::NoEndpoint.as_str()])),
            absorbed: Cell::new(metrics.partials.with(["absorbed"])),
            stale: Cell::new(metrics.partials.with(["stale"])),
            rejected: Reason::ALL
                .map(|it| (it, Cell::new(metrics.records_rejected.with(["json", it.as_str()]))))
                .into(),
            envelopes: Vec::new(),
            paths: PathCounts::default(),
            metrics: metrics.clone(),
        }
    }

    pub(super) fn counted(&mut self, flow: &Flow<'_>) {
        self.decoded.pending += 1;
        let action = match flow.action {
            RecordedAction::Allow => 0,
            RecordedAction::Deny => 1,
        };
        let reporter = match flow.reporter {
            Reporter::Source => 0,
            Reporter::Destination => 1,
            Reporter::Forward => 2,
        };
        self.flows[action][reporter].pending += 1;
        self.connections[action][reporter].pending += flow.counters.connections_started;
    }

    pub(super) fn late(&mut self, flow: &Flow<'_>) {
        self.counted(flow);
        self.late.pending += 1;
    }

    pub(super) fn skewed(&mut self, flow: &Flow<'_>) {
        self.counted(flow);
        self.skewed.pending += 1;
    }

    pub(super) fn filtered(&mut self, flow: &Flow<'_>, reason: Filtered) {
        self.counted(flow);
        match reason {
            Filtered::Forwarded => self.forwarded.pending += 1,
            Filtered::NoEndpoint => self.no_endpoint.pending += 1,
        }
    }

    pub(super) fn rejected(&mut self, reason: Reason) {
        if let Some((_, cell)) = self.rejected.iter_mut().find(|(it, _)| *it == reason) {
            cell.pending += 1;
        }
    }

    pub(super) fn absorbed(&mut self, absorbed: Option<Absorbed>) {
        match absorbed {
            Some(Absorbed::Taken { stale }) => {
                self.absorbed.pending += 1;
                self.stale.pending += u64::from(stale);
            }
            Some(Absorbed::Expired) => self.metrics.partials.with(["expired"]).inc(),
            Some(Absorbed::ForeignSettings) => self.metrics.partials.with(["foreign_settings"]).inc(),
            None => {}
        }
    }

    pub(super) fn malformed_partial(&mut self) {
        self.metrics.partials.with(["malformed"]).inc();
    }

    /// Moves everything into the metrics. `envelopes` and `paths` count since the decoder was made.
    pub(super) fn publish(&mut self, envelopes: &EnvelopeCounts, paths: PathCounts) {
        let Self { metrics, decoded, flows, connections, late, skewed, forwarded, no_endpoint, .. } = self;
        for cell in [decoded, late, skewed, forwarded, no_endpoint, &mut self.absorbed, &mut self.stale] {
            cell.publish();
        }
        flows.iter_mut().chain(connections).flatten().for_each(Cell::publish);
        self.rejected.iter_mut().for_each(|(_, cell)| cell.publish());
        for (envelope, now) in envelopes.iter() {
            let known = self.envelopes.iter_mut().find(|(it, _)| *it == envelope);
            let before = known.as_ref().map_or(0, |(_, count)| *count);
            if now > before {
                metrics.envelopes_unwrapped.with([envelope.as_str()]).add(now - before);
                match known {
                    Some((_, count)) => *count = now,
                    None => self.envelopes.push((envelope, now)),
                }
            }
        }
        let before = std::mem::replace(&mut self.paths, paths).by_name();
        for ((path, now), (_, before)) in paths.by_name().into_iter().zip(before) {
            metrics.decode_path.with([path]).add(now.saturating_sub(before));
        }
    }
}
