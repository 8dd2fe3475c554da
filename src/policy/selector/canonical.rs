//! The normal form of selectors and its text.

use std::fmt;

use super::parser::{Node, Selector, negate};
use crate::model::Name;

impl Selector {
    /// Returns the selector that selects all.
    #[must_use]
    pub const fn all() -> Self {
        Self::from_normal(Node::All)
    }

    /// Makes a selector of an expression.
    ///
    /// Brings it to the form that the parser leaves: values of sets sorted and without repeats, no `&&` or `||` with
    /// fewer than two operands, no two `!` in a row. A value that holds both kinds of quotes has no text; Kubernetes
    /// allows neither in a label.
    #[must_use]
    pub fn from_node(node: Node) -> Self {
        Self::from_normal(normalise(node))
    }

    /// Makes the selector `key == "value"`.
    #[must_use]
    pub fn equals(key: impl Into<Name>, value: impl Into<Name>) -> Self {
        Self::from_normal(Node::Eq(key.into(), value.into()))
    }

    /// Makes the selector `has(key)`.
    #[must_use]
    pub fn has(key: impl Into<Name>) -> Self {
        Self::from_normal(Node::Has(key.into()))
    }

    /// Joins selectors by `&&`; of none, all. One that selects all adds nothing.
    #[must_use]
    pub fn and(operands: impl IntoIterator<Item = Self>) -> Self {
        let operands = operands.into_iter().map(Self::into_root).filter(|it| *it != Node::All);
        Self::from_node(Node::And(operands.collect()))
    }

    /// Tells whether the selector is `all()`, or was written empty.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self.root(), Node::All)
    }

    /// Makes the same selector over other label keys.
    #[must_use]
    pub fn map_keys(&self, rename: &dyn Fn(&Name) -> Name) -> Self {
        Self::from_normal(map_keys(self.root(), rename))
    }

    /// Tells whether `test` holds for any operation of the selector.
    pub fn any(&self, test: &dyn Fn(&Node) -> bool) -> bool {
        any(self.root(), test)
    }
}

fn any(node: &Node, test: &dyn Fn(&Node) -> bool) -> bool {
    test(node)
        || match node {
            Node::Not(operand) => any(operand, test),
            Node::And(operands) | Node::Or(operands) => operands.iter().any(|it| any(it, test)),
            Node::All
            | Node::Global
            | Node::Has(_)
            | Node::Eq(..)
            | Node::Ne(..)
            | Node::In(..)
            | Node::NotIn(..)
            | Node::Contains(..)
            | Node::StartsWith(..)
            | Node::EndsWith(..) => false,
        }
}

fn normalise(node: Node) -> Node {
    match node {
        Node::In(key, values) => Node::In(key, sorted(values)),
        Node::NotIn(key, values) => Node::NotIn(key, sorted(values)),
        Node::Not(operand) => negate(normalise(*operand), true),
        Node::And(operands) => match group(operands) {
            Ok(only) => only,
            Err(operands) if operands.is_empty() => Node::All,
            Err(operands) => Node::And(operands),
        },
        Node::Or(operands) => match group(operands) {
            Ok(only) => only,
            // Of nothing, none is true.
            Err(operands) if operands.is_empty() => Node::Not(Box::new(Node::All)),
            Err(operands) => Node::Or(operands),
        },
        Node::All
        | Node::Global
        | Node::Has(_)
        | Node::Eq(..)
        | Node::Ne(..)
        | Node::Contains(..)
        | Node::StartsWith(..)
        | Node::EndsWith(..) => node,
    }
}

/// Normalises operands; gives the only one, or all of them.
fn group(operands: Vec<Node>) -> Result<Node, Vec<Node>> {
    let mut operands: Vec<Node> = operands.into_iter().map(normalise).collect();
    if operands.len() == 1 { operands.pop().ok_or_else(Vec::new) } else { Err(operands) }
}

