//! Single values, in every spelling that exporters use.
//!
//! Unset is `null`, `""` or `-` in text, also port 0 or -1 and the all-zero address; every reader returns it as
//! nothing. Numbers are read from text too: protobuf's JSON writes 64-bit integers as strings.

use simd_json::{Node, StaticNode};

use super::error::{Fault, Reason};
use super::limits::{COUNTER_END, MILLIS_END, NAME_BYTES_MAX, SECONDS_END};
use super::tape::Item;
use crate::model::{EndpointKind, EventTime, IpAddr, Protocol, RecordedAction, Reporter};

/// A value that is not there.
const UNSET: Option<&str> = None;

/// Reads text that may be unset.
#[inline]
pub(super) fn text<'a>(item: Item<'_, 'a>, expected: &'static str) -> Result<Option<&'a str>, Fault> {
    match item.node() {
        Some(Node::String("" | "-") | Node::Static(StaticNode::Null)) => Ok(UNSET),
        Some(Node::String(text)) => Ok(Some(text)),
        _ => Err(Fault::bad(expected)),
    }
}

/// Reads the name of a namespace, an endpoint, a Service or a port.
#[inline]
pub(super) fn name<'a>(item: Item<'_, 'a>) -> Result<Option<&'a str>, Fault> {
    let name = text(item, "a name")?;
    match name {
        Some(name) if name.len() > NAME_BYTES_MAX => {
            Err(Fault { reason: Reason::Name, expected: "a name of at most 253 bytes" })
        }
        Some(name) if has_control(name) => {
            Err(Fault { reason: Reason::Name, expected: "a name without control characters" })
        }
        _ => Ok(name),
    }
}

/// Tells whether text holds a control character of ASCII: it would break the one-entry-a-line texts, and logs.
///
/// Every byte of every name, label and hit passes here. Without an early exit the compiler looks at many at once.
#[inline]
pub(super) fn has_control(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == 0x7f))
}

/// A whole number, wherever it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whole {
    Unset,
    Number(i128),
    Other,
}

/// Reads a whole number. A float without a fraction counts as one: shippers that keep every number as a double write
/// `12.0`. Past 2^53 a double is no longer exact, so there it does not.
#[inline]
fn whole(item: Item<'_, '_>) -> Whole {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match item.node() {
        Some(Node::Static(StaticNode::U64(number))) => Whole::Number(i128::from(*number)),
        Some(Node::Static(StaticNode::I64(number))) => Whole::Number(i128::from(*number)),
        Some(Node::Static(StaticNode::F64(number))) if number.fract() == 0.0 && number.abs() <= EXACT =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
            Whole::Number(*number as i128)
        }
        Some(Node::Static(StaticNode::Null) | Node::String("" | "-")) => Whole::Unset,
        Some(Node::String(text)) => {
            text.parse::<i64>().map_or(Whole::Other, |it| Whole::Number(i128::from(it)))
        }
        _ => Whole::Other,
    }
}

/// Reads a counter; unset is zero.
#[inline]
pub(super) fn counter(item: Item<'_, '_>) -> Result<u64, Fault> {
    match whole(item) {
        Whole::Unset => Ok(0),
        Whole::Number(number) => match u64::try_from(number) {
            Ok(number) if number < COUNTER_END => Ok(number),
            _ => Err(Fault { reason: Reason::Range, expected: "a count from 0 to 2^40" }),
        },
        Whole::Other => Err(Fault::bad("a count")),
    }
}

/// Reads a port. Felix uses 0 and -1 for a port that is not known.
#[inline]
pub(super) fn port(item: Item<'_, '_>) -> Result<Option<u16>, Fault> {
    match whole(item) {
        Whole::Unset | Whole::Number(-1 | 0) => Ok(None),
        Whole::Number(number) => u16::try_from(number)
            .map(Some)
            .map_err(|_| Fault { reason: Reason::Range, expected: "a port number from 0 to 65535" }),
        Whole::Other => Err(Fault::bad("a port number")),
    }
}

