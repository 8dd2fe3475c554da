//! Labels, in the shapes that exporters give them, to one `key=value` a line.

use simd_json::{Node, StaticNode};

use super::error::{Fault, Reason};
use super::limits::{LABEL_KEY_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX};
use super::scalar::has_control;
use super::tape::Item;

/// What joins labels that are written as one string; Whisker does so.
const JOINT: &str = " | ";

/// Reads labels into `lines` and tells whether the record has them: nothing known is not the same as none.
///
/// They are an object with an array `labels`, that array alone, one string joined by ` | `, or unset. The empty string
/// is unset: whoever joins labels writes it for no labels and for unknown ones alike.
pub(super) fn read(item: Item<'_, '_>, lines: &mut String) -> Result<bool, Fault> {
    lines.clear();
    let Some(node) = item.node() else { return Ok(false) };
    match node {
        Node::Static(StaticNode::Null) | Node::String("" | "-") => Ok(false),
        Node::String(text) => read_joined(text, lines),
        Node::Array { .. } => read_array(item, lines),
        Node::Object { .. } => read_object(item, lines),
        Node::Static(_) => Err(Fault::bad("labels")),
    }
}

fn read_object(item: Item<'_, '_>, lines: &mut String) -> Result<bool, Fault> {
    let mut known = None;
    for (key, value) in item.members()?.into_iter().flatten() {
        if key != "labels" {
            continue;
        }
        if known.is_some() {
            return Err(Fault { reason: Reason::DuplicateKey, expected: "one list of labels" });
        }
        known = Some(match value.node() {
            Some(Node::Array { .. }) => read_array(value, lines)?,
            Some(Node::Static(StaticNode::Null)) => false,
            _ => return Err(Fault::bad("an array `labels`")),
        });
    }
    Ok(known.unwrap_or(false))
}

fn read_array(item: Item<'_, '_>, lines: &mut String) -> Result<bool, Fault> {
    for (position, label) in item.elements()?.into_iter().flatten().enumerate() {
        let label = label.text().ok_or(Fault::bad("labels as text"))?;
        push(label, position, lines)?;
    }
    Ok(true)
}

fn read_joined(text: &str, lines: &mut String) -> Result<bool, Fault> {
    for (position, label) in text.split(JOINT).enumerate() {
        push(label, position, lines)?;
    }
    Ok(true)
}

/// Appends one label, if it is one.
#[inline]
pub(super) fn push(label: &str, position: usize, lines: &mut String) -> Result<(), Fault> {
    const fn fault(expected: &'static str) -> Fault {
        Fault { reason: Reason::Labels, expected }
    }
    // Keys are short: looking at one byte after another is quicker than a search that is made for long text.
    let key_bytes = label.bytes().position(|byte| byte == b'=').ok_or(fault("labels `key=value`"))?;
    let value_bytes = label.len() - key_bytes - 1;
    if key_bytes == 0 || has_control(label) {
        return Err(fault("labels `key=value` without control characters"));
    }
    if key_bytes > LABEL_KEY_BYTES_MAX || value_bytes > LABEL_VALUE_BYTES_MAX {
        return Err(fault("label keys of at most 317 bytes and values of at most 63"));
    }
    if position >= LABELS_MAX || lines.len() + label.len() > LABELS_BYTES_MAX {
        return Err(fault("at most 64 labels and 4 KiB of them"));
    }
    if position > 0 {
        lines.push('\n');
    }
    lines.push_str(label);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads labels; `None` is *not known*.
    #[track_caller]
    fn check(json: &str, expect: Result<Option<&str>, Reason>) {
        let mut bytes = json.as_bytes().to_vec();
        let tape = simd_json::to_tape(&mut bytes).unwrap();
        let mut lines = "left over".to_owned();
        let known = read(Item::root(&tape.0), &mut lines).map_err(|fault| fault.reason);
        assert_eq!(known.map(|known| known.then_some(lines.as_str())), expect, "{json}");
    }

    #[test]
    fn every_shape_of_labels_reads_alike() {
        for json in [
            r#"{"labels":["app=web","tier=front"]}"#,
            r#"["app=web","tier=front"]"#,
            r#""app=web | tier=front""#,
        ] {
            check(json, Ok(Some("app=web\ntier=front")));
        }
    }

    #[test]
    fn unknown_labels_are_not_the_empty_set() {
        for json in ["null", r#""-""#, r#""""#, "{}", r#"{"labels":null}"#] {
            check(json, Ok(None));
        }
        for json in ["[]", r#"{"labels":[]}"#] {
            check(json, Ok(Some("")));
        }
    }

    #[test]
    fn labels_that_could_mean_something_else_are_refused() {
        check(r#"["app"]"#, Err(Reason::Labels));
        check(r#"["=web"]"#, Err(Reason::Labels));
        check(r#"["a=b\nc=d"]"#, Err(Reason::Labels));
        check("[1]", Err(Reason::BadField));
        check("7", Err(Reason::BadField));
        check(r#"{"labels":["a=b"],"labels":["c=d"]}"#, Err(Reason::DuplicateKey));
    }

    #[test]
    fn labels_are_never_cut() {
        let many = |count: usize| {
            let labels: Vec<_> = (0..count).map(|it| format!("\"k{it}=v\"")).collect();
            format!("[{}]", labels.join(","))
        };
        let mut bytes = many(64).into_bytes();
        let tape = simd_json::to_tape(&mut bytes).unwrap();
        let mut lines = String::new();
        assert_eq!(read(Item::root(&tape.0), &mut lines), Ok(true));
        assert_eq!(lines.lines().count(), 64);
        check(&many(65), Err(Reason::Labels));
        check(&many(257), Err(Reason::Shape));
        check(&format!("[\"k={}\"]", "v".repeat(64)), Err(Reason::Labels));
        check(&format!("[\"{}=v\"]", "k".repeat(318)), Err(Reason::Labels));
        let long: Vec<_> = (0..64).map(|it| format!("\"{it:060}=v{}\"", "v".repeat(62))).collect();
        check(&format!("[{}]", long.join(",")), Err(Reason::Labels));
    }
}
