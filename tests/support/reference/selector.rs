//! Selectors over labels.

use flowstage::policy::selector::Node;

use super::labels::Value;
use super::truth::Truth;

/// Whether a selector selects what has these labels.
///
/// `all` is what the operation `all()` comes to here; in most places it is always true.
pub fn selects(node: &Node, all: Truth, label: &dyn Fn(&str) -> Value) -> Truth {
    let inner = |node: &Node| selects(node, all, label);
    match node {
        Node::All => all,
        Node::Global => Truth::True,
        Node::Has(key) => leaf(&label(key), Some(true), |value| value.is_some()),
        Node::Eq(key, wanted) => leaf(&label(key), None, |value| value == Some(wanted)),
        Node::Ne(key, wanted) => leaf(&label(key), None, |value| value != Some(wanted)),
        Node::In(key, wanted) => {
            let never = wanted.is_empty().then_some(false);
            leaf(&label(key), never, |value| wanted.iter().any(|it| value == Some(it)))
        }
        Node::NotIn(key, wanted) => {
            let always = wanted.is_empty().then_some(true);
            leaf(&label(key), always, |value| !wanted.iter().any(|it| value == Some(it)))
        }
        Node::Contains(key, text) => {
            leaf(&label(key), any_text(text), |value| value.is_some_and(|it| it.contains(text.as_str())))
        }
        Node::StartsWith(key, text) => {
            leaf(&label(key), any_text(text), |value| value.is_some_and(|it| it.starts_with(text.as_str())))
        }
        Node::EndsWith(key, text) => {
            leaf(&label(key), any_text(text), |value| value.is_some_and(|it| it.ends_with(text.as_str())))
        }
        Node::Not(operand) => inner(operand).not(),
        Node::And(operands) => Truth::all(operands.iter().map(inner)),
        Node::Or(operands) => Truth::any(operands.iter().map(inner)),
    }
}

/// Every text holds, begins with and ends with the empty text.
fn any_text(text: &str) -> Option<bool> {
    text.is_empty().then_some(true)
}

/// One operation on one label. `if_present` is its answer for every value alike, if there is such an answer.
fn leaf(value: &Value, if_present: Option<bool>, holds: impl Fn(Option<&str>) -> bool) -> Truth {
    match value {
        Value::Absent => Truth::of(holds(None)),
        Value::Is(text) => Truth::of(holds(Some(text))),
        Value::Present(missing) => if_present.map_or(Truth::Unknown(*missing), Truth::of),
        Value::Unknown(missing) => match if_present {
            Some(answer) if answer == holds(None) => Truth::of(answer),
            _ => Truth::Unknown(*missing),
        },
    }
}
