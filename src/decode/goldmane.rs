//! Goldmane's structured policy hits, to the text form that everything else reads.
//!
//! Its emitter writes enums as numbers and leaves zero values out; protobuf's JSON writes names and camelCase;
//! Whisker writes names and leaves nothing out. Facts: `goldmane/proto/api.proto` of projectcalico/calico.

use simd_json::{Node, StaticNode};

use super::error::{Fault, Reason};
use super::scalar;
use super::tape::Item;

/// The parts of one hit, or of the trigger of an end of tier.
#[derive(Clone, Copy, Default, Debug)]
struct Hit<'t, 'a> {
    kind: Option<&'static str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    tier: Option<&'a str>,
    action: Option<&'static str>,
    position: i64,
    rule: i64,
    trigger: Option<Item<'t, 'a>>,
}

/// The marker of an end of tier that is charged to no policy.
const END_OF_TIER: &str = "eot";

/// Appends one hit to `line` as `index|tier|kind:[namespace/]name|action|rule`.
pub(super) fn push_hit(item: Item<'_, '_>, line: &mut String) -> Result<(), Fault> {
    let hit = read(item)?;
    let owner = match hit.trigger {
        Some(trigger) if hit.kind == Some(END_OF_TIER) => {
            let trigger = read(trigger)?;
            Hit { tier: hit.tier.or(trigger.tier), ..trigger }
        }
        _ => hit,
    };
    let action = hit.action.ok_or(Fault::bad("hits with an action"))?;
    let kind = owner.kind.ok_or(Fault::bad("hits with a kind of policy"))?;
    if owner.name.is_none() && kind != END_OF_TIER {
        return Err(Fault::bad("hits with a name"));
    }
    // A profile is in no tier; the text form writes this one.
    let tier = if kind == "pro" { Some("__PROFILE__") } else { owner.tier };
    push_number(hit.position, line);
    line.push('|');
    line.push_str(tier.unwrap_or_default());
    line.push('|');
    line.push_str(kind);
    line.push(':');
    if let Some(namespace) = owner.namespace {
        line.push_str(namespace);
        line.push('/');
    }
    line.push_str(owner.name.unwrap_or("-"));
    line.push('|');
    line.push_str(action);
    line.push('|');
    push_number(hit.rule, line);
    Ok(())
}

fn read<'t, 'a>(item: Item<'t, 'a>) -> Result<Hit<'t, 'a>, Fault> {
    let members = item.members()?.ok_or(Fault::bad("hits as text or objects"))?;
    let mut hit = Hit::default();
    let mut seen = 0_u8;
    for (key, value) in members {
        let bit = match key {
            "kind" => {
                hit.kind = kind(value)?;
                1
            }
            "namespace" => {
                hit.namespace = part(value)?;
                2
            }
            "name" => {
                hit.name = part(value)?;
                4
            }
            "tier" => {
                hit.tier = part(value)?;
                8
            }
            "action" => {
                hit.action = action(value)?;
                16
            }
            "policy_index" | "policyIndex" => {
                hit.position = scalar::index(value)?.unwrap_or(0);
                32
            }
            "rule_index" | "ruleIndex" => {
                hit.rule = scalar::index(value)?.unwrap_or(0);
                64
            }
            "trigger" => {
                hit.trigger = value.members()?.map(|_| value);
                128
            }
            _ => 0,
        };
        if seen & bit != 0 {
            return Err(Fault { reason: Reason::DuplicateKey, expected: "each part of a hit once" });
        }
        seen |= bit;
    }
    Ok(hit)
}

/// Reads a name; one that holds the text form's own separators would read as something else.
fn part<'a>(item: Item<'_, 'a>) -> Result<Option<&'a str>, Fault> {
    let name = scalar::name(item)?;
    match name {
        Some(name) if name.contains(['|', '/', ':']) => {
            Err(Fault { reason: Reason::Name, expected: "hits with names without separators" })
        }
        _ => Ok(name),
    }
}

/// Returns the short form of a kind of policy. Kinds 7 and 8 are those of Calico 3.30 and 3.31. A kind that is
/// not known yet does not cost the flow: it reads as a hit whose owner is not told.
fn kind(item: Item<'_, '_>) -> Result<Option<&'static str>, Fault> {
    Ok(match item.node() {
        Some(Node::String(name)) => Some(match *name {
            "CalicoNetworkPolicy" => "np",
            "GlobalNetworkPolicy" => "gnp",
            "StagedNetworkPolicy" => "snp",
            "StagedGlobalNetworkPolicy" => "sgnp",
            "StagedKubernetesNetworkPolicy" => "sknp",
            "NetworkPolicy" => "knp",
            "AdminNetworkPolicy" => "kanp",
            "BaselineAdminNetworkPolicy" => "kbanp",
            "Profile" => "pro",
            "EndOfTier" => END_OF_TIER,
            "ClusterNetworkPolicy" => "kcnp",
            "" | "KindUnspecified" => return Ok(None),
            _ => "unknown",
        }),
        Some(Node::Static(StaticNode::Null)) => None,
        _ => match scalar::index(item)? {
            None | Some(0) => None,
            Some(1) => Some("np"),
            Some(2) => Some("gnp"),
            Some(3) => Some("snp"),
            Some(4) => Some("sgnp"),
            Some(5) => Some("sknp"),
            Some(6) => Some("knp"),
            Some(7) => Some("kanp"),
            Some(8) => Some("kbanp"),
            Some(9) => Some("pro"),
            Some(10) => Some(END_OF_TIER),
            Some(11) => Some("kcnp"),
            Some(_) => Some("unknown"),
        },
    })
}