/// Reads a moment: seconds, or milliseconds where the number is too large for seconds; with a fraction, or as RFC
/// 3339 text.
pub(super) fn time(item: Item<'_, '_>) -> Result<Option<EventTime>, Fault> {
    const OUTSIDE: Fault =
        Fault { reason: Reason::Range, expected: "a time after 1970 in seconds or milliseconds" };
    if let Some(Node::Static(StaticNode::F64(seconds))) = item.node()
        && seconds.fract() != 0.0
    {
        let millis = (seconds * 1_000.0).floor();
        #[expect(clippy::cast_precision_loss, reason = "a power of ten below 2^53")]
        if !(1.0..MILLIS_END as f64).contains(&millis) {
            return Err(OUTSIDE);
        }
        #[expect(clippy::cast_possible_truncation, reason = "inside of the range just checked")]
        return Ok(Some(EventTime::from_millis(millis as i64)));
    }
    match whole(item) {
        Whole::Unset => Ok(None),
        Whole::Number(number) => match i64::try_from(number) {
            Ok(number @ 1..SECONDS_END) => Ok(Some(EventTime::from_secs(number))),
            Ok(number @ SECONDS_END..MILLIS_END) => Ok(Some(EventTime::from_millis(number))),
            _ => Err(OUTSIDE),
        },
        Whole::Other => item
            .text()
            .and_then(rfc3339)
            .map(|millis| Some(EventTime::from_millis(millis)))
            .ok_or(Fault::bad("a time in seconds, in milliseconds or as RFC 3339")),
    }
}

