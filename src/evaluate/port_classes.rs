//! Intervals of destination ports that every rule treats alike.

use super::programs::Programs;
use super::rule::CompiledRule;

/// The interval of a port is its class.
#[derive(Clone, Debug, Default)]
pub(super) struct PortClasses {
    // INVARIANT: sorted, without repeats. Each is the first port of an interval.
    bounds: Vec<u16>,
}

/// One bit for each port: whether an interval begins there.
struct Bounds(Vec<u64>);

impl Bounds {
    fn draw(&mut self, first: u16, last: u16) {
        self.begin(first);
        last.checked_add(1).into_iter().for_each(|it| self.begin(it));
    }

    fn begin(&mut self, port: u16) {
        if let Some(word) = self.0.get_mut(usize::from(port / 64)) {
            *word |= 1 << (port % 64);
        }
    }

    /// Returns the ports that begin an interval, in order. Most words are empty.
    fn ports(&self) -> impl Iterator<Item = u16> {
        let words = self.0.iter().zip((0..=u16::MAX).step_by(64)).filter(|(word, _)| **word != 0);
        words.flat_map(|(word, first)| {
            (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| first + bit)
        })
    }
}

impl PortClasses {
    /// Collects the bounds that rules, named ports, Services and failsafe ports draw.
    pub(super) fn new(programs: &Programs) -> Self {
        let mut bounds = Bounds(vec![0; 1 << 10]);
        for (first, last) in programs.all_rules().flat_map(CompiledRule::dest_ranges) {
            bounds.draw(first, last);
        }
        let failsafe = &programs.options().failsafe;
        failsafe.inbound.iter().chain(&failsafe.outbound).for_each(|it| bounds.draw(it.1, it.1));
        if !programs.questions().others.is_empty() {
            let cluster = programs.set().cluster();
            let of_pods = cluster.workloads.iter().flat_map(|it| &it.ports);
            let of_hosts = cluster.host_endpoints.iter().flat_map(|it| &it.ports);
            of_pods.chain(of_hosts).for_each(|it| bounds.draw(it.port, it.port));
            programs.roster().service_ports().for_each(|it| bounds.draw(it, it));
        }
        Self { bounds: bounds.ports().collect() }
    }

    /// Adds the bounds that more rules draw.
    pub(super) fn with<'a>(&self, rules: impl Iterator<Item = &'a CompiledRule>) -> Self {
        let mut bounds = Bounds(vec![0; 1 << 10]);
        self.bounds.iter().for_each(|it| bounds.begin(*it));
        rules.flat_map(CompiledRule::dest_ranges).for_each(|(first, last)| bounds.draw(first, last));
        Self { bounds: bounds.ports().collect() }
    }

    /// Returns the class of a port; that of a port which is not known is 0.
    pub(super) fn of(&self, port: Option<u16>) -> u32 {
        let Some(port) = port else { return 0 };
        let idx = self.bounds.partition_point(|it| *it <= port);
        u32::try_from(idx).unwrap_or(u32::MAX).saturating_add(1)
    }
}
