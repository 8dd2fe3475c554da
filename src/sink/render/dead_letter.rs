//! Records that could not be read.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::error::RecordError;
use super::text::check_schema;

/// A flow record that could not be read, set aside with where it stands and why.
///
/// It does not carry the whole value: topic, partition and offset lead to it as long as the log is kept, and the
/// digest tells whether two of them are the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterRecord {
    /// The version of this shape; 1.
    pub schema: u32,
    /// The topic it stands in.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Why it was set aside: one word of a small fixed set, the same as in the metrics.
    pub reason: String,
    /// What exactly was wrong, in words.
    pub detail: String,
    /// The length of the whole value, in bytes.
    pub value_bytes: u64,
    /// The first 1,024 bytes of the value: printable ASCII as it is, the rest escaped (`\n`, `\\`, `\xff`).
    pub value_head: String,
    /// The SHA-256 digest of the whole value: 64 hexadecimal digits.
    pub value_sha256: String,
}

impl DeadLetterRecord {
    /// The version of the shape that is written.
    pub const SCHEMA: u32 = 1;

    /// How much of a value is kept, in bytes: enough to see what it was, and a bounded burden whatever is sent. A
    /// flow record has about this length.
    pub const HEAD_BYTES: usize = 1_024;

    /// Makes a record for `value`, which stands at `offset` of a partition of `topic`.
    #[must_use]
    pub fn new(topic: &str, partition: i32, offset: i64, reason: &str, detail: &str, value: &[u8]) -> Self {
        let head = value.get(..Self::HEAD_BYTES).unwrap_or(value);
        Self {
            schema: Self::SCHEMA,
            topic: topic.to_owned(),
            partition,
            offset,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            value_bytes: u64::try_from(value.len()).unwrap_or(u64::MAX),
            value_head: head.escape_ascii().to_string(),
            value_sha256: hexadecimal(&Sha256::digest(value)),
        }
    }

    /// Returns the key: `<topic>/<partition>/<offset>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }

    /// Writes the record as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and whole numbers always serialize")
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When it is not of this shape, or of a later version of it.
    pub fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(json).map_err(RecordError::Shape)?;
        check_schema(record.schema, Self::SCHEMA)?;
        Ok(record)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(value: &[u8]) -> DeadLetterRecord {
        DeadLetterRecord::new("flows", 3, 42, "syntax", "expected `,`", value)
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped_and_the_head_is_bounded() {
        let mut value = b"{\"a\":\xff\n".to_vec();
        assert_eq!(letter(&value).value_head, r#"{\"a\":\xff\n"#);
        value.resize(5_000, b'x');
        let letter = letter(&value);
        assert_eq!((letter.value_head.len(), letter.value_bytes), (1_024 + 6, 5_000));
    }

    #[test]
    fn the_digest_is_that_of_the_whole_value() {
        assert_eq!(
            letter(b"abc").value_sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let long = vec![b'x'; 3_000];
        assert_ne!(letter(&long).value_sha256, letter(&long[..2_999]).value_sha256);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let letter = letter(b"\x00\"");
        assert_eq!(letter.key(), "flows/3/42");
        assert_eq!(DeadLetterRecord::from_json(&letter.to_json()).unwrap(), letter);
    }
}
