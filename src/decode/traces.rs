//! The `policies` member: the enforced and the pending trace, to one policy hit a line.

use simd_json::{Node, StaticNode};

use super::error::{Fault, Reason};
use super::goldmane;
use super::hit::is_staged;
use super::limits::HIT_BYTES_MAX;
use super::scalar::has_control;
use super::tape::Item;

/// Reads both traces into `enforced` and `pending`.
///
/// A trace that the record lacks, and one that is an empty array, leave the text empty: both mean that none is known.
/// `transit_policies` judge forwarded traffic, which no edge stands for. `all_policies` is what releases wrote that had
/// no list of enforced hits yet; without that list the enforced trace is all of them but the staged.
pub(super) fn read(item: Item<'_, '_>, enforced: &mut String, pending: &mut String) -> Result<(), Fault> {
    enforced.clear();
    pending.clear();
    let members = match item.node() {
        Some(Node::Static(StaticNode::Null) | Node::String("" | "-")) => return Ok(()),
        _ => item.members()?.ok_or(Fault::bad("an object of policy lists"))?,
    };
    let (mut enforced_list, mut pending_list, mut all) = (None, None, None);
    for (key, value) in members {
        let list = match key {
            "enforced_policies" | "enforcedPolicies" | "enforced" => &mut enforced_list,
            "pending_policies" | "pendingPolicies" | "pending" => &mut pending_list,
            "all_policies" => &mut all,
            _ => continue,
        };
        if list.replace(value).is_some() {
            return Err(Fault { reason: Reason::DuplicateKey, expected: "each list of policies once" });
        }
    }
    match (enforced_list, all) {
        (Some(list), _) => read_list(list, enforced, |_| true)?,
        (None, Some(list)) => read_list(list, enforced, |hit| !is_staged(hit))?,
        (None, None) => {}
    }
    pending_list.map_or(Ok(()), |list| read_list(list, pending, |_| true))
}

fn read_list(list: Item<'_, '_>, lines: &mut String, is_wanted: impl Fn(&str) -> bool) -> Result<(), Fault> {
    if matches!(list.node(), Some(Node::Static(StaticNode::Null))) {
        return Ok(());
    }
    for hit in list.elements()?.ok_or(Fault::bad("lists of policies"))? {
        match hit.text() {
            Some(text) if !is_wanted(text) => {}
            Some(text) => push(text, lines)?,
            None => {
                begin_line(lines);
                goldmane::push_hit(hit, lines)?;
            }
        }
    }
    Ok(())
}

/// Appends one hit that is written as text.
#[inline]
pub(super) fn push(hit: &str, lines: &mut String) -> Result<(), Fault> {
    if hit.is_empty() || has_control(hit) {
        return Err(Fault::bad("policy hits without control characters"));
    }
    if hit.len() > HIT_BYTES_MAX {
        return Err(Fault { reason: Reason::Name, expected: "policy hits of at most 823 bytes" });
    }
    begin_line(lines);
    lines.push_str(hit);
    Ok(())
}

#[inline]
fn begin_line(lines: &mut String) {
    if !lines.is_empty() {
        lines.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `policies`, and gives the two traces with `;` between hits.
    #[track_caller]
    fn check(json: &str, expect: Result<(&str, &str), Reason>) {
        let mut bytes = json.as_bytes().to_vec();
        let tape = simd_json::to_tape(&mut bytes).unwrap();
        let (mut enforced, mut pending) = ("left over".to_owned(), "left over".to_owned());
        let result = read(Item::root(&tape.0), &mut enforced, &mut pending).map_err(|fault| fault.reason);
        let (enforced, pending) = (enforced.replace('\n', ";"), pending.replace('\n', ";"));
        assert_eq!(result.map(|()| (enforced.as_str(), pending.as_str())), expect, "{json}");
    }

    #[test]
    fn a_missing_list_an_empty_one_and_null_are_all_no_trace_known() {
        for json in ["null", "{}", r#""-""#, r#"{"enforced_policies":[],"pending_policies":null}"#] {
            check(json, Ok(("", "")));
        }
        check(r#"{"transit_policies":["0|t|t.a|allow|0"]}"#, Ok(("", "")));
    }

    #[test]
    fn hits_keep_the_records_order() {
        check(
            r#"{"enforced_policies":["1|t|t.b|allow|0","0|s|s.a|pass|1"],"pending_policies":["0|s|s.a|pass|1"]}"#,
            Ok(("1|t|t.b|allow|0;0|s|s.a|pass|1", "0|s|s.a|pass|1")),
        );
    }

    #[test]
    fn without_a_list_of_enforced_hits_all_but_the_staged_are() {
        let all = r#""all_policies":["0|t|a/t.staged:x|deny|0","1|t|a/t.b|allow|0"]"#;
        check(&format!("{{{all}}}"), Ok(("1|t|a/t.b|allow|0", "")));
        check(
            &format!(r#"{{{all},"enforced_policies":["0|t|a/t.c|allow|0"]}}"#),
            Ok(("0|t|a/t.c|allow|0", "")),
        );
    }

    #[test]
    fn lists_that_are_no_lists_of_hits_are_refused() {
        check("[]", Err(Reason::BadField));
        check(r#"{"enforced_policies":"0|t|t.b|allow|0"}"#, Err(Reason::BadField));
        check(r#"{"pending_policies":[""]}"#, Err(Reason::BadField));
        check(r#"{"pending_policies":["0|t|t.b\n|allow|0"]}"#, Err(Reason::BadField));
        check(r#"{"pending_policies":[7]}"#, Err(Reason::BadField));
        check(r#"{"pending_policies":[],"pending":[]}"#, Err(Reason::DuplicateKey));
        check(&format!(r#"{{"pending_policies":["0|t|{}|allow|0"]}}"#, "x".repeat(900)), Err(Reason::Name));
    }
}
