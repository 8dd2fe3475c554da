//! Why a record cannot be read back.

/// Why a record that was published is not understood.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON of this shape.
    #[error("the record is not of the expected shape")]
    Shape(#[source] serde_json::Error),
    /// It was written by a later version.
    #[error("schema {found} is not known here, the newest is {known}")]
    Schema {
        /// The schema's number in the record.
        found: u32,
        /// The newest that is understood.
        known: u32,
    },
    /// A revision or a digest is not written in hexadecimal digits.
    #[error("`{text}` is not a {field}")]
    Hexadecimal {
        /// Which field.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// An attribute that could be missing has a name that is not known.
    #[error("unknown missing attribute `{name}`")]
    Missing {
        /// The name.
        name: String,
    },
    /// The number of a rule is negative but for -1, or too large.
    #[error("`{number}` is not the number of a rule")]
    RuleNumber {
        /// The number.
        number: i64,
    },
    /// The owner of a hit is neither one policy of one tier nor one profile.
    #[error("a hit needs a tier and a policy, or a profile")]
    Owner,
    /// The outcome lacks what its kind needs.
    #[error("outcome `{outcome}` lacks `{field}`")]
    Outcome {
        /// The outcome.
        outcome: &'static str,
        /// The field that is missing.
        field: &'static str,
    },
    /// A peer lacks what its kind needs.
    #[error("a peer lacks the field that its kind needs")]
    Peer,
}
