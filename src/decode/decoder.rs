//! The decoder: one per worker, with all that is kept from record to record.

use super::calico::{KeyObject, Reader};
use super::draft::{Complete, Scratch};
use super::envelope::{Envelope, EnvelopeCounts, Payload, find, strip};
use super::error::{Fault, Reason, Reject, excerpt};
use super::limits::RECORD_BYTES_MAX;
use super::scan::Scanner;
use super::strict::Document;
use super::tape::Item;
use crate::model::Flow;

/// How many bytes are looked at to show how a record begins: more than a message shows.
const EXCERPT_BYTES: usize = 256;

/// Which records are expected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Format {
    /// Both formats, told apart by Goldmane's `Key`.
    #[default]
    Auto,
    /// Calico Enterprise's and Cloud's documents, and Whisker's records.
    Calico,
    /// Goldmane's flows, as its emitter or protobuf's JSON writes them.
    Goldmane,
}

impl Format {
    const fn key_object(self) -> KeyObject {
        match self {
            Self::Auto => KeyObject::Read,
            Self::Calico => KeyObject::Skipped,
            Self::Goldmane => KeyObject::Required,
        }
    }
}

/// How many records each path decided. The quick one takes bare records of Calico Enterprise as that exporter writes
/// them; the strict one decides all others, and every reject.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PathCounts {
    /// Records that the scanner read to the end.
    pub scanner: u64,
    /// Records that were left to the strict reader.
    pub fallback: u64,
}

impl PathCounts {
    /// Returns every path's stable name with its count.
    #[must_use]
    pub const fn by_name(self) -> [(&'static str, u64); 2] {
        let Self { scanner, fallback } = self;
        [("scanner", scanner), ("fallback", fallback)]
    }
}

/// Decodes records one after another.
///
/// ```
/// use flowstage::decode::{Decoder, Format};
///
/// let mut decoder = Decoder::new(Format::Auto);
/// let flow = decoder.decode(
///     br#"{"start_time":1790000000,"end_time":1790000300,"reporter":"dst","action":"allow","proto":"tcp",
///          "source_type":"wep","source_namespace":"shop","source_name":"-","source_name_aggr":"cart-7d4f*",
///          "dest_type":"wep","dest_namespace":"data","dest_name":"ledger-0","dest_port":5432}"#,
/// )?;
/// assert_eq!(flow.source.name, "cart-7d4f*");
/// assert_eq!(flow.dest_port, Some(5432));
/// # Ok::<(), flowstage::decode::Reject>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    scanner: Scanner,
    outer: Document,
    outer_reader: Reader,
    // The record inside an envelope.
    inner: Document,
    inner_reader: Reader,
    scratch: Scratch,
    envelopes: EnvelopeCounts,
    paths: PathCounts,
}

