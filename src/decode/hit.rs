//! Policy-hit strings, in every form that Calico's releases have written them.
//!
//! `index|tier|policy|action|rule`. The policy part is `kind:[namespace/]name` since Calico 3.32; before, the kind was
//! in prefixes of the name: `[namespace/]tier.name`, `tier.staged:name`, `staged:knp.default.name`, and a few more.
//! Facts: `felix/calc/policy_lookup_cache.go` and `goldmane/proto/methods.go` of projectcalico/calico, and the flow-log
//! pages of tigera/docs.

use crate::model::{Action, HitOwner, Name, PolicyHit, PolicyId, PolicyKind, RuleIndex, Trace, TraceText};

/// The tier under which profiles are written.
const PROFILE_TIER: &str = "__PROFILE__";

/// What stands for a name that the reader of the log may not see.
const HIDDEN: &str = "*";

/// What marks a staged policy in the older forms.
const STAGED: &str = "staged:";

/// One hit as it was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedHit {
    /// Its place in the trace.
    pub position: u32,
    /// Who made it; nothing when the record does not tell: the name was hidden from the reader of the log, the kind of
    /// policy is unknown, or no policy is named for an end of tier.
    pub owner: Option<HitOwner>,
    /// What was done.
    pub action: Action,
    /// By which rule. At the end of a tier the owner is the policy that the end is charged to.
    pub rule: RuleIndex,
}

/// Why a policy hit, or a trace, could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum HitError {
    /// It has not four or five parts.
    #[error("a policy hit has four or five parts joined by `|`")]
    Parts,
    /// The first part is no number.
    #[error("the first part of a policy hit is its place in the trace")]
    Position,
    /// The second part is empty.
    #[error("a policy hit names a tier")]
    Tier,
    /// The third part names no policy.
    #[error("a policy hit names a policy")]
    Policy,
    /// The fourth part is no action.
    #[error("a policy hit allows, denies or passes")]
    Action,
    /// The fifth part is no rule.
    #[error("the last part of a policy hit is the place of a rule")]
    Rule,
    /// A hit of the trace does not tell who made it, so the trace is incomplete.
    #[error("the record does not tell who made a hit")]
    Hidden,
    /// Hits of one place, so they are of several connections.
    #[error("different policy hits of one trace have the same place")]
    Mixed,
}

/// Parses one policy hit.
///
/// # Errors
///
/// When the text is no policy hit. A hit whose owner the record does not tell is none.
pub fn parse_hit(text: &str) -> Result<RecordedHit, HitError> {
    let mut parts = text.split('|');
    let mut part = || parts.next().ok_or(HitError::Parts);
    let (position, tier, policy, action) = (part()?, part()?, part()?, part()?);
    let rule = parts.next();
    if parts.next().is_some() {
        return Err(HitError::Parts);
    }
    Ok(RecordedHit {
        position: position.parse().map_err(|_| HitError::Position)?,
        owner: parse_owner(tier, policy)?,
        action: parse_action(action).ok_or(HitError::Action)?,
        rule: parse_rule(rule)?,
    })
}

/// Parses a trace and sorts it by the place that each hit states: some exporters write hits out of order. Of a hit
/// that stands twice one is kept.
///
/// # Errors
///
/// When a hit cannot be read, or does not tell who made it.
///
/// # Names
///
/// The older forms carry the tier in front of the name, and it is taken off. Before a trace of such a release is held
/// against its policies, [`Trace::named_by`] gives every policy the name that the release tells it by.
pub fn parse_trace(text: TraceText<'_>) -> Result<Trace, HitError> {
    trace_of(sorted(text)?)
}

/// As [`parse_trace`], of a record whose hits are those of one way through the policies: where they were gathered from
/// several, there is no telling which belong together.
///
/// # Errors
///
/// As there, and when two hits have the same place.
pub fn parse_single_trace(text: TraceText<'_>) -> Result<Trace, HitError> {
    let hits = sorted(text)?;
    let is_mixed = hits.iter().zip(hits.iter().skip(1)).any(|(one, next)| one.position == next.position);
    if is_mixed { Err(HitError::Mixed) } else { trace_of(hits) }
}

