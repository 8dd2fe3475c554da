//! Intervals of destination ports that every rule treats alike.

use super::programs::Programs;

/// The interval of a port is its class.
#[derive(Clone, Debug, Default)]
pub(super) struct PortClasses {
    // INVARIANT: sorted, without repeats. Each is the first port of an interval.
    bounds: Vec<u16>,
}

impl PortClasses {
    /// Collects the bounds that rules, named ports, Services and failsafe ports draw.
    pub(super) fn new(programs: &Programs) -> Self {
        let mut bounds = Vec::new();
        let mut draw = |first: u16, last: u16| {
            bounds.push(first);
            bounds.extend(last.checked_add(1));
        };
        programs.all_rules().flat_map(super::rule::CompiledRule::dest_ranges).for_each(|(a, b)| draw(a, b));
        let failsafe = &programs.options().failsafe;
        failsafe.inbound.iter().chain(&failsafe.outbound).for_each(|it| draw(it.1, it.1));
        if programs.questions().others.is_empty() {
            return Self::sorted(bounds);
        }
        let cluster = programs.set().cluster();
        let of_pods = cluster.workloads.iter().flat_map(|it| &it.ports);
        let of_hosts = cluster.host_endpoints.iter().flat_map(|it| &it.ports);
        of_pods.chain(of_hosts).for_each(|it| draw(it.port, it.port));
        programs.roster().service_ports().for_each(|it| draw(it, it));
        Self::sorted(bounds)
    }

    fn sorted(mut bounds: Vec<u16>) -> Self {
        bounds.sort_unstable();
        bounds.dedup();
        Self { bounds }
    }

    /// Returns the class of a port; that of a port which is not known is 0.
    pub(super) fn of(&self, port: Option<u16>) -> u32 {
        let Some(port) = port else { return 0 };
        let idx = self.bounds.partition_point(|it| *it <= port);
        u32::try_from(idx).unwrap_or(u32::MAX).saturating_add(1)
    }
}
