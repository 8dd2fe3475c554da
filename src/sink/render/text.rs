//! Shared text on the wire, and small conversions that every record uses.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::error::RecordError;
use crate::evaluate::Missing;
use crate::model::{EventTime, Name};

/// A piece of text. It shares its bytes with the value that it was rendered from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ToSchema)]
#[schema(value_type = String)]
pub struct Text(pub Name);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Name::from(text)))
    }
}

impl From<&Name> for Text {
    fn from(name: &Name) -> Self {
        Self(name.clone())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Name::from(text))
    }
}

impl From<Text> for Name {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// Prints RFC 3339 in UTC. Moments outside of the years that it can write are printed as the nearest that it can.
pub fn rfc3339(time: EventTime) -> String {
    let nearest = if time < EventTime::default() { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(time.as_millis()).unwrap_or(nearest).to_string()
}

/// Prints a moment given in milliseconds since the Unix epoch, as [`rfc3339`] does.
pub(in crate::sink) fn rfc3339_of_millis(millis: i64) -> String {
    rfc3339(EventTime::from_millis(millis))
}

/// Returns the names of what is missing.
pub(super) fn missing_names(missing: Missing) -> Vec<String> {
    missing.names().map(str::to_owned).collect()
}

/// Reads what [`missing_names`] wrote.
pub(super) fn missing_from(names: &[String]) -> Result<Missing, RecordError> {
    names.iter().try_fold(Missing::NOTHING, |missing, name| {
        let one = Missing::from_name(name).ok_or_else(|| RecordError::Missing { name: name.clone() })?;
        Ok(missing.union(one))
    })
}

/// Refuses a schema that is newer than what is known.
pub(super) fn check_schema(found: u32, known: u32) -> Result<(), RecordError> {
    if (1..=known).contains(&found) { Ok(()) } else { Err(RecordError::Schema { found, known }) }
}

/// Reads a revision.
pub(super) fn hexadecimal_u64(field: &'static str, text: &str) -> Result<u64, RecordError> {
    u64::from_str_radix(text, 16).map_err(|_| RecordError::Hexadecimal { field, text: text.to_owned() })
}

/// Reads a digest.
pub(super) fn hexadecimal_u128(field: &'static str, text: &str) -> Result<u128, RecordError> {
    u128::from_str_radix(text, 16).map_err(|_| RecordError::Hexadecimal { field, text: text.to_owned() })
}