fn sorted(text: TraceText<'_>) -> Result<Vec<RecordedHit>, HitError> {
    let mut hits = text.0.lines().map(parse_hit).collect::<Result<Vec<_>, _>>()?;
    hits.sort_by_key(|hit| hit.position);
    hits.dedup();
    Ok(hits)
}

fn trace_of(hits: Vec<RecordedHit>) -> Result<Trace, HitError> {
    hits.into_iter()
        .map(|RecordedHit { position: _, owner, action, rule }| {
            Ok(PolicyHit { owner: owner.ok_or(HitError::Hidden)?, action, rule })
        })
        .collect::<Result<_, _>>()
        .map(Trace)
}

/// Tells whether a hit is of a staged policy, in either form, without parsing it.
pub(super) fn is_staged(text: &str) -> bool {
    let policy = text.split('|').nth(2).unwrap_or_default();
    match split_kind(policy) {
        Some((kind, _)) => kind.is_staged(),
        None => policy.contains(STAGED),
    }
}

fn parse_action(text: &str) -> Option<Action> {
    [Action::Allow, Action::Deny, Action::Pass].into_iter().find(|it| text.eq_ignore_ascii_case(it.as_str()))
}

/// -1 is the end of the tier, -2 an index that Calico itself does not know.
fn parse_rule(text: Option<&str>) -> Result<RuleIndex, HitError> {
    Ok(match text {
        None | Some("-" | HIDDEN | "-2" | "") => RuleIndex::Unknown,
        Some("-1") => RuleIndex::EndOfTier,
        Some(number) => RuleIndex::Rule(number.parse().map_err(|_| HitError::Rule)?),
    })
}

fn parse_owner(tier: &str, policy: &str) -> Result<Option<HitOwner>, HitError> {
    if policy.is_empty() {
        return Err(HitError::Policy);
    }
    if tier.is_empty() {
        return Err(HitError::Tier);
    }
    if policy == HIDDEN || tier == HIDDEN {
        return Ok(None);
    }
    if let Some(name) = profile_name(tier, policy) {
        return if name.is_empty() {
            Err(HitError::Policy)
        } else {
            Ok(Some(HitOwner::Profile(Name::from(name))))
        };
    }
    let parsed = match split_kind(policy) {
        Some((kind, rest)) => modern(kind, rest)?,
        None => legacy(tier, policy)?,
    };
    Ok(parsed.map(|policy| HitOwner::Policy { tier: Name::from(tier), policy }))
}

/// Returns the name of a profile, if the hit is one's.
fn profile_name<'a>(tier: &str, policy: &'a str) -> Option<&'a str> {
    if let Some(name) = policy.strip_prefix("pro:") {
        return Some(name);
    }
    if let Some(name) = policy.strip_prefix(PROFILE_TIER).and_then(|rest| rest.strip_prefix('.')) {
        return Some(name);
    }
    (tier == PROFILE_TIER).then_some(policy)
}

/// Splits `kind:rest`, if the text begins with a short kind.
fn split_kind(policy: &str) -> Option<(PolicyKind, &str)> {
    let (word, rest) = policy.split_once(':')?;
    let kind = PolicyKind::ALL.into_iter().find(|kind| kind.short() == word)?;
    Some((kind, rest))
}

/// `kind:[namespace/]name`. A global kind with a namespace, or the reverse, fails in Calico too.
fn modern(kind: PolicyKind, rest: &str) -> Result<Option<PolicyId>, HitError> {
    let (namespace, name) = match rest.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, rest),
    };
    let namespace_fits = namespace.is_some() == kind.is_namespaced() && namespace != Some("");
    if !namespace_fits || name.is_empty() || name.contains(['/', ':']) {
        return Err(HitError::Policy);
    }
    Ok(Some(PolicyId { kind, namespace: namespace.map(Name::from), name: Name::from(name) }))
}

