//! YAML, and JSON as part of it, as a tree that knows where each of its nodes stands.
//!
//! Anchors and aliases are refused, so a text is never larger in memory than a small multiple of itself; depth and
//! number of nodes are bounded.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Span};

/// The longest text: ten thousand policies of usual size.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 20;

/// The most nodes in one document. A pod as the API prints it has some six hundred.
const NODES_MAX: usize = 250_000;

/// The deepest nesting. The policy API needs ten levels, `managedFields` some more.
const DEPTH_MAX: usize = 32;

/// Something in a document, and where it begins (line and column counted from 1).
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) value: Value<'t>,
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) enum Value<'t> {
    /// A text with its style; what it means is decided by who reads it.
    Scalar { text: Cow<'t, str>, style: Style },
    /// A sequence.
    List(Vec<Node<'t>>),
    /// A mapping, in the order written. Keys are unique.
    Map(Vec<Entry<'t>>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// Without quotes: may be a number, a boolean or nothing at all.
    Plain,
    /// Quoted, or a block: a text and nothing else.
    Quoted,
}

#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    /// Where the key begins.
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) node: Node<'t>,
}

/// Why a text is no tree.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) cause: String,
    pub(super) hint: Option<String>,
}

/// Reads all documents; stops at the first error, with what was read before it.
pub(super) fn parse(text: &str) -> (Vec<Node<'_>>, Option<SyntaxError>) {
    if text.len() > TEXT_BYTES_MAX {
        let cause = format!("the text is larger than {} MiB", TEXT_BYTES_MAX >> 20);
        return (Vec::new(), Some(SyntaxError { line: 1, column: 1, cause, hint: None }));
    }
    let mut options = Options::default();
    options.emit_comments = false;
    // One more than is allowed here, so that the better message of this file is given.
    options.flow_nesting_limit = DEPTH_MAX + 2;
    options.block_nesting_limit = DEPTH_MAX + 2;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(syntax_error(text, &error)),
        };
        if let Err(mut error) = step {
            if error.hint.is_none() && text.contains("{{") {
                error.hint = Some("this looks like a template; render it first".into());
            }
            return (builder.documents, Some(error));
        }
    }
    (builder.documents, None)
}

fn too_deep() -> String {
    format!("the document nests deeper than {DEPTH_MAX} levels")
}

/// Lines behind an error that are searched for its tab.
const TAB_LINES_MAX: usize = 100;

fn syntax_error(text: &str, error: &granit_parser::ScanError) -> SyntaxError {
    let (mut line, mut column) = (error.marker().line(), error.marker().col() + 1);
    let tab_before = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    let tabbed = matches!(
        error.kind(),
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart
    ) || text.lines().nth(line.saturating_sub(1)).is_some_and(tab_before);
    // The parser says where the text began that the tab broke.
    let broken = text.lines().zip(1..).skip(line.saturating_sub(1)).take(TAB_LINES_MAX);
    if tabbed && let Some((found, at)) = broken.into_iter().find(|(it, _)| tab_before(it)) {
        (line, column) = (at, found.len() - found.trim_start_matches(' ').len() + 1);
    }
    let cause = match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(),
        _ => format!("the YAML does not parse: {}", error.info()),
    };
    SyntaxError {
        line,
        column,
        cause,
        hint: tabbed.then(|| "a tab stands where only spaces may indent".into()),
    }
}

