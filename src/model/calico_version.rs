//! Releases of Calico, as far as they name policies differently.
//!
//! | Release | Names of Calico's own policies |
//! |---|---|
//! | up to 3.28 | bare in the tier `default`, stored as `default.name`; other tiers were Calico Enterprise's |
//! | 3.29 to 3.31 | `tier.name` in every tier but `default`, where `name` and `default.name` are one policy |
//! | from 3.32 | the name says nothing of the tier; `name` and `default.name` are two policies |
//!
//! Source: `projectcalico/calico`, `libcalico-go/lib/names` and `libcalico-go/lib/backend` of its release branches.

use std::fmt;
use std::str::FromStr;

use super::name::Name;
use super::trace::PolicyKind;

/// A release of Calico, by the two numbers that its rules may change with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CalicoVersion {
    major: u16,
    minor: u16,
}

/// The newest release that is known.
impl Default for CalicoVersion {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl CalicoVersion {
    /// The oldest release whose rules are known.
    pub const OLDEST: Self = Self::three(20);

    /// The newest one. It has the rules of 3.32.
    pub const NEWEST: Self = Self::three(33);

    /// The release that brought tiers, and the admin policies of Kubernetes, to open source.
    pub const V3_29: Self = Self::three(29);

    /// The release that took the tier out of the names, and put `ClusterNetworkPolicy` in the place of the two older
    /// admin kinds.
    pub const V3_32: Self = Self::three(32);

    const fn three(minor: u16) -> Self {
        Self { major: 3, minor }
    }

    /// Tells whether the name of a policy carries its tier.
    #[must_use]
    pub fn has_tier_in_names(self) -> bool {
        self < Self::V3_32
    }

    /// Returns the name that tells a policy from all others of its kind and namespace, given its name as it is written
    /// in a manifest or a trace.
    ///
    /// Before 3.32 that is the bare name in the tier `default`, and `tier.name` in every other; from 3.32 on it is the
    /// name as written, as it is for the kinds of Kubernetes always.
    #[must_use]
    pub fn policy_name(self, kind: PolicyKind, tier: &str, name: Name) -> Name {
        if !self.has_tier_in_names() || !kind.is_tiered() {
            return name;
        }
        let bare = name.strip_prefix(tier).and_then(|it| it.strip_prefix('.')).filter(|it| !it.is_empty());
        match bare {
            Some(bare) if tier == "default" => Name::from(bare),
            None if tier != "default" => Name::from(format!("{tier}.{name}")),
            Some(_) | None => name,
        }
    }
}

/// Prints `3.31`.
impl fmt::Display for CalicoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text names no release whose rules are known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{text}` is no release of Calico that is known: write one from {} to {}, such as `3.31` or `v3.31.2`, or `latest`",
    CalicoVersion::OLDEST,
    CalicoVersion::NEWEST
)]
pub struct UnknownVersion {
    /// The text.
    pub text: String,
}

/// Reads `3.31`, `v3.31`, `3.31.2` and `latest`. The third number changes nothing and is forgotten.
impl FromStr for CalicoVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let unknown = || UnknownVersion { text: text.to_owned() };
        if text == "latest" {
            return Ok(Self::NEWEST);
        }
        let number = |it: &str| {
            let digits = !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
            it.parse::<u16>().ok().filter(|_| digits)
        };
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.').map(number);
        let version = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), None | Some(Some(_)), None) => Self { major, minor },
            _ => return Err(unknown()),
        };
        if (Self::OLDEST..=Self::NEWEST).contains(&version) { Ok(version) } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_by_their_first_two_numbers() {
        for (text, expect) in [
            ("3.28", "3.28"),
            ("v3.31.2", "3.31"),
            ("3.30.0", "3.30"),
            ("v3.20", "3.20"),
            ("3.33", "3.33"),
            ("latest", "3.33"),
        ] {
            assert_eq!(text.parse::<CalicoVersion>().map(|it| it.to_string()), Ok(expect.to_owned()));
        }
        assert!(CalicoVersion::OLDEST < CalicoVersion::V3_29 && CalicoVersion::V3_29 < CalicoVersion::V3_32);
        assert_eq!(CalicoVersion::default(), CalicoVersion::NEWEST);
    }

    #[test]
    fn others_are_refused_with_the_range() {
        for text in [
            "", "3", "3.", "v", "3.19", "3.34", "4.0", "2.6", "3.3", "3.x", "3.31.x", "3.31.2.1", "+3.31",
            "newest",
        ] {
            let error = text.parse::<CalicoVersion>().expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("from 3.20 to 3.33"), "{error}");
        }
    }

    #[track_caller]
    fn check(tier: &str, name: &str, [v3_28, v3_31, v3_32]: [&str; 3]) {
        for (version, expect) in [("3.28", v3_28), ("3.29", v3_31), ("3.31", v3_31), ("3.32", v3_32)] {
            let version: CalicoVersion = version.parse().unwrap();
            let of = |kind| version.policy_name(kind, tier, Name::from(name));
            assert_eq!(of(PolicyKind::NetworkPolicy), expect, "{version}");
            assert_eq!(of(PolicyKind::StagedGlobalNetworkPolicy), expect, "{version}");
            // The kinds of Kubernetes are named as they are.
            assert_eq!(of(PolicyKind::KubernetesNetworkPolicy), name, "{version}");
        }
    }

    #[test]
    fn one_policy_has_one_name() {
        check("default", "web", ["web", "web", "web"]);
        check("default", "default.web", ["web", "web", "default.web"]);
        check("security", "security.web", ["security.web", "security.web", "security.web"]);
        // As a trace names it, whose reader has taken the tier off.
        check("security", "web", ["security.web", "security.web", "web"]);
        check("security", "security", ["security.security", "security.security", "security"]);
        check("default", "knp.default.a.b", ["knp.default.a.b", "knp.default.a.b", "knp.default.a.b"]);
    }
}