/// Reads `2026-11-22T23:09:45.5Z` or with an offset such as `+01:00`, as milliseconds since the epoch. A leap second
/// counts as the second behind it.
fn rfc3339(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|it| it.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let separators = byte(4)? == b'-' && byte(7)? == b'-' && byte(13)? == b':' && byte(16)? == b':';
    if !separators || !matches!(byte(10)?, b'T' | b't' | b' ') {
        return None;
    }
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if byte(at)? == b'.' {
        let from = at + 1;
        at = from;
        let mut unit = 100;
        while let Some(digit @ b'0'..=b'9') = byte(at) {
            millis += i64::from(digit - b'0') * unit;
            unit /= 10;
            at += 1;
        }
        if at == from {
            return None;
        }
    }
    let shift = match byte(at)? {
        b'Z' | b'z' => {
            at += 1;
            0
        }
        sign @ (b'+' | b'-') => {
            let (hours, minutes) = (digits(at + 1, at + 3)?, digits(at + 4, at + 6)?);
            if byte(at + 3)? != b':' || hours > 23 || minutes > 59 {
                return None;
            }
            at += 6;
            (hours * 60 + minutes) * if sign == b'+' { 60 } else { -60 }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - shift;
    (at == text.len() && seconds > 0).then_some(seconds * 1_000 + millis)
}

/// Returns the length of a month of the Gregorian calendar.
const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Counts days since 1970-01-01. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`:
/// years begin in March, so the leap day is the last one.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Reads an address. Felix has the all-zero one for an address that is not known.
#[inline]
pub(super) fn address(item: Item<'_, '_>) -> Result<Option<IpAddr>, Fault> {
    let Some(text) = text(item, "an IP address")? else { return Ok(None) };
    let address: IpAddr = text.parse().map_err(|_| Fault::bad("an IP address"))?;
    Ok((!address.is_unspecified()).then(|| address.to_canonical()))
}

/// Reads a protocol: a name in any case, a number, or a number in a string.
#[inline]
pub(super) fn protocol(item: Item<'_, '_>) -> Result<Option<Protocol>, Fault> {
    const EXPECTED: Fault = Fault::bad("a protocol's name, or its number from 1 to 255");
    match item.node() {
        Some(Node::String("tcp")) => Ok(Some(Protocol::TCP)),
        Some(Node::String("udp")) => Ok(Some(Protocol::UDP)),
        Some(Node::String("" | "-")) => Ok(None),
        Some(Node::String(text)) => text.parse().map(Some).map_err(|_| EXPECTED),
        _ => match whole(item) {
            Whole::Unset => Ok(None),
            Whole::Number(number @ 1..=255) => Ok(u8::try_from(number).ok().map(Protocol)),
            Whole::Number(_) | Whole::Other => Err(EXPECTED),
        },
    }
}

/// Reads who wrote the record. Calico's documentation has a record of `dst, fwd`: an end that also forwards; its
/// own policy is what the traces tell of, so the end is taken.
#[inline]
pub(super) fn reporter(item: Item<'_, '_>) -> Result<Option<Reporter>, Fault> {
    const EXPECTED: Fault = Fault::bad("`src`, `dst` or `fwd`");
    match item.node() {
        Some(Node::String("src")) => Ok(Some(Reporter::Source)),
        Some(Node::String("dst")) => Ok(Some(Reporter::Destination)),
        Some(Node::String(text)) => reporters(text).ok_or(EXPECTED),
        _ => match whole(item) {
            Whole::Unset | Whole::Number(0) => Ok(None),
            Whole::Number(1) => Ok(Some(Reporter::Source)),
            Whole::Number(2) => Ok(Some(Reporter::Destination)),
            Whole::Number(_) | Whole::Other => Err(EXPECTED),
        },
    }
}

/// Reads a list of reporters, in any case.
fn reporters(text: &str) -> Option<Option<Reporter>> {
    let mut found = None;
    for word in text.split(',').map(str::trim) {
        let one = match word {
            it if it.eq_ignore_ascii_case("src") => Reporter::Source,
            it if it.eq_ignore_ascii_case("dst") => Reporter::Destination,
            it if it.eq_ignore_ascii_case("fwd") => Reporter::Forward,
            "" | "-" | "ReporterUnspecified" => continue,
            _ => return None,
        };
        found = match (found, one) {
            (None | Some(Reporter::Forward), one) => Some(one),
            (Some(_), Reporter::Forward) => found,
            (Some(first), second) if first == second => found,
            _ => return None,
        };
    }
    Some(found)
}

/// Reads the final action, in any case or as Goldmane's number.
#[inline]
pub(super) fn action(item: Item<'_, '_>) -> Result<Option<RecordedAction>, Fault> {
    const EXPECTED: Fault = Fault::bad("`allow` or `deny`");
    match item.node() {
        Some(Node::String("" | "-" | "ActionUnspecified")) => Ok(None),
        Some(Node::String(text)) if text.eq_ignore_ascii_case("allow") => Ok(Some(RecordedAction::Allow)),
        Some(Node::String(text)) if text.eq_ignore_ascii_case("deny") => Ok(Some(RecordedAction::Deny)),
        Some(Node::String(_)) => Err(EXPECTED),
        _ => match whole(item) {
            Whole::Unset | Whole::Number(0) => Ok(None),
            Whole::Number(1) => Ok(Some(RecordedAction::Allow)),
            Whole::Number(2) => Ok(Some(RecordedAction::Deny)),
            Whole::Number(_) | Whole::Other => Err(EXPECTED),
        },
    }
}

/// Reads what stands at an end: the short word, or Goldmane's name or number.
#[inline]
pub(super) fn endpoint_kind(item: Item<'_, '_>) -> Result<Option<EndpointKind>, Fault> {
    const EXPECTED: Fault = Fault::bad("`wep`, `hep`, `ns` or `net`");
    match item.node() {
        Some(Node::String(text)) => Ok(Some(match *text {
            "wep" | "WorkloadEndpoint" => EndpointKind::Workload,
            "net" | "Network" => EndpointKind::Network,
            "ns" | "NetworkSet" => EndpointKind::NetworkSet,
            "hep" | "HostEndpoint" => EndpointKind::Host,
            "" | "-" | "EndpointTypeUnspecified" => return Ok(None),
            _ => return Err(EXPECTED),
        })),
        _ => match whole(item) {
            Whole::Unset | Whole::Number(0) => Ok(None),
            Whole::Number(1) => Ok(Some(EndpointKind::Workload)),
            Whole::Number(2) => Ok(Some(EndpointKind::Host)),
            Whole::Number(3) => Ok(Some(EndpointKind::NetworkSet)),
            Whole::Number(4) => Ok(Some(EndpointKind::Network)),
            Whole::Number(_) | Whole::Other => Err(EXPECTED),
        },
    }
}

/// Reads an index of a trace: nothing when it is left out.
#[inline]
pub(super) fn index(item: Item<'_, '_>) -> Result<Option<i64>, Fault> {
    match whole(item) {
        Whole::Unset => Ok(None),
        Whole::Number(number) => match i32::try_from(number) {
            Ok(number) => Ok(Some(i64::from(number))),
            Err(_) => Err(Fault { reason: Reason::Range, expected: "an index" }),
        },
        Whole::Other => Err(Fault::bad("an index")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads one value with `read`.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a case reads better so")]
    fn check<T: PartialEq + std::fmt::Debug>(
        read: impl Fn(Item<'_, '_>) -> Result<T, Fault>,
        json: &str,
        expect: Result<T, Reason>,
    ) {
        let mut bytes = json.as_bytes().to_vec();
        let tape = simd_json::to_tape(&mut bytes).unwrap();
        assert_eq!(read(Item::root(&tape.0)).map_err(|fault| fault.reason), expect, "{json}");
    }

    #[test]
    fn times_in_seconds_and_milliseconds_are_told_apart_by_size() {
        let at = |millis| Ok(Some(EventTime::from_millis(millis)));
        check(time, "1597166383", at(1_597_166_383_000));
        check(time, "1597166383000", at(1_597_166_383_000));
        check(time, "99999999999", at(99_999_999_999_000));
        check(time, "100000000000", at(100_000_000_000));
        check(time, "1597166383.25", at(1_597_166_383_250));
        check(time, r#""1795388990""#, at(1_795_388_990_000));
        check(time, r#""2026-11-22T23:09:45Z""#, at(1_795_388_985_000));
        check(time, r#""2026-11-23T00:09:45.125+01:00""#, at(1_795_388_985_125));
        check(time, r#""2024-02-29T00:00:00Z""#, at(1_709_164_800_000));
        check(time, "null", Ok(None));
        check(time, "0", Err(Reason::Range));
        check(time, "-5", Err(Reason::Range));
        check(time, "1597166383000000000", Err(Reason::Range));
        check(time, "1e300", Err(Reason::BadField));
        check(time, r#""2023-02-29T00:00:00Z""#, Err(Reason::BadField));
        check(time, r#""yesterday""#, Err(Reason::BadField));
        check(time, "true", Err(Reason::BadField));
    }

    #[test]
    fn every_spelling_of_an_unset_port_is_unknown() {
        for unset in ["null", "0", "-1", r#""""#, r#""-""#, r#""0""#] {
            check(port, unset, Ok(None));
        }
        check(port, "5432", Ok(Some(5432)));
        check(port, r#""5432""#, Ok(Some(5432)));
        check(port, "5432.0", Ok(Some(5432)));
        check(port, "65536", Err(Reason::Range));
        check(port, "80.5", Err(Reason::BadField));
        check(port, r#""http""#, Err(Reason::BadField));
        check(port, "[80]", Err(Reason::BadField));
    }

    #[test]
    fn counters_are_whole_and_bounded() {
        check(counter, "null", Ok(0));
        check(counter, r#""12""#, Ok(12));
        check(counter, "12.0", Ok(12));
        check(counter, "1099511627775", Ok((1 << 40) - 1));
        check(counter, "1099511627776", Err(Reason::Range));
        check(counter, "18446744073709551615", Err(Reason::Range));
        check(counter, "-1", Err(Reason::Range));
        check(counter, "1.5", Err(Reason::BadField));
        check(counter, "{}", Err(Reason::BadField));
    }

    #[test]
    fn protocols_are_names_or_numbers_in_text_or_not() {
        check(protocol, r#""tcp""#, Ok(Some(Protocol::TCP)));
        check(protocol, r#""6""#, Ok(Some(Protocol::TCP)));
        check(protocol, "6", Ok(Some(Protocol::TCP)));
        check(protocol, r#""icmp6""#, Ok(Some(Protocol::ICMPV6)));
        check(protocol, r#""ipip""#, Ok(Some(Protocol(4))));
        check(protocol, r#""-""#, Ok(None));
        check(protocol, "0", Err(Reason::BadField));
        check(protocol, "256", Err(Reason::BadField));
        check(protocol, r#""quic""#, Err(Reason::BadField));
    }

    #[test]
    fn an_end_that_also_forwards_reports_as_an_end() {
        check(reporter, r#""dst, fwd""#, Ok(Some(Reporter::Destination)));
        check(reporter, r#""fwd,src""#, Ok(Some(Reporter::Source)));
        check(reporter, r#""fwd""#, Ok(Some(Reporter::Forward)));
        check(reporter, r#""Src""#, Ok(Some(Reporter::Source)));
        check(reporter, "2", Ok(Some(Reporter::Destination)));
        check(reporter, "0", Ok(None));
        check(reporter, r#""src, dst""#, Err(Reason::BadField));
        check(reporter, "3", Err(Reason::BadField));
    }

    #[test]
    fn addresses_are_canonical_and_the_all_zero_one_is_unknown() {
        check(address, r#""10.1.2.3""#, Ok(Some(IpAddr::from([10, 1, 2, 3]))));
        check(address, r#""::ffff:10.1.2.3""#, Ok(Some(IpAddr::from([10, 1, 2, 3]))));
        check(address, r#""0.0.0.0""#, Ok(None));
        check(address, r#""::""#, Ok(None));
        check(address, "null", Ok(None));
        check(address, r#""10.1.2""#, Err(Reason::BadField));
        check(address, "10", Err(Reason::BadField));
    }
}
