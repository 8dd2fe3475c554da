//! Walks over the parser's nodes without recursion and without an index that could be wrong.

use simd_json::Node;

use super::error::{Fault, Reason};
use super::limits::MEMBERS_MAX;

/// One value: its node, and the nodes inside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'t, 'a> {
    // INVARIANT: not empty, except for a tape that lies, which reads as nothing.
    nodes: &'t [Node<'a>],
}

impl<'t, 'a> Item<'t, 'a> {
    /// Takes a whole document.
    pub(super) const fn root(nodes: &'t [Node<'a>]) -> Self {
        Self { nodes }
    }

    /// Returns the value's own node.
    #[inline]
    pub(super) fn node(self) -> Option<&'t Node<'a>> {
        self.nodes.first()
    }

    /// Returns the text, if the value is a string.
    #[inline]
    pub(super) fn text(self) -> Option<&'a str> {
        match self.node() {
            Some(Node::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the members, if the value is an object.
    #[inline]
    pub(super) fn members(self) -> Result<Option<Members<'t, 'a>>, Fault> {
        match self.nodes.split_first() {
            Some((Node::Object { len, .. }, rest)) => {
                Ok(Some(Members { nodes: rest, left: checked(*len, "at most 256 members")? }))
            }
            _ => Ok(None),
        }
    }

    /// Returns the elements, if the value is an array.
    #[inline]
    pub(super) fn elements(self) -> Result<Option<Elements<'t, 'a>>, Fault> {
        match self.nodes.split_first() {
            Some((Node::Array { len, .. }, rest)) => {
                Ok(Some(Elements { nodes: rest, left: checked(*len, "at most 256 items")? }))
            }
            _ => Ok(None),
        }
    }
}

/// Holds a container's width against the limit.
#[inline]
const fn checked(len: usize, expected: &'static str) -> Result<usize, Fault> {
    if len > MEMBERS_MAX { Err(Fault { reason: Reason::Shape, expected }) } else { Ok(len) }
}

/// Splits the first value off `nodes`.
#[inline]
fn next_item<'t, 'a>(nodes: &mut &'t [Node<'a>]) -> Option<Item<'t, 'a>> {
    let size = match nodes.first()? {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        Node::String(_) | Node::Static(_) => 1,
    };
    let (item, rest) = nodes.split_at_checked(size)?;
    *nodes = rest;
    Some(Item { nodes: item })
}

/// The members of an object, in the record's order.
#[derive(Clone, Debug)]
pub(super) struct Members<'t, 'a> {
    nodes: &'t [Node<'a>],
    left: usize,
}

impl<'t, 'a> Iterator for Members<'t, 'a> {
    type Item = (&'a str, Item<'t, 'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (key, rest) = self.nodes.split_first()?;
        let Node::String(key) = key else { return None };
        self.nodes = rest;
        Some((key, next_item(&mut self.nodes)?))
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub(super) struct Elements<'t, 'a> {
    nodes: &'t [Node<'a>],
    left: usize,
}

impl<'t, 'a> Iterator for Elements<'t, 'a> {
    type Item = Item<'t, 'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        next_item(&mut self.nodes)
    }
}
