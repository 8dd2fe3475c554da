//! Settings of the recommender.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::model::{Action, IpAddr, IpNet, Name};
use crate::policy::{DefaultAction, Order, PolicySet, Tier};

/// What is done with traffic inside of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameNamespace {
    /// What was seen is allowed, by protocol and port.
    #[default]
    Allow,
    /// Everything inside of the namespace is left to the next tier.
    Pass,
}

impl SameNamespace {
    pub(super) const fn action(self) -> Action {
        match self {
            Self::Allow => Action::Allow,
            Self::Pass => Action::Pass,
        }
    }
}

/// Versions of the Internet Protocol that public addresses may have when the records do not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublicFamilies {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both: Calico aggregates every IPv6 address to `pub`.
    #[default]
    Both,
}

/// How recommendations are made. Durations are event time and are written `90s`, `10m`, `24h`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long rules must not change for the status Stable. Ten minutes are Calico's default; a day sees more.
    #[serde(deserialize_with = "duration")]
    pub stabilization_period: Duration,
    /// How long rules must not change for the status Stabilizing: two of Calico's intervals of 150 s.
    #[serde(deserialize_with = "duration")]
    pub stabilizing_after: Duration,
    /// How often an unchanged recommendation is published again, so that its evidence does not grow old.
    #[serde(deserialize_with = "duration")]
    pub refresh_interval: Duration,
    /// A need that was not seen for so long is forgotten; without it none ever is, as in Calico. A monthly job needs
    /// more than a month.
    #[serde(deserialize_with = "optional_duration")]
    pub evidence_age_max: Option<Duration>,
    /// The tier of the recommended policies.
    #[serde(deserialize_with = "parsed_name")]
    pub tier: Name,
    /// The order of that tier where it does not exist yet. It must stand before `default`, which is 1,000,000.
    pub tier_order: f64,
    /// Namespaces without recommendations; a `*` at the end stands for any rest.
    pub exclude_namespaces: Vec<String>,
    /// What is done with traffic inside of a namespace.
    pub same_namespace: SameNamespace,
    /// Whether rules name Services where the catalog knows their endpoints. Records without addresses cannot be
    /// judged by such rules: turn it off when they are all there is.
    pub service_rules: bool,
    /// What counts as private. Calico knows the first three.
    #[serde(deserialize_with = "parsed_list")]
    pub private_ranges: Vec<IpNet>,
    /// Addresses of pods, Services and nodes; they are taken out of whole private and public ranges.
    #[serde(deserialize_with = "parsed_list")]
    pub cluster_ranges: Vec<IpNet>,
    /// Versions of the Internet Protocol that unknown public addresses may have.
    pub public_families: PublicFamilies,
    /// Rules in one direction of a policy. Where there would be more, rules are made wider, and flagged. The API takes
    /// at most 1,024.
    pub rules_max: usize,
    /// Addresses in one rule; above, the rule has whole ranges. The API takes at most 256.
    pub addresses_max: usize,
    /// Needs kept for one namespace with port and address: bounds memory and the size of what is published, at about
    /// 200 bytes each. Those above are kept without, so that there is one for each peer and protocol.
    pub needs_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stabilization_period: Duration::from_secs(600),
            stabilizing_after: Duration::from_secs(300),
            refresh_interval: Duration::from_secs(600),
            evidence_age_max: None,
            tier: Name::from("namespace-isolation"),
            tier_order: 10_000.0,
            exclude_namespaces: ["kube-system", "kube-public", "kube-node-lease", "calico-*", "tigera-*"]
                .map(str::to_owned)
                .to_vec(),
            same_namespace: SameNamespace::Allow,
            service_rules: true,
            private_ranges: PRIVATE_RANGES.into_iter().filter_map(|it| it.parse().ok()).collect(),
            cluster_ranges: Vec::new(),
            public_families: PublicFamilies::Both,
            rules_max: 200,
            addresses_max: 64,
            needs_max: 4_096,
        }
    }
}

/// RFC 1918 and RFC 4193.
const PRIVATE_RANGES: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

impl Config {
    pub(super) fn excludes(&self, namespace: &Name) -> bool {
        self.exclude_namespaces.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => namespace.starts_with(start),
            None => *namespace == pattern.as_str(),
        })
    }

    /// Returns the tier of recommended policies: the one that exists, else the one that would be made.
    pub(super) fn tier_in(&self, set: &PolicySet) -> Tier {
        let existing = set.tiers().iter().find(|it| it.name == self.tier);
        existing.cloned().unwrap_or_else(|| Tier {
            name: self.tier.clone(),
            order: Order::new(self.tier_order),
            default_action: DefaultAction::Deny,
        })
    }

    pub(super) fn is_private(&self, address: IpAddr) -> bool {
        self.private_ranges.iter().any(|net| net.contains(&address))
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<jiff::SignedDuration>().map_err(de::Error::custom)?;
    Duration::try_from(parsed).map_err(|_| de::Error::custom(format_args!("`{text}` is negative")))
}

fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Text(#[serde(deserialize_with = "duration")] Duration);
    Option::<Text>::deserialize(deserializer).map(|it| it.map(|Text(duration)| duration))
}

fn parsed_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    String::deserialize(deserializer).map(Name::from)
}

fn parsed_list<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| de::Error::custom(format_args!("`{text}` is not a prefix like `10.0.0.0/8`")))
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Config, String> {
        serde_saphyr::from_str(yaml).map_err(|it| it.to_string())
    }

    #[test]
    fn what_is_not_written_has_its_default() {
        assert_eq!(read("{}").unwrap(), Config::default());
        let read = read("stabilization_period: 24h\nsame_namespace: pass\nevidence_age_max: 840h").unwrap();
        assert_eq!(read.stabilization_period, Duration::from_secs(86_400));
        assert_eq!(read.same_namespace, SameNamespace::Pass);
        assert_eq!(read.evidence_age_max, Some(Duration::from_secs(840 * 3_600)));
        assert_eq!(read.tier, Config::default().tier);
    }

    #[test]
    fn unknown_settings_and_broken_values_are_refused() {
        for yaml in [
            "stabilisation: 1m",
            "stabilization_period: soon",
            "stabilization_period: -1m",
            "private_ranges: [x]",
        ] {
            read(yaml).expect_err(yaml);
        }
    }

    #[test]
    fn a_star_excludes_every_namespace_that_begins_so() {
        let config = Config::default();
        for (namespace, excluded) in
            [("kube-system", true), ("kube-system-2", false), ("calico-apiserver", true), ("shop", false)]
        {
            assert_eq!(config.excludes(&Name::from(namespace)), excluded, "{namespace}");
        }
    }

    #[test]
    fn every_default_range_parses() {
        assert_eq!(Config::default().private_ranges.len(), PRIVATE_RANGES.len());
    }
}