fn sorted(mut values: Vec<Name>) -> Vec<Name> {
    values.sort_unstable();
    values.dedup();
    values
}

fn map_keys(node: &Node, rename: &dyn Fn(&Name) -> Name) -> Node {
    let all = |operands: &[Node]| operands.iter().map(|it| map_keys(it, rename)).collect();
    match node {
        Node::All => Node::All,
        Node::Global => Node::Global,
        Node::Has(key) => Node::Has(rename(key)),
        Node::Eq(key, value) => Node::Eq(rename(key), value.clone()),
        Node::Ne(key, value) => Node::Ne(rename(key), value.clone()),
        Node::In(key, values) => Node::In(rename(key), values.clone()),
        Node::NotIn(key, values) => Node::NotIn(rename(key), values.clone()),
        Node::Contains(key, text) => Node::Contains(rename(key), text.clone()),
        Node::StartsWith(key, text) => Node::StartsWith(rename(key), text.clone()),
        Node::EndsWith(key, text) => Node::EndsWith(rename(key), text.clone()),
        Node::Not(operand) => Node::Not(Box::new(map_keys(operand, rename))),
        Node::And(operands) => Node::And(all(operands)),
        Node::Or(operands) => Node::Or(all(operands)),
    }
}

/// Prints the canonical text.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_node(f, self.root())
    }
}

fn write_node(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::All => f.write_str("all()"),
        Node::Global => f.write_str("global()"),
        Node::Has(key) => write!(f, "has({key})"),
        Node::Eq(key, value) => write_pair(f, key, "==", value),
        Node::Ne(key, value) => write_pair(f, key, "!=", value),
        Node::Contains(key, text) => write_pair(f, key, "contains", text),
        Node::StartsWith(key, text) => write_pair(f, key, "starts with", text),
        Node::EndsWith(key, text) => write_pair(f, key, "ends with", text),
        Node::In(key, values) => write_set(f, key, "in", values),
        Node::NotIn(key, values) => write_set(f, key, "not in", values),
        Node::Not(operand) => {
            f.write_str("!")?;
            write_node(f, operand)
        }
        Node::And(operands) => write_group(f, operands, " && "),
        Node::Or(operands) => write_group(f, operands, " || "),
    }
}

fn write_pair(f: &mut fmt::Formatter<'_>, key: &str, operator: &str, value: &str) -> fmt::Result {
    write!(f, "{key} {operator} ")?;
    write_text(f, value)
}

fn write_set(f: &mut fmt::Formatter<'_>, key: &str, operator: &str, values: &[Name]) -> fmt::Result {
    write!(f, "{key} {operator} {{")?;
    for (idx, value) in values.iter().enumerate() {
        f.write_str(if idx == 0 { "" } else { ", " })?;
        write_text(f, value)?;
    }
    f.write_str("}")
}

fn write_group(f: &mut fmt::Formatter<'_>, operands: &[Node], operator: &str) -> fmt::Result {
    f.write_str("(")?;
    for (idx, operand) in operands.iter().enumerate() {
        f.write_str(if idx == 0 { "" } else { operator })?;
        write_node(f, operand)?;
    }
    f.write_str(")")
}

