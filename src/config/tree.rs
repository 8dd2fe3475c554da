//! The configuration file as a list of settings, each with its place.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value as written, before anybody knows what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Raw {
    /// Nothing: `null`, `~`, or no text behind the colon.
    Null,
    /// A text, a number or a truth value.
    Scalar(String),
    /// A list of those.
    List(Vec<String>),
}

/// One setting of the file.
#[derive(Debug)]
pub(super) struct Leaf {
    /// The keys that lead to it, joined by dots.
    pub(super) path: String,
    pub(super) raw: Raw,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Reads a file. The order is that of the file.
pub(super) fn leaves(text: &str) -> Result<Vec<Leaf>, serde_saphyr::Error> {
    let mut leaves = Vec::new();
    // A file of comments alone sets nothing.
    if let Some(tree) = serde_saphyr::from_str::<Option<Spanned<Tree>>>(text)? {
        flatten(String::new(), tree, &mut leaves);
    }
    Ok(leaves)
}

fn flatten(path: String, tree: Spanned<Tree>, leaves: &mut Vec<Leaf>) {
    let (line, column) = (tree.referenced.line(), tree.referenced.column());
    match tree.value {
        Tree::Leaf(raw) => leaves.push(Leaf { path, raw, line, column }),
        Tree::Map(entries) => {
            for (key, tree) in entries {
                let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                let is_leaf = matches!(tree.value, Tree::Leaf(_));
                flatten(path, tree, leaves);
                // A leaf is told by its key, which is where a wrong name stands.
                if let Some(leaf) = leaves.last_mut()
                    && is_leaf
                    && key.referenced.line() > 0
                {
                    leaf.line = key.referenced.line();
                    leaf.column = key.referenced.column();
                }
            }
        }
    }
}

enum Tree {
    Leaf(Raw),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl TreeVisitor {
    #[expect(clippy::unnecessary_wraps, reason = "every arm of the visitor returns a result")]
    fn scalar<E>(value: impl fmt::Display) -> Result<Tree, E> {
        Ok(Tree::Leaf(Raw::Scalar(value.to_string())))
    }
}

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list of values or a section")
    }

    fn visit_bool<E: de::Error>(self, it: bool) -> Result<Tree, E> {
        Self::scalar(it)
    }

    fn visit_i64<E: de::Error>(self, it: i64) -> Result<Tree, E> {
        Self::scalar(it)
    }

    fn visit_u64<E: de::Error>(self, it: u64) -> Result<Tree, E> {
        Self::scalar(it)
    }

    fn visit_f64<E: de::Error>(self, it: f64) -> Result<Tree, E> {
        Self::scalar(it)
    }

    fn visit_str<E: de::Error>(self, it: &str) -> Result<Tree, E> {
        Self::scalar(it)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Raw::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Raw::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Tree>()? {
            match item {
                Tree::Leaf(Raw::Scalar(text)) => items.push(text),
                Tree::Leaf(Raw::Null | Raw::List(_)) | Tree::Map(_) => {
                    return Err(de::Error::custom("a list holds plain values only"));
                }
            }
        }
        Ok(Tree::Leaf(Raw::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_path_and_place() {
        let text = "# head\nkafka:\n  brokers: a:1\n  properties:\n    sasl.password: x\nworkers: 3\nempty:\nlist: [a, 5, true]\n";
        let leaves: Vec<String> = leaves(text)
            .unwrap()
            .into_iter()
            .map(|it| format!("{} {:?} {}:{}", it.path, it.raw, it.line, it.column))
            .collect();
        expect_test::expect![[r#"
            kafka.brokers Scalar("a:1") 3:3
            kafka.properties.sasl.password Scalar("x") 5:5
            workers Scalar("3") 6:1
            empty Null 7:1
            list List(["a", "5", "true"]) 8:1"#]]
        .assert_eq(&leaves.join("\n"));
    }

    #[test]
    fn a_file_of_comments_sets_nothing() {
        assert!(leaves("# nothing here\n").unwrap().is_empty());
        assert!(leaves("").unwrap().is_empty());
    }
}
