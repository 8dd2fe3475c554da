//! Holds selectors against labels.

use super::parser::{Node, Selector};

impl Selector {
    /// Tells whether labels match. `lookup` gives the value of a label, or nothing where the label is absent.
    ///
    /// Texts are compared byte by byte. An absent label matches `!=` and `not in`.
    pub fn matches<'v>(&self, lookup: impl Fn(&str) -> Option<&'v str>) -> bool {
        matches(self.root(), &lookup)
    }
}

fn matches<'v>(node: &Node, lookup: &dyn Fn(&str) -> Option<&'v str>) -> bool {
    match node {
        Node::All | Node::Global => true,
        Node::Has(key) => lookup(key).is_some(),
        Node::Eq(key, value) => lookup(key).is_some_and(|it| *value == it),
        Node::Ne(key, value) => lookup(key).is_none_or(|it| *value != it),
        Node::In(key, values) => lookup(key).is_some_and(|it| is_among(values, it)),
        Node::NotIn(key, values) => lookup(key).is_none_or(|it| !is_among(values, it)),
        Node::Contains(key, text) => lookup(key).is_some_and(|it| it.contains(text.as_str())),
        Node::StartsWith(key, text) => lookup(key).is_some_and(|it| it.starts_with(text.as_str())),
        Node::EndsWith(key, text) => lookup(key).is_some_and(|it| it.ends_with(text.as_str())),
        Node::Not(operand) => !matches(operand, lookup),
        Node::And(operands) => operands.iter().all(|it| matches(it, lookup)),
        Node::Or(operands) => operands.iter().any(|it| matches(it, lookup)),
    }
}

/// Finds `value` in values that are sorted.
fn is_among(values: &[crate::model::Name], value: &str) -> bool {
    values.binary_search_by(|it| it.as_str().cmp(value)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LabelSet;

    /// Holds `selector` against each of the label sets, written as flow records do.
    #[track_caller]
    fn check(selector: &str, expect: [bool; 3]) {
        let selector = Selector::parse(selector).unwrap();
        let answers = [vec![], vec![("a", "b")], vec![("a", "")]].map(|pairs| {
            let labels: LabelSet = pairs.into_iter().collect();
            selector.matches(|key| labels.get(key).map(|it| it.as_str()))
        });
        assert_eq!(answers, expect, "{selector} against none, a=b, and a with an empty value");
    }

    #[test]
    fn absent_labels_match_negated_comparisons_only() {
        check("a == 'b'", [false, true, false]);
        check("a != \"b\"", [true, false, true]);
        check("has(a)", [false, true, true]);
        check("!has(a)", [true, false, false]);
        check("!a in {\"b\"}", [true, false, true]);
        check("a not in {'b', 'c'}", [true, false, true]);
        check("a contains \"\"", [false, true, true]);
        check("a starts with 'b'", [false, true, false]);
        check("a ends with 'b'", [false, true, false]);
        check("a in {}", [false, false, false]);
        check("a not in {}", [true, true, true]);
        check("!!! has(a)", [true, false, false]);
        check("all()", [true, true, true]);
        check("global()", [true, true, true]);
        check("", [true, true, true]);
        check("a == 'x' || b == 'y' && !has(c)", [false, false, false]);
        check("A == 'b'", [false, false, false]);
    }
}