/// Returns the word for an action; a trigger has none.
fn action(item: Item<'_, '_>) -> Result<Option<&'static str>, Fault> {
    const EXPECTED: Fault = Fault::bad("hits that allow, deny or pass");
    Ok(match item.node() {
        Some(Node::String(name)) => match *name {
            "Allow" | "allow" => Some("allow"),
            "Deny" | "deny" => Some("deny"),
            "Pass" | "pass" => Some("pass"),
            "" | "ActionUnspecified" => None,
            _ => return Err(EXPECTED),
        },
        _ => match scalar::index(item)? {
            None | Some(0) => None,
            Some(1) => Some("allow"),
            Some(2) => Some("deny"),
            Some(3) => Some("pass"),
            Some(_) => return Err(EXPECTED),
        },
    })
}

/// Appends a number. Nearly all have one digit, and the formatting machinery costs more than the rest of a hit.
fn push_number(number: i64, line: &mut String) {
    use std::fmt::Write as _;
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => line.push(char::from(b'0' + digit)),
        // Writing to a string does not fail.
        _ => drop(write!(line, "{number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expect: Result<&str, Reason>) {
        let mut bytes = json.as_bytes().to_vec();
        let tape = simd_json::to_tape(&mut bytes).unwrap();
        let mut line = String::new();
        let result = push_hit(Item::root(&tape.0), &mut line).map_err(|fault| fault.reason);
        assert_eq!(result.map(|()| line.as_str()), expect, "{json}");
    }

    #[test]
    fn numbers_names_and_omitted_zeros_read_alike() {
        for json in [
            r#"{"kind":3,"namespace":"shop","name":"dd","tier":"default","action":2}"#,
            r#"{"kind":"StagedNetworkPolicy","namespace":"shop","name":"dd","tier":"default","action":"Deny","ruleIndex":"0"}"#,
            r#"{"kind":"StagedNetworkPolicy","name":"dd","namespace":"shop","tier":"default","action":"Deny","policy_index":0,"rule_index":0,"trigger":null}"#,
        ] {
            check(json, Ok("0|default|snp:shop/dd|deny|0"));
        }
    }

    #[test]
    fn kind_6_is_kubernetes_own_policy_and_kind_1_is_calicos() {
        check(
            r#"{"kind":6,"namespace":"a","name":"b","tier":"default","action":1}"#,
            Ok("0|default|knp:a/b|allow|0"),
        );
        check(
            r#"{"kind":"NetworkPolicy","namespace":"a","name":"b","tier":"t","action":1}"#,
            Ok("0|t|knp:a/b|allow|0"),
        );
        check(
            r#"{"kind":1,"namespace":"a","name":"b","tier":"default","action":1}"#,
            Ok("0|default|np:a/b|allow|0"),
        );
    }

    #[test]
    fn an_end_of_tier_names_its_trigger() {
        check(
            r#"{"kind":10,"tier":"default","action":2,"policy_index":2,"rule_index":-1,
                "trigger":{"kind":3,"namespace":"shop","name":"dd","tier":"default"}}"#,
            Ok("2|default|snp:shop/dd|deny|-1"),
        );
        check(r#"{"kind":10,"tier":"default","action":2,"rule_index":-1}"#, Ok("0|default|eot:-|deny|-1"));
    }

    #[test]
    fn a_profile_has_an_empty_tier() {
        check(
            r#"{"kind":"Profile","name":"kns.shop","namespace":"","tier":"","action":"Allow","policy_index":12}"#,
            Ok("12|__PROFILE__|pro:kns.shop|allow|0"),
        );
    }

    #[test]
    fn hits_that_would_read_as_something_else_are_refused() {
        check(r#"{"kind":1,"namespace":"a","name":"b|c","tier":"t","action":1}"#, Err(Reason::Name));
        check(r#"{"kind":1,"namespace":"a","name":"b","tier":"t"}"#, Err(Reason::BadField));
        check(r#"{"namespace":"a","name":"b","tier":"t","action":1}"#, Err(Reason::BadField));
        check(r#"{"kind":2,"tier":"t","action":1}"#, Err(Reason::BadField));
        check(r#"{"kind":1,"kind":2,"name":"b","tier":"t","action":1}"#, Err(Reason::DuplicateKey));
        check(r#"{"kind":1,"name":"b","tier":"t","action":9}"#, Err(Reason::BadField));
        check("7", Err(Reason::BadField));
    }
}
