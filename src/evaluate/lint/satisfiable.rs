//! Whether any labels at all satisfy a selector.

use crate::model::Name;
use crate::policy::selector::Node;

/// Steps of the search. A selector of the language has at most 64 comparisons, of which real ones have five; whoever
/// writes one that takes more steps gets no answer, and it is not reported.
const STEPS_MAX: u32 = 20_000;

/// A condition, and whether it must hold or must not.
type Fact<'a> = (&'a Node, bool);

/// Tells whether there are labels that satisfy all of several conditions. True where that would take too long to find
/// out.
pub(super) fn are_satisfiable(conditions: &[Fact<'_>]) -> bool {
    let mut steps = STEPS_MAX;
    search(conditions.to_vec(), Vec::new(), &mut steps)
}

/// Breaks the open conditions down to facts about single labels, one way after the other, until one way holds.
fn search<'a>(mut open: Vec<Fact<'a>>, mut facts: Vec<Fact<'a>>, steps: &mut u32) -> bool {
    while let Some((node, holds)) = open.pop() {
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return true;
        }
        match (node, holds) {
            (Node::All | Node::Global, true) => {}
            (Node::All | Node::Global, false) => return false,
            (Node::Not(operand), _) => open.push((operand, !holds)),
            (Node::And(operands), true) | (Node::Or(operands), false) => {
                open.extend(operands.iter().map(|it| (it, holds)));
            }
            (Node::Or(operands), true) | (Node::And(operands), false) => {
                return operands.iter().any(|it| {
                    let mut open = open.clone();
                    open.push((it, holds));
                    search(open, facts.clone(), steps)
                });
            }
            (
                Node::Has(key)
                | Node::Eq(key, _)
                | Node::Ne(key, _)
                | Node::In(key, _)
                | Node::NotIn(key, _)
                | Node::Contains(key, _)
                | Node::StartsWith(key, _)
                | Node::EndsWith(key, _),
                _,
            ) => {
                facts.push((node, holds));
                let own: Vec<Fact<'_>> =
                    facts.iter().copied().filter(|(it, _)| key_of(it) == Some(key)).collect();
                if !label_exists(&own) {
                    return false;
                }
            }
        }
    }
    true
}

fn key_of(node: &Node) -> Option<&Name> {
    match node {
        Node::Has(key)
        | Node::Eq(key, _)
        | Node::Ne(key, _)
        | Node::In(key, _)
        | Node::NotIn(key, _)
        | Node::Contains(key, _)
        | Node::StartsWith(key, _)
        | Node::EndsWith(key, _) => Some(key),
        Node::All | Node::Global | Node::Not(_) | Node::And(_) | Node::Or(_) => None,
    }
}

/// Tells whether one label, absent or with some value, satisfies facts that are all about it. May say yes where it
/// does not, never the other way.
fn label_exists(facts: &[Fact<'_>]) -> bool {
    if facts.iter().all(|(node, holds)| holds_when_absent(node) == *holds) {
        return true;
    }
    if facts.iter().any(|(node, holds)| matches!(node, Node::Has(_)) && !holds) {
        return false;
    }
    let listed = facts.iter().find_map(|(node, holds)| listed(node, *holds));
    match listed {
        Some(values) => {
            values.iter().any(|value| facts.iter().all(|(node, holds)| holds_for(node, value) == *holds))
        }
        None => text_exists(facts),
    }
}

/// Returns the values that a fact leaves, where it leaves only some.
fn listed(node: &Node, holds: bool) -> Option<&[Name]> {
    match node {
        Node::Eq(_, value) if holds => Some(std::slice::from_ref(value)),
        Node::Ne(_, value) if !holds => Some(std::slice::from_ref(value)),
        Node::In(_, values) if holds => Some(values),
        Node::NotIn(_, values) if !holds => Some(values),
        Node::All
        | Node::Global
        | Node::Has(_)
        | Node::Eq(..)
        | Node::Ne(..)
        | Node::In(..)
        | Node::NotIn(..)
        | Node::Contains(..)
        | Node::StartsWith(..)
        | Node::EndsWith(..)
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_) => None,
    }
}

const fn holds_when_absent(node: &Node) -> bool {
    matches!(node, Node::Ne(..) | Node::NotIn(..))
}

fn holds_for(node: &Node, value: &str) -> bool {
    match node {
        Node::Has(_) | Node::All | Node::Global => true,
        Node::Eq(_, it) => it.as_str() == value,
        Node::Ne(_, it) => it.as_str() != value,
        Node::In(_, values) => values.iter().any(|it| it.as_str() == value),
        Node::NotIn(_, values) => values.iter().all(|it| it.as_str() != value),
        Node::Contains(_, text) => value.contains(text.as_str()),
        Node::StartsWith(_, text) => value.starts_with(text.as_str()),
        Node::EndsWith(_, text) => value.ends_with(text.as_str()),
        // No fact about one label.
        Node::Not(_) | Node::And(_) | Node::Or(_) => true,
    }
}