fn write_text(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let quote = if value.contains('"') { '\'' } else { '"' };
    write!(f, "{quote}{value}{quote}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parses `text` and compares the canonical text.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(Selector::parse(text).map(|it| it.to_string()), Ok(expect.to_owned()), "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, column: usize, cause: &str) {
        let error = Selector::parse(text).unwrap_err();
        assert!(error.column == column && error.cause.contains(cause), "{text}: {error}");
    }

    #[test]
    fn redundant_parentheses_and_blanks_vanish() {
        check("", "all()");
        check(" \t\n ", "all()");
        check(" (all() )", "all()");
        check("((((a=='b'))))", r#"a == "b""#);
        check("! (has( b)||! has(a ))", "!(has(b) || !has(a))");
        check("a == 'b'\n", r#"a == "b""#);
        check("\n  global( )", "global()");
    }

    #[test]
    fn exclamation_marks_count_by_parity() {
        check("!!! has(a)", "!has(a)");
        check("!!has(a)", "has(a)");
        check("!(!has(a))", "has(a)");
        check("!a == 'b'", r#"!a == "b""#);
        check("!!(a == 'x' && b == 'y')", r#"(a == "x" && b == "y")"#);
    }

    #[test]
    fn and_binds_tighter_than_or() {
        check("a=='x'||b=='y'&&!has(c)", r#"(a == "x" || (b == "y" && !has(c)))"#);
        check("has(a)||has(b)||has(c)", "(has(a) || has(b) || has(c))");
        check("(has(a) && has(b)) && has(c)", "((has(a) && has(b)) && has(c))");
    }

    #[test]
    fn words_are_operators_only_behind_a_key() {
        check("in == 'x'", r#"in == "x""#);
        check("contains in {'a'}", r#"contains in {"a"}"#);
        check("has == 'a'", r#"has == "a""#);
        check("not notin {'a'}", r#"not not in {"a"}"#);
        check(r#"a in{"x"}"#, r#"a in {"x"}"#);
        check(r#"a contains"x""#, r#"a contains "x""#);
        check("a starts   with 'x'", r#"a starts with "x""#);
        check("a endswith 'x'", r#"a ends with "x""#);
        check("all == 'x' && global != 'y'", r#"(all == "x" && global != "y")"#);
        check("9 == '' && -x == 'b' && a//b == \"'\"", r#"(9 == "" && -x == "b" && a//b == "'")"#);
    }

    #[test]
    fn sets_are_sorted_and_a_comma_may_trail() {
        check("a in {'c', 'b', 'c',}", r#"a in {"b", "c"}"#);
        check("a in {}", "a in {}");
        check("a not in { }", "a not in {}");
        check(r#"a == 'say "x"'"#, r#"a == 'say "x"'"#);
    }

    #[test]
    fn errors_point_at_the_place() {
        check_error("a = 'b'", 3, "write `==`");
        check_error("a == 'b' & c == 'd'", 10, "write `&&`");
        check_error("a == 'b' | c == 'd'", 10, "write `||`");
        check_error("a == 'b", 6, "never closed with `'`");
        check_error("(a == 'b'", 1, "never closed");
        check_error("a == 'b')", 9, "never opened");
        check_error("a in {'b'", 6, "never closed");
        check_error("a in {'b' 'c'}", 11, "`,` or `}`");
        check_error("a in {,}", 7, "a quoted text is due");
        check_error("a in 'b'", 6, "a set of values");
        check_error("app", 1, "write `has(app)`");
        check_error("a == b", 6, "did you mean `'b'`?");
        check_error("'a' == 'b'", 1, "must stand on the left");
        check_error("has (a)", 5, "an operator is missing");
        check_error("has()", 1, "`has(` needs one label key");
        check_error("all(x)", 1, "write `all()`");
        check_error("any(x)", 1, "is no function");
        check_error("a startswith_x 'b'", 3, "`startswith_x` is no operator");
        check_error("a == 'b'\n&& c == 'd'", 9, "line break");
        check_error("  ü == 'b'", 3, "unexpected character `ü`");
        check_error("a == 'b' &&", 12, "ends where");
        check_error("a == 'b' && && c == 'd'", 13, "is missing before this");
        check_error("a == 'b' has(c)", 10, "`&&` or `||` is missing");
        check_error("()", 2, "is missing before this");
        check_error("a == 'é' && ü", 13, "unexpected character");
    }

    #[test]
    fn limits_are_errors_and_hostile_texts_cost_little() {
        let longest = format!("has({})", "a".repeat(512));
        check(&longest, &longest);
        check_error(&format!("has({})", "a".repeat(513)), 1, "`has(` needs");
        check_error(&format!("{} == 'x'", "a".repeat(513)), 1, "longer than 512");
        check_error(&"has(a) ".repeat(700), 1, "longer than 4096 bytes");
        check_error(&format!("has(a){}", "&&has(a)".repeat(64)), 513, "more than 64 terms");
        let values = "'x',".repeat(257);
        check_error(&format!("a in {{{values}}}"), 6, "more than 256 values");
        // Parentheses alone are no nesting, however many.
        check(&format!("{}all(){}", "(".repeat(2000), ")".repeat(2000)), "all()");
        check_error(&"(".repeat(4000), 4001, "ends where");
        check_error(&"!".repeat(4000), 4001, "ends where");
        let mut deep = "has(a)".to_owned();
        for level in 0..17 {
            deep = format!("({deep} {} has(b))", if level % 2 == 0 { "&&" } else { "||" });
        }
        let error = Selector::parse(&deep).unwrap_err();
        assert!(error.cause.contains("deeper than 16"), "{error}");
    }

    /// Any expression of bounded size, not in normal form.
    fn nodes() -> impl Strategy<Value = Node> {
        let name = || "[a-z][a-z0-9./_-]{0,6}".prop_map(Name::from);
        let value = || "[ -~]{0,5}".prop_map(|it| Name::from(it.replace('"', "'")));
        let values = move || proptest::collection::vec(value(), 0..4);
        let leaf = prop_oneof![
            Just(Node::All),
            Just(Node::Global),
            name().prop_map(Node::Has),
            (name(), value()).prop_map(|(key, value)| Node::Eq(key, value)),
            (name(), value()).prop_map(|(key, value)| Node::Ne(key, value)),
            (name(), values()).prop_map(|(key, values)| Node::In(key, values)),
            (name(), values()).prop_map(|(key, values)| Node::NotIn(key, values)),
            (name(), value()).prop_map(|(key, value)| Node::Contains(key, value)),
            (name(), value()).prop_map(|(key, value)| Node::StartsWith(key, value)),
            (name(), value()).prop_map(|(key, value)| Node::EndsWith(key, value)),
        ];
        leaf.prop_recursive(5, 40, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|it| Node::Not(Box::new(it))),
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Node::And),
                proptest::collection::vec(inner, 0..4).prop_map(Node::Or),
            ]
        })
    }

    /// The answer of an expression in any form, as the language defines each operation.
    fn holds(node: &Node, lookup: &dyn Fn(&str) -> Option<&'static str>) -> bool {
        let value = |key: &Name, test: &dyn Fn(&str) -> bool| lookup(key).is_some_and(test);
        match node {
            Node::All | Node::Global => true,
            Node::Has(key) => lookup(key).is_some(),
            Node::Eq(key, wanted) => value(key, &|it| it == &**wanted),
            Node::Ne(key, wanted) => !value(key, &|it| it == &**wanted),
            Node::In(key, set) => value(key, &|it| set.iter().any(|of| it == &**of)),
            Node::NotIn(key, set) => !value(key, &|it| set.iter().any(|of| it == &**of)),
            Node::Contains(key, part) => value(key, &|it| it.contains(&**part)),
            Node::StartsWith(key, part) => value(key, &|it| it.starts_with(&**part)),
            Node::EndsWith(key, part) => value(key, &|it| it.ends_with(&**part)),
            Node::Not(operand) => !holds(operand, lookup),
            Node::And(operands) => operands.iter().all(|it| holds(it, lookup)),
            Node::Or(operands) => operands.iter().any(|it| holds(it, lookup)),
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_what_was_printed(node in nodes()) {
            let selector = Selector::from_node(node);
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn normalising_changes_no_answer(node in nodes()) {
            let lookup = |key: &str| (key.len().is_multiple_of(2)).then_some("b");
            prop_assert_eq!(holds(&node, &lookup), Selector::from_node(node).matches(lookup));
        }

        #[test]
        fn no_text_panics(text in "[ahs()\\[\\]{}'\"=!&|, \t\né.-]{0,60}") {
            if let Ok(selector) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }
}
