//! Ports: from those that were seen to the entries of a rule.

use std::collections::BTreeSet;

/// The entries of a rule's list of ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PortEntries {
    /// First and last port of each entry, ascending.
    pub(super) entries: Vec<(u16, u16)>,
    /// Whether an entry is a measured interval.
    pub(super) dynamic: bool,
}

/// The first port that Linux hands out by itself (`net.ipv4.ip_local_port_range`).
const EPHEMERAL_FIRST: u16 = 32_768;
/// The last of them.
const EPHEMERAL_LAST: u16 = 60_999;
/// So many different ports of one peer are no longer a list that someone wrote: sixteen are more than any known
/// server listens on side by side. With half as many, brokers with a listener per client network would be taken for
/// dynamic; with twice as many, a passive FTP server would give a rule a window of luck.
const DYNAMIC_PORTS_MIN: usize = 16;
/// From here on the interval is rounded outwards to the whole ephemeral range: the next port will be elsewhere in it.
const ROUNDED_PORTS_MIN: usize = 32;

/// Sums ports up: an interval for those that the peer chose by itself, ranges for three or more in a row, else single
/// ports.
pub(super) fn entries(ports: &BTreeSet<u16>) -> PortEntries {
    let ephemeral: Vec<u16> = ports.range(EPHEMERAL_FIRST..).copied().collect();
    // Four of five, so that the fixed ports of a server beside its dynamic ones do not hide them.
    let dynamic = ports.len() >= DYNAMIC_PORTS_MIN && ephemeral.len() * 5 >= ports.len() * 4;
    match (dynamic, ephemeral.first(), ephemeral.last()) {
        (true, Some(&first), Some(&last)) => {
            let fixed = ports.range(..EPHEMERAL_FIRST).copied().collect();
            let mut entries = runs(&fixed);
            entries.push(if ephemeral.len() >= ROUNDED_PORTS_MIN {
                (EPHEMERAL_FIRST, last.max(EPHEMERAL_LAST))
            } else {
                (first, last)
            });
            PortEntries { entries, dynamic: true }
        }
        _ => PortEntries { entries: runs(ports), dynamic: false },
    }
}

/// Joins three or more consecutive ports.
fn runs(ports: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for &port in ports {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
            _ => runs.push((port, port)),
        }
    }
    let split = |(first, last): (u16, u16)| {
        if last == first || last - first > 1 {
            vec![(first, last)]
        } else {
            vec![(first, first), (last, last)]
        }
    };
    runs.into_iter().flat_map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ports: impl IntoIterator<Item = u16>, expected: &[(u16, u16)], dynamic: bool) {
        let found = entries(&ports.into_iter().collect());
        assert_eq!(found, PortEntries { entries: expected.to_vec(), dynamic });
    }

    #[test]
    fn three_in_a_row_are_a_range_and_two_are_not() {
        check([80, 443, 444, 8080, 8081, 8082], &[(80, 80), (443, 443), (444, 444), (8080, 8082)], false);
    }

    #[test]
    fn many_listed_ports_stay_a_list() {
        let ports = (0..40).map(|it| 1_000 + 2 * it);
        check(ports.clone(), &ports.map(|it| (it, it)).collect::<Vec<_>>(), false);
    }

    #[test]
    fn ports_that_the_peer_chooses_become_the_interval_that_was_measured() {
        check((0..20).map(|it| 40_000 + 17 * it).chain([21]), &[(21, 21), (40_000, 40_323)], true);
    }

    #[test]
    fn with_enough_of_them_the_interval_is_the_whole_ephemeral_range() {
        check((0..40).map(|it| 40_000 + 17 * it), &[(32_768, 60_999)], true);
    }

    #[test]
    fn the_last_port_has_no_next_one() {
        check([65_534, 65_535], &[(65_534, 65_534), (65_535, 65_535)], false);
        check([], &[], false);
    }
}