/// Tells whether some text may satisfy facts about what it begins with, ends with and contains. Values that are
/// excluded one by one are not looked at: there are always others, or it is not seen.
fn text_exists(facts: &[Fact<'_>]) -> bool {
    let (mut begins, mut ends, mut parts): (Vec<&str>, Vec<&str>, Vec<&str>) = Default::default();
    for (node, _) in facts.iter().filter(|(_, holds)| *holds) {
        match node {
            Node::StartsWith(_, text) => begins.push(text),
            Node::EndsWith(_, text) => ends.push(text),
            Node::Contains(_, text) => parts.push(text),
            Node::All
            | Node::Global
            | Node::Has(_)
            | Node::Eq(..)
            | Node::Ne(..)
            | Node::In(..)
            | Node::NotIn(..)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_) => {}
        }
    }
    let agree = |texts: &[&str], one_in_other: fn(&str, &str) -> bool| {
        texts.iter().all(|a| texts.iter().all(|b| one_in_other(a, b) || one_in_other(b, a)))
    };
    if !agree(&begins, |a, b| a.starts_with(b)) || !agree(&ends, |a, b| a.ends_with(b)) {
        return false;
    }
    let fixed = || begins.iter().chain(&ends).chain(&parts);
    facts.iter().filter(|(_, holds)| !holds).all(|(node, _)| match node {
        Node::StartsWith(_, text) => {
            !text.is_empty() && !begins.iter().any(|it| it.starts_with(text.as_str()))
        }
        Node::EndsWith(_, text) => !text.is_empty() && !ends.iter().any(|it| it.ends_with(text.as_str())),
        Node::Contains(_, text) => !text.is_empty() && !fixed().any(|it| it.contains(text.as_str())),
        Node::All
        | Node::Global
        | Node::Has(_)
        | Node::Eq(..)
        | Node::Ne(..)
        | Node::In(..)
        | Node::NotIn(..)
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_) => true,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Selector;

    #[track_caller]
    fn check(selector: &str, expect: bool) {
        let parsed = Selector::parse(selector).unwrap();
        assert_eq!(are_satisfiable(&[(parsed.root(), true)]), expect, "{selector}");
    }

    #[test]
    fn what_contradicts_itself_is_seen() {
        check("a == 'x' && a == 'y'", false);
        check("has(a) && !has(a)", false);
        check("a == 'x' && !has(a)", false);
        check("a == 'x' && a != 'x'", false);
        check("a in {'x', 'y'} && a not in {'x', 'y', 'z'}", false);
        check("a in {}", false);
        check("a == 'x' && (a == 'y' || a == 'z')", false);
        check("!(a == 'x' || !has(a)) && a in {'x'}", false);
        check("a starts with 'x' && a starts with 'y'", false);
        check("a ends with 'x' && a ends with 'y'", false);
        check("a == 'web' && a starts with 'x'", false);
        check("a starts with 'prod' && !a contains 'ro'", false);
        check("has(a) && !a contains ''", false);
        check("!all()", false);
    }

    #[test]
    fn what_some_labels_satisfy_is_left_alone() {
        check("", true);
        check("a == 'x' && b == 'y'", true);
        check("a != 'x' && a != 'y'", true);
        check("a != 'x' && !has(a)", true);
        check("a == 'x' || a == 'y'", true);
        check("!(a == 'x' && a == 'y')", true);
        check("a in {'x', 'y'} && a != 'x'", true);
        check("a starts with 'x' && a starts with 'xy' && a ends with 'y'", true);
        check("!a contains 'x'", true);
        check("a starts with 'x' && !a starts with 'xy'", true);
    }

    #[test]
    fn a_search_that_never_ends_gives_up() {
        let clause = |n: usize| format!("(a{n} == 'x' || b{n} == 'x')");
        let clauses: Vec<String> = (0..30).map(clause).collect();
        check(&format!("c == 'x' && {} && c == 'y'", clauses.join(" && ")), true);
    }

    fn leaf() -> impl Strategy<Value = String> {
        let key = prop::sample::select(vec!["a", "b"]);
        let value = prop::sample::select(vec!["", "x", "xy", "y"]);
        let form = prop::sample::select(vec![
            "has(K)",
            "K == 'V'",
            "K != 'V'",
            "K in {'V', 'x'}",
            "K not in {'V', 'y'}",
            "K contains 'V'",
            "K starts with 'V'",
            "K ends with 'V'",
        ]);
        (key, value, form).prop_map(|(key, value, form)| form.replace('K', key).replace('V', value))
    }

    fn selector() -> impl Strategy<Value = String> {
        leaf().prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|it| format!("!({it})")),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|it| format!("({})", it.join(" && "))),
                prop::collection::vec(inner, 2..4).prop_map(|it| format!("({})", it.join(" || "))),
            ]
        })
    }

    proptest! {
        /// Labels that satisfy a selector prove that it is satisfiable.
        #[test]
        fn nothing_that_matches_is_called_a_contradiction(text in selector()) {
            let values = [None, Some(""), Some("x"), Some("y"), Some("xy"), Some("yx"), Some("q")];
            let parsed = Selector::parse(&text).unwrap();
            let matches = values.iter().any(|a| {
                values.iter().any(|b| parsed.matches(|key| if key == "a" { *a } else { *b }))
            });
            if matches {
                prop_assert!(are_satisfiable(&[(parsed.root(), true)]), "{}", text);
            }
        }
    }
}