/// The forms before 3.32, where prefixes of the name tell the kind.
fn legacy(tier: &str, policy: &str) -> Result<Option<PolicyId>, HitError> {
    let (namespace, rest) = match policy.split_once('/') {
        Some(("", _)) => return Err(HitError::Policy),
        Some((namespace, rest)) => (Some(namespace), rest),
        None => (None, policy),
    };
    // The marker stands before or behind the tier: `staged:tier.name`, `tier.staged:name`.
    let (is_staged, rest) = match rest.split_once(STAGED) {
        Some((_, rest)) => (true, rest),
        None => (false, rest),
    };
    if rest.contains(':') || namespace.is_some_and(|namespace| namespace.contains(':')) {
        // A short kind that is newer than this table.
        return Ok(None);
    }
    let strip_tier = |text| strip_dotted(text, tier).unwrap_or(text);
    let (kind, name) = if let Some(name) = strip_dotted(rest, "knp.default") {
        (
            if is_staged {
                PolicyKind::StagedKubernetesNetworkPolicy
            } else {
                PolicyKind::KubernetesNetworkPolicy
            },
            name,
        )
    } else if let Some(admin) = admin(rest).or_else(|| admin(strip_tier(rest))) {
        admin
    } else {
        let kind = match (is_staged, namespace) {
            (false, Some(_)) => PolicyKind::NetworkPolicy,
            (false, None) => PolicyKind::GlobalNetworkPolicy,
            (true, Some(_)) => PolicyKind::StagedNetworkPolicy,
            (true, None) => PolicyKind::StagedGlobalNetworkPolicy,
        };
        (kind, strip_tier(rest))
    };
    if name.is_empty() || name.contains('/') || namespace.is_some() != kind.is_namespaced() {
        return Err(HitError::Policy);
    }
    Ok(Some(PolicyId { kind, namespace: namespace.map(Name::from), name: Name::from(name) }))
}

/// Strips `prefix.`.
fn strip_dotted<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix)?.strip_prefix('.')
}