/// What one document was.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is the large one, and a box would cost each of them"
)]
enum Opened<'a> {
    /// A flow, itself or as an object inside.
    Flow(Envelope, Complete<'a>),
    /// An envelope around text.
    Text(Envelope, &'a str),
}

impl Decoder {
    /// Makes a decoder, with buffers for records of the usual size.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            scanner: Scanner::new(),
            outer: Document::new(),
            outer_reader: Reader::new(),
            inner: Document::new(),
            inner_reader: Reader::new(),
            scratch: Scratch::default(),
            envelopes: EnvelopeCounts::default(),
            paths: PathCounts::default(),
        }
    }

    /// Decodes one record. The flow borrows the record and this decoder's buffers.
    ///
    /// # Errors
    ///
    /// When the record cannot be read; the reject says why, and in which field.
    pub fn decode<'a>(&'a mut self, value: &'a [u8]) -> Result<Flow<'a>, Reject> {
        let is_tried = match self.format {
            Format::Auto | Format::Calico => value.len() <= RECORD_BYTES_MAX,
            Format::Goldmane => false,
        };
        if is_tried && let Some(scanned) = self.scanner.scan(value) {
            self.paths.scanner += 1;
            self.envelopes.add(Envelope::Bare);
            return Ok(scanned.with_texts(&self.scanner));
        }
        self.paths.fallback += 1;
        self.decode_strictly(value)
    }

    /// Decodes one record of any format, in any envelope and any spelling. What this says holds.
    pub(super) fn decode_strictly(&mut self, value: &[u8]) -> Result<Flow<'_>, Reject> {
        let Self { format, outer, outer_reader, inner, inner_reader, scratch, envelopes, .. } = self;
        if value.len() > RECORD_BYTES_MAX {
            return Err(Reject::record(Reason::Oversize, "a record of more than 65536 bytes")
                .found(format!("{} bytes", value.len())));
        }
        let (prefix, payload) = strip(value);
        check_begin(payload)?;
        let key_object = format.key_object();
        let opened = outer.parse(payload, |nodes| {
            open(Item::root(nodes), outer_reader, inner_reader, key_object, scratch)
        })?;
        let (envelope, complete) = match opened {
            Opened::Flow(Envelope::Bare, complete) => (prefix, complete),
            Opened::Flow(envelope, complete) => (envelope, complete),
            Opened::Text(envelope, text) => {
                let complete = inner.parse(text.as_bytes(), |nodes| {
                    read(Item::root(nodes), inner_reader, key_object, scratch)
                })?;
                (envelope, complete)
            }
        };
        envelopes.add(envelope);
        Ok(complete.with_texts(scratch.texts()))
    }

    /// Returns how many flows came in which envelope.
    #[must_use]
    pub const fn envelopes(&self) -> &EnvelopeCounts {
        &self.envelopes
    }

    /// Returns how many records each path decided.
    #[must_use]
    pub const fn paths(&self) -> PathCounts {
        self.paths
    }
}

/// Looks at the first byte, to say clearly what is wrong with input that is JSON, but not one object a record: a list,
/// or the lines of a pretty-printed file.
fn check_begin(payload: &[u8]) -> Result<(), Reject> {
    let text = payload.trim_ascii_start();
    match text.first() {
        Some(b'{') => Ok(()),
        None => Err(Reject::record(Reason::Empty, "an empty record")),
        Some(b'[') => Err(Reject::record(
            Reason::NotAFlow,
            "a record is one JSON object; a list is written one record a value",
        )),
        Some(_) => {
            let begin = text.get(..text.len().min(EXCERPT_BYTES)).unwrap_or_default();
            Err(Reject::record(
                Reason::Syntax,
                "a record is one JSON object on one line, and begins with `{`",
            )
            .found(excerpt(&String::from_utf8_lossy(begin))))
        }
    }
}

/// Reads a document as a flow; where it is none, looks for a record inside. In this order, because bare records are
/// the many, and one walk over their members is all that they cost.
fn open<'a>(
    root: Item<'_, 'a>,
    reader: &mut Reader,
    inner_reader: &mut Reader,
    key_object: KeyObject,
    scratch: &mut Scratch,
) -> Result<Opened<'a>, Reject> {
    let reject = match read(root, reader, key_object, scratch) {
        Ok(complete) => return Ok(Opened::Flow(Envelope::Bare, complete)),
        Err(reject) => reject,
    };
    match find(root) {
        Ok(Some((envelope, Payload::Text(text)))) => Ok(Opened::Text(envelope, text)),
        Ok(Some((envelope, Payload::Object(item)))) => {
            read(item, inner_reader, key_object, scratch).map(|complete| Opened::Flow(envelope, complete))
        }
        Ok(None) => Err(reject),
        // Text that is no record, beside a flow that is malformed, says less than the flow's own fault.
        Err(envelope) => Err(if reject.reason == Reason::NotAFlow { envelope } else { reject }),
    }
}

/// Reads one object as a flow.
fn read<'a>(
    root: Item<'_, 'a>,
    reader: &mut Reader,
    key_object: KeyObject,
    scratch: &mut Scratch,
) -> Result<Complete<'a>, Reject> {
    match root.members() {
        Ok(Some(members)) => {
            let mut draft = reader.read(members, key_object, scratch)?;
            draft.tell_kinds(scratch.texts());
            draft.complete()
        }
        Ok(None) => Err(Reject::record(
            Reason::NotAFlow,
            "a record is one JSON object; a list is written one record a value",
        )),
        Err(Fault { reason, expected: _ }) => {
            Err(Reject::record(reason, "a record with more than 256 members"))
        }
    }
}
