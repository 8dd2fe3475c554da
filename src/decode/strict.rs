//! Bytes to nodes: the strict JSON parser, with everything it needs kept from record to record.

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::error::Category;
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape, fill_tape_padded};

use super::error::{Reason, Reject};
use super::limits::DEPTH_MAX;

/// What a first record needs; larger ones make the buffers grow once.
const INPUT_BYTES_USUAL: usize = 4 * 1024;

/// One document being read, and the buffers that it is read with.
///
/// The parser unescapes text in place, so the record is copied first, with the padding behind it that lets the
/// parser load whole vectors. It checks UTF-8 over the whole input, does not recurse, and stops at [`DEPTH_MAX`]
/// containers by itself; so no pass over the bytes is needed before it.
pub(super) struct Document {
    input: Vec<u8>,
    buffers: Buffers,
    // Empty between two records: only its memory is kept.
    tape: Tape<'static>,
}

impl Document {
    /// Makes the buffers.
    pub(super) fn new() -> Self {
        Self {
            input: Vec::with_capacity(INPUT_BYTES_USUAL + INPUT_PADDING),
            buffers: Buffers::with_max_depth(INPUT_BYTES_USUAL, DEPTH_MAX),
            tape: Tape(Vec::new()),
        }
    }

    /// Parses `payload` and gives its nodes to `visit`; what `visit` returns may borrow the record's text.
    pub(super) fn parse<'a, T>(
        &'a mut self,
        payload: &[u8],
        visit: impl FnOnce(&[Node<'a>]) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        let Self { input, buffers, tape } = self;
        input.clear();
        input.extend_from_slice(payload);
        input.resize(payload.len() + INPUT_PADDING, b' ');
        let begin = input.as_ptr().addr();
        let mut nodes: Tape<'a> = std::mem::replace(tape, Tape(Vec::new())).reset();
        let result = match fill_tape_padded(input, payload.len(), buffers, &mut nodes) {
            Ok(()) => visit(&nodes.0).map_err(|reject| in_payload(reject, begin, payload.len())),
            Err(error) => Err(reject(&error, payload)),
        };
        *tape = nodes.reset();
        result
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("input_capacity", &self.input.capacity()).finish_non_exhaustive()
    }
}

/// Turns the address of a member's name, which the reader noted, into an offset.
fn in_payload(reject: Reject, begin: usize, len: usize) -> Reject {
    let offset = reject.offset.and_then(|address| address.checked_sub(begin)).filter(|offset| *offset <= len);
    reject.at(offset)
}

/// Sorts the parser's errors into our reasons.
#[cold]
fn reject(error: &simd_json::Error, payload: &[u8]) -> Reject {
    let offset = (error.index() > 0).then(|| error.index());
    match error.error() {
        ErrorType::InvalidUtf8 => {
            Reject::record(Reason::Utf8, "not valid UTF-8")
                .at(std::str::from_utf8(payload).err().map(|it| it.valid_up_to()))
        }
        ErrorType::DepthLimitExceeded => Reject::record(Reason::Depth, "nested too deep").at(offset),
        ErrorType::InvalidNumber => Reject::record(Reason::Syntax, "a number that cannot be read").at(offset),
        _ => explain(payload, offset),
    }
}

/// Asks a slower parser what is wrong with the syntax and where: the quick one often knows only that something is.
/// It skips without recursion, and the depth was checked before.
fn explain(payload: &[u8], offset: Option<usize>) -> Reject {
    let Err(error) = serde_json::from_slice::<IgnoredAny>(payload) else {
        return Reject::record(Reason::Syntax, "not valid JSON").at(offset);
    };
    let expected = match error.classify() {
        Category::Eof => "not valid JSON: ends too early",
        _ if error.to_string().starts_with("trailing characters") => {
            "a record is one JSON object, and something follows it; several records are written one a value"
        }
        Category::Io | Category::Syntax | Category::Data => "not valid JSON",
    };
    // Lines and columns are counted from 1.
    let line_begin = payload
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .fold(0, |begin, line| begin + line.len());
    Reject::record(Reason::Syntax, expected).at(Some(line_begin + error.column().saturating_sub(1)))
}