/// Recognises the two admin kinds of Calico 3.29 to 3.31.
fn admin(text: &str) -> Option<(PolicyKind, &str)> {
    strip_dotted(text, "kanp.adminnetworkpolicy").map(|name| (PolicyKind::AdminNetworkPolicy, name)).or_else(
        || {
            strip_dotted(text, "kbanp.baselineadminnetworkpolicy")
                .map(|name| (PolicyKind::BaselineAdminNetworkPolicy, name))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a hit and prints it in the modern form, `?` where the record does not tell the owner.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let printed = match parse_hit(text) {
            Err(error) => format!("{error:?}"),
            Ok(RecordedHit { position, owner: None, action, rule }) => {
                format!("{position}|?|{action}|{rule}")
            }
            Ok(RecordedHit { position, owner: Some(owner), action, rule }) => {
                let hit = Trace(vec![PolicyHit { owner, action, rule }]).lines().next().unwrap();
                let (_, behind) = hit.split_once('|').unwrap();
                format!("{position}|{behind}")
            }
        };
        assert_eq!(printed, expect, "{text}");
    }

    #[test]
    fn the_form_since_3_32() {
        check("0|default|np:shop/allow-web|allow|0", "0|default|np:shop/allow-web|allow|0");
        check("1|security|sgnp:deny-all|deny|2", "1|security|sgnp:deny-all|deny|2");
        check("0|default|knp:shop/web|deny|-1", "0|default|knp:shop/web|deny|-1");
        check("0|kube-admin|kcnp:guard|pass|4", "0|kube-admin|kcnp:guard|pass|4");
        check("1|__PROFILE__|pro:kns.shop|allow|0", "1|__PROFILE__|pro:kns.shop|allow|0");
        check("0|default|np:shop/default.allow-web|Allow|0", "0|default|np:shop/default.allow-web|allow|0");
        check("0|default|sknp:shop/web|deny|3", "0|default|sknp:shop/web|deny|3");
    }

    #[test]
    fn legacy_forms_keep_the_kind_in_prefixes() {
        check("0|default|shop/default.staged:dd|deny|-1", "0|default|snp:shop/dd|deny|-1");
        check("1|default|shop/staged:knp.default.web|deny|3", "1|default|sknp:shop/web|deny|3");
        check("4|tierName|tierName.policyName|allow|-", "4|tierName|gnp:policyName|allow|-");
        check("1|adminnetworkpolicy|kanp.adminnetworkpolicy.x|pass|2", "1|adminnetworkpolicy|kanp:x|pass|2");
        check("1|__PROFILE__|__PROFILE__.kns.shop|allow|0", "1|__PROFILE__|pro:kns.shop|allow|0");
        check("0|*|*|deny|*", "0|?|deny|-");
    }

    #[test]
    fn variants_of_legacy_forms() {
        check("0|*|*|deny", "0|?|deny|-");
        check("4|tier|ns/tier.name|allow", "4|tier|np:ns/name|allow|-");
        check("0|default|shop/knp.default.web|allow|1", "0|default|knp:shop/web|allow|1");
        check("1|tier2|ns2/staged:tier2.policy1|deny|1", "1|tier2|snp:ns2/policy1|deny|1");
        check("1|tier2|ns2/tier2.staged:tier2.policy1|deny|1", "1|tier2|snp:ns2/policy1|deny|1");
        check("1|security|security.staged:block|deny|0", "1|security|sgnp:block|deny|0");
        check(
            "0|adminnetworkpolicy|adminnetworkpolicy.kanp.adminnetworkpolicy.x|deny|0",
            "0|adminnetworkpolicy|kanp:x|deny|0",
        );
        check(
            "0|baselineadminnetworkpolicy|kbanp.baselineadminnetworkpolicy.default|deny|0",
            "0|baselineadminnetworkpolicy|kbanp:default|deny|0",
        );
        check("0|__PROFILE__|__PROFILE__.__NO_MATCH__|deny|-1", "0|__PROFILE__|pro:__NO_MATCH__|deny|-1");
        check("0|default|default.x|allow|-2", "0|default|gnp:x|allow|-");
        check("0|default|other.name.with.dots|allow|0", "0|default|gnp:other.name.with.dots|allow|0");
    }

    #[test]
    fn a_kind_from_the_future_is_told_from_a_malformed_hit() {
        check("0|default|xnp:shop/a|allow|0", "0|?|allow|0");
        check("0|default|eot:-|deny|-1", "0|?|deny|-1");
        check("0|default|np:a|allow|0", "Policy");
        check("0|default|gnp:shop/a|allow|0", "Policy");
        check("0|default|np:shop/a/b|allow|0", "Policy");
        check("0|default|np:/a|allow|0", "Policy");
        check("0|default|/a|allow|0", "Policy");
        check("0|default||allow|0", "Policy");
        check("0||np:shop/a|allow|0", "Tier");
        check("x|default|np:shop/a|allow|0", "Position");
        check("-1|default|np:shop/a|allow|0", "Position");
        check("0|default|np:shop/a|log|0", "Action");
        check("0|default|np:shop/a|allow|-3", "Rule");
        check("0|default|np:shop/a", "Parts");
        check("0|default|np:shop/a|allow|0|0", "Parts");
        check("", "Parts");
    }

    #[test]
    fn a_trace_is_sorted_by_the_place_that_hits_state() {
        let text = TraceText("1|default|shop/default.web|allow|2\n0|security|security.base|pass|1");
        let lines: Vec<_> = parse_trace(text).unwrap().lines().collect();
        assert_eq!(lines, ["0|security|gnp:base|pass|1", "1|default|np:shop/web|allow|2"]);
        assert_eq!(parse_trace(TraceText("")), Ok(Trace::default()));
        assert_eq!(parse_trace(TraceText("0|*|*|deny|*")), Err(HitError::Hidden));
    }

    /// Parses a trace of one hit, and prints whom 3.31 and 3.32 name by it.
    #[track_caller]
    fn check_named(policy: &str, v3_31: &str, v3_32: &str) {
        let (tier, policy) = policy.split_once(' ').unwrap();
        let trace = parse_trace(TraceText(&format!("0|{tier}|{policy}|deny|-1"))).unwrap();
        for (version, expect) in [("3.28", v3_31), ("3.31", v3_31), ("3.32", v3_32)] {
            let named = trace.clone().named_by(version.parse().unwrap());
            let lines: Vec<_> = named.lines().collect();
            assert_eq!(lines, [format!("0|{tier}|{expect}|deny|-1")], "{version}: {policy}");
        }
    }

    #[test]
    fn a_policy_is_named_as_its_release_tells_it_from_others() {
        check_named("default shop/default.web", "np:shop/web", "np:shop/web");
        check_named("default shop/default.staged:dd", "snp:shop/dd", "snp:shop/dd");
        check_named("security security.base", "gnp:security.base", "gnp:base");
        check_named("security shop/security.base", "np:shop/security.base", "np:shop/base");
        check_named("security security.staged:base", "sgnp:security.base", "sgnp:base");
        check_named("security shop/security.staged:security.base", "snp:shop/security.base", "snp:shop/base");
        // Kinds of Kubernetes and profiles are named without a tier.
        check_named("default shop/knp.default.web", "knp:shop/web", "knp:shop/web");
        check_named("default shop/staged:knp.default.web", "sknp:shop/web", "sknp:shop/web");
        check_named("adminnetworkpolicy kanp.adminnetworkpolicy.x", "kanp:x", "kanp:x");
        check_named("__PROFILE__ __PROFILE__.kns.shop", "pro:kns.shop", "pro:kns.shop");
        // The form of later releases and of Goldmane, whose names have the tier or have it not.
        check_named("security gnp:base", "gnp:security.base", "gnp:base");
        check_named("security gnp:security.base", "gnp:security.base", "gnp:security.base");
        check_named("default np:shop/default.web", "np:shop/web", "np:shop/default.web");
    }

    #[test]
    fn a_single_trace_has_one_hit_at_each_place() {
        let single = |text| parse_single_trace(TraceText(text)).map(|it| it.0.len());
        // What was filtered out leaves a gap.
        assert_eq!(single("2|__PROFILE__|pro:kns.a|allow|0\n0|t|gnp:a|pass|1"), Ok(2));
        assert_eq!(single("0|t|gnp:a|allow|0\n0|t|gnp:a|allow|0"), Ok(1));
        let mixed = "0|t|gnp:a|pass|1\n0|u|gnp:b|pass|-1\n1|__PROFILE__|pro:kns.a|allow|0";
        assert_eq!(single(mixed), Err(HitError::Mixed));
        assert_eq!(parse_trace(TraceText(mixed)).map(|it| it.0.len()), Ok(3));
        assert_eq!(single("0|t|gnp:a"), Err(HitError::Parts));
    }

    #[test]
    fn staged_hits_are_told_without_parsing() {
        for staged in [
            "0|t|snp:a/b|deny|0",
            "0|t|sgnp:b|deny|0",
            "0|t|a/t.staged:b|deny|0",
            "0|t|a/staged:knp.default.b|deny",
        ] {
            assert!(is_staged(staged), "{staged}");
        }
        for enforced in
            ["0|t|np:a/b|deny|0", "0|t|a/t.b|deny|0", "0|__PROFILE__|__PROFILE__.kns.a|allow|0", ""]
        {
            assert!(!is_staged(enforced), "{enforced}");
        }
    }
}
