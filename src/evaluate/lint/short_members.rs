//! Rules that ask for network sets of which Calico's checker loses members: see
//! [`Switches::short_set_members_lost`](crate::evaluate::Switches::short_set_members_lost).

use super::finding::{Finding, Problem};
use super::place::Place;
use crate::evaluate::compose::{EntitySelectors, entity_selectors, rule_namespace};
use crate::evaluate::roster::Roster;
use crate::evaluate::truth::Truth;
use crate::evaluate::whereabouts::{Family, is_short, short_lens};
use crate::model::IpNet;
use crate::policy::selector::Node;
use crate::policy::{NetworkSet, PolicySet};

/// The network sets of a cluster, where some have prefixes that are lost.
pub(super) struct ShortMembers<'a> {
    sets: &'a [NetworkSet],
    /// Their labels as selectors see them; nothing where no set has such a prefix.
    roster: Option<Roster>,
}

impl<'a> ShortMembers<'a> {
    pub(super) fn new(set: &'a PolicySet) -> Self {
        let sets = &set.cluster().network_sets;
        let has_short = sets.iter().flat_map(|it| &it.nets).any(is_short);
        Self { sets, roster: has_short.then(|| Roster::new(set.cluster())) }
    }

    /// Looks at the sets that a rule asks for, or excludes.
    pub(super) fn look_at(&self, place: &Place<'_>, findings: &mut Vec<Finding>) {
        for (side, end) in place.ends() {
            let EntitySelectors { positive, negative } =
                entity_selectors(rule_namespace(&place.policy.id), end);
            let own = match (&end.selector, &end.namespace_selector) {
                (Some(_), _) => "selector",
                (None, Some(_)) => "namespaceSelector",
                // What is excluded is looked for in the policy's own namespace.
                (None, None) => "notSelector",
            };
            for (field, node, verb) in [(own, positive, "match"), ("notSelector", negative, "exclude")] {
                if let Some(text) = node.and_then(|it| self.lost_of(&it, verb)) {
                    let field = format!("{}.{field}", side.as_str());
                    findings.push(place.finding(&field, Problem::ShortMembers, text));
                }
            }
        }
    }

    /// Says what is lost of the sets that a selector surely selects.
    fn lost_of(&self, selector: &Node, verb: &str) -> Option<String> {
        let roster = self.roster.as_ref()?;
        let selected: Vec<&NetworkSet> = (self.sets.iter().zip(&roster.sets))
            .filter(|(_, entry)| entry.labels.satisfy(selector) == Truth::True)
            .map(|(set, _)| set)
            .collect();
        let nets = || selected.iter().flat_map(|set| set.nets.iter().map(move |net| (*set, net)));
        // A prefix that is wide enough is found before those inside it are looked for.
        let wide: Vec<IpNet> = nets().map(|(_, net)| *net).filter(is_wide).collect();
        let mut wide = IpNet::aggregate(&wide);
        wide.sort_unstable();
        let is_kept = |net: &IpNet| {
            let behind = wide.partition_point(|it| it.network() <= net.network());
            behind.checked_sub(1).and_then(|it| wide.get(it)).is_some_and(|it| it.contains(net))
        };
        let mut lost = nets().filter(|(_, net)| is_short(net) && !is_kept(net));
        let (set, net) = lost.next()?;
        let namespace = set.namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
        let more = match lost.count() {
            0 => String::new(),
            1 => ", nor one prefix more".to_owned(),
            count => format!(", nor {count} prefixes more"),
        };
        Some(format!(
            "the pending traces of one release of Calico (a snapshot of August 2026) never {verb} {net} of the network \
             set {namespace}{}{more}",
            set.name
        ))
    }
}

/// Tells whether a prefix is wider than those that are lost.
fn is_wide(net: &IpNet) -> bool {
    net.prefix_len() < *short_lens(Family::of_net(net)).start()
}
