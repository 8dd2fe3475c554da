//! Records that are none.

use super::chance::Chance;

/// Makes a record that no reader can take for a flow. `good` is one that it can be made from.
pub(super) fn poison(good: &[u8], chance: &mut Chance) -> Vec<u8> {
    let head = |length: usize| good.iter().take(length).copied();
    match chance.below(7) {
        // Cut short, as by a full disk.
        0 => head(good.len() / 2).collect(),
        // Another program's log line.
        1 => b"2026-01-01 00:00:00.000 [INFO][71] felix/summary.go 100: Summarising 12 dataplane loops"
            .to_vec(),
        // Valid JSON that is no record.
        2 => b"[1,2,3]".to_vec(),
        // A field of the wrong type.
        3 => br#"{"start_time":"yesterday","end_time":{},"reporter":7,"action":null}"#.to_vec(),
        // Not UTF-8 in a string.
        4 => head(40).chain([b'"', 0xff, 0xfe, b'"', b'}']).collect(),
        // Deeper than any record.
        5 => std::iter::repeat_n(b'[', 200).collect(),
        // Binary.
        _ => (0..64).flat_map(|_| chance.number().to_le_bytes()).collect(),
    }
}
