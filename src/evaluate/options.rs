//! What an engine's rules are: the data plane's, or those of Calico's checker.

use crate::model::{IpNet, Protocol};

/// Whose rules are followed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Mode {
    /// The data plane's rules, for what is enforced and for what is pending.
    #[default]
    Strict,
    /// The rules of the checker that computes Calico's pending traces, corner by corner.
    Conformance,
}

/// Which policy of a tier the end of the tier is charged to in the enforced trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum EndOfTier {
    /// The first policy that applies, as in pending traces.
    #[default]
    First,
    /// The last one, as Calico's flow logs do for enforced traffic.
    Last,
}

/// The IP version that connections have where neither end tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Families {
    /// Not known.
    #[default]
    Open,
    /// The one that all the addresses have which the catalog knows of pods.
    Learned,
    /// IPv4 alone: for a cluster that has no other.
    V4,
    /// IPv6 alone.
    V6,
}

/// One divergence each between the checker (`true`) and the data plane (`false`).
///
/// The numbers are those of the list of divergences that was drawn from `projectcalico/calico`
/// (`app-policy/checker` against `felix/rules`). Two have no switch: the checker has no connection tracking (14), and
/// neither has an evaluation of first packets; and it does not model untracked, pre-DNAT and forward chains (10),
/// which only host endpoints have: see `hosts_not_pending`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a board of switches, each of which stands alone")]
pub struct Switches {
    /// 1: type and code of ICMP messages are not looked at.
    pub icmp_ignored: bool,
    /// 2: `ipVersion`, and the version that ICMP and `ICMPv6` imply, are not looked at.
    pub ip_version_ignored: bool,
    /// 3: named ports never match.
    pub named_ports_never_match: bool,
    /// 4: negated named ports never exclude.
    pub named_not_ports_never_exclude: bool,
    /// 5: `notNets` of the other IP version hold. Else such a rule does not exist for a packet of this version.
    pub not_nets_of_other_version_hold: bool,
    /// 6: SCTP ports of a Service never match.
    pub sctp_services_never_match: bool,
    /// 7: a Service that nothing is known of matches. Else it is undetermined.
    pub unknown_service_matches: bool,
    /// 8: a flow of protocol 0 matches no rule that names a protocol, not even to exclude it.
    pub protocol_zero_never_matches: bool,
    /// 9: an HTTP clause makes a match undetermined; the checker takes it as fulfilled. The layer 3 data plane does
    /// so too, but whoever writes such a clause has the layer 7 proxy that enforces it, and records cannot tell.
    pub http_is_undetermined: bool,
    /// 10: host endpoints have no pending verdict of their own; what is pending is what is enforced.
    pub hosts_not_pending: bool,
    /// 12: a profile that does not exist is skipped. In the data plane it denies.
    pub missing_profile_skipped: bool,
    /// 13: the end of a tier that does not exist is an error, so there is no answer. In the data plane it denies.
    pub dangling_tier_is_error: bool,
    /// 15: prefixes from /25 to /31 (IPv6 /121 to /127) of network sets never match, and longer ones that they cover
    /// are lost with them. A defect of one snapshot of the checker; no mode sets it.
    pub short_set_members_lost: bool,
}

impl Switches {
    /// The data plane's rules.
    ///
    /// In one point (5) they follow the recorded answers for the data plane and not its code. Felix does not render a
    /// rule for an IP version of which its `notNets` name no prefix; the recorded answers, which come from a corrected
    /// copy of the checker, have such a rule match, as whoever writes "all but these prefixes" means it. A cluster of
    /// both versions that wants Felix to the letter switches it off.
    pub const DATA_PLANE: Self = Self {
        icmp_ignored: false,
        ip_version_ignored: false,
        named_ports_never_match: false,
        named_not_ports_never_exclude: false,
        not_nets_of_other_version_hold: true,
        sctp_services_never_match: false,
        unknown_service_matches: false,
        protocol_zero_never_matches: false,
        http_is_undetermined: true,
        hosts_not_pending: false,
        missing_profile_skipped: false,
        dangling_tier_is_error: false,
        short_set_members_lost: false,
    };

    /// The checker's rules.
    pub const CHECKER: Self = Self {
        icmp_ignored: true,
        ip_version_ignored: true,
        named_ports_never_match: true,
        named_not_ports_never_exclude: true,
        not_nets_of_other_version_hold: true,
        sctp_services_never_match: true,
        // A checker that has received everything has every Service's set, if an empty one.
        unknown_service_matches: false,
        protocol_zero_never_matches: true,
        http_is_undetermined: false,
        hosts_not_pending: true,
        missing_profile_skipped: true,
        dangling_tier_is_error: true,
        short_set_members_lost: false,
    };
}

/// Ports of host endpoints that no policy can close.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failsafe {
    /// Into the host.
    pub inbound: Vec<(Protocol, u16)>,
    /// Out of the host.
    pub outbound: Vec<(Protocol, u16)>,
}

/// Calico's defaults (documentation of `FelixConfiguration`).
impl Default for Failsafe {
    fn default() -> Self {
        const TCP: [u16; 7] = [179, 2379, 2380, 5473, 6443, 6666, 6667];
        let tcp = || TCP.into_iter().map(|port| (Protocol::TCP, port));
        Self {
            inbound: [(Protocol::TCP, 22), (Protocol::UDP, 68)].into_iter().chain(tcp()).collect(),
            outbound: [(Protocol::UDP, 53), (Protocol::UDP, 67)].into_iter().chain(tcp()).collect(),
        }
    }
}

/// How a set is compiled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whose rules are followed.
    pub mode: Mode,
    /// Single rules that differ from the mode's; nothing for the mode as it is.
    pub switches: Option<Switches>,
    /// Which policy an end of tier is charged to in the enforced trace (divergence 11).
    pub end_of_tier: EndOfTier,
    /// The IP version where neither end tells it.
    pub families: Families,
    /// The prefixes that pods get their addresses from; empty when they are not known. A pod whose address is not
    /// known may be anywhere in them, so a network set apart from them surely does not cover it.
    pub pod_networks: Vec<IpNet>,
    /// Ports of host endpoints that stay open.
    pub failsafe: Failsafe,
}

impl Options {
    /// Returns the defaults for a cluster whose pods have private addresses: those of RFC 1918, RFC 6598 and RFC 4193.
    #[must_use]
    pub fn private_pods() -> Self {
        const PRIVATE: [&str; 5] =
            ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
        let pod_networks = PRIVATE.iter().filter_map(|it| it.parse().ok()).collect();
        Self { pod_networks, ..Self::default() }
    }

    /// Returns the switches that are in force.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.switches.unwrap_or(match self.mode {
            Mode::Strict => Switches::DATA_PLANE,
            Mode::Conformance => Switches::CHECKER,
        })
    }
}