/// A list or a mapping that is still being read.
enum Open<'t> {
    List { items: Vec<Node<'t>>, line: usize, column: usize },
    Map { map: OpenMap<'t>, line: usize, column: usize },
}

#[derive(Default)]
struct OpenMap<'t> {
    entries: Vec<Entry<'t>>,
    /// A key that waits for its value.
    key: Option<(Cow<'t, str>, usize, usize)>,
    /// Lines of the keys seen; kept for large mappings only, small ones are searched.
    seen: HashMap<Cow<'t, str>, usize>,
}

#[derive(Default)]
struct Builder<'t> {
    documents: Vec<Node<'t>>,
    open: Vec<Open<'t>>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, span: &Span) -> Result<(), SyntaxError> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let fail = |cause: &str| Err(SyntaxError { line, column, cause: cause.into(), hint: None });
        if event.anchor_id().is_some() || event.is_alias() {
            return fail("anchors and aliases are not read; write the value out");
        }
        let mut style_tag = None;
        if let Some(tag) = event.tag() {
            if !tag.is_yaml_core_schema() {
                return fail("tags are not read; write the value without one");
            }
            style_tag = Some(tag.is_yaml_core_schema_tag("str"));
        }
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(..) => {
                self.nodes = 0;
                Ok(())
            }
            Event::Scalar(text, style, ..) => {
                self.count(line, column)?;
                let plain = style == ScalarStyle::Plain && style_tag != Some(true);
                let style = if plain { Style::Plain } else { Style::Quoted };
                self.place(Node { value: Value::Scalar { text, style }, line, column })
            }
            Event::SequenceStart(..) => {
                self.enter(line, column)?;
                self.open.push(Open::List { items: Vec::new(), line, column });
                Ok(())
            }
            Event::MappingStart(..) => {
                self.enter(line, column)?;
                self.open.push(Open::Map { map: OpenMap::default(), line, column });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { items, line, column }) => {
                    self.place(Node { value: Value::List(items), line, column })
                }
                Some(Open::Map { map, line, column }) => {
                    self.place(Node { value: Value::Map(map.entries), line, column })
                }
                None => fail("a list or mapping ends that never began"),
            },
            // Anchors were refused above, comments and unresolved aliases are not asked for.
            _ => Ok(()),
        }
    }

    fn count(&mut self, line: usize, column: usize) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let cause = format!("the document has more than {NODES_MAX} values");
        Err(SyntaxError { line, column, cause, hint: Some("split it into several documents".into()) })
    }

    /// Counts a list or mapping, and checks that it may stand where it does.
    fn enter(&mut self, line: usize, column: usize) -> Result<(), SyntaxError> {
        self.count(line, column)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(SyntaxError { line, column, cause: too_deep(), hint: None });
        }
        if let Some(Open::Map { map: OpenMap { key: None, .. }, .. }) = self.open.last() {
            let cause = "a list or mapping stands where a key is due".into();
            return Err(SyntaxError { line, column, cause, hint: None });
        }
        Ok(())
    }

    /// Hangs a finished node into what is open.
    fn place(&mut self, node: Node<'t>) -> Result<(), SyntaxError> {
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { map, .. }) => return map.take(node),
        }
        Ok(())
    }
}

impl<'t> OpenMap<'t> {
    /// Mappings up to this size are searched for repeated keys, larger ones keep a table.
    const SEARCHED_MAX: usize = 16;

    fn take(&mut self, node: Node<'t>) -> Result<(), SyntaxError> {
        if let Some((key, line, column)) = self.key.take() {
            self.entries.push(Entry { key, line, column, node });
            return Ok(());
        }
        let Node { value, line, column } = node;
        let fail = |cause: String, hint: Option<String>| Err(SyntaxError { line, column, cause, hint });
        let Value::Scalar { text, .. } = value else {
            return fail("a list or mapping stands where a key is due".into(), None);
        };
        if let Some(first) = self.line_of(&text) {
            // What files look like that were joined without a line of three dashes between them.
            let hint = matches!(&*text, "apiVersion" | "kind" | "metadata" | "spec")
                .then(|| "is a `---` missing between two objects?".to_owned());
            return fail(
                format!("the key `{}` stands twice, first in line {first}", text.escape_debug()),
                hint,
            );
        }
        self.key = Some((text, line, column));
        Ok(())
    }

    fn line_of(&mut self, key: &str) -> Option<usize> {
        if self.entries.len() < Self::SEARCHED_MAX {
            return self.entries.iter().find(|it| it.key == key).map(|it| it.line);
        }
        // The table is behind by the entries that were added since, all of them or one.
        let known = self.seen.len();
        for entry in self.entries.iter().skip(known) {
            self.seen.insert(entry.key.clone(), entry.line);
        }
        self.seen.get(key).copied()
    }
}
