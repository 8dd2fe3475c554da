//! Splits bytes into lines, a chunk at a time, with bounded memory.

use std::io::{self, BufRead};

/// Bytes after which a chunk is full. A chunk is what the worker handles between two looks at anything else: some two
/// hundred records, well below a millisecond.
const CHUNK_BYTES: usize = 256 * 1024;

/// Some lines that follow each other; blank ones are counted and left out.
#[derive(Default, Debug)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    // For each line that is kept: its place in the chunk, and where it ends in `bytes`.
    ends: Vec<(i64, usize)>,
    len: i64,
    lines_cut: u64,
}

impl Chunk {
    /// Returns the number of lines, blank ones too.
    pub(super) const fn len(&self) -> i64 {
        self.len
    }

    /// Tells whether there is no line at all.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of lines that were cut.
    pub(super) const fn lines_cut(&self) -> u64 {
        self.lines_cut
    }

    /// Returns each line that is not blank, with its place among all of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let mut begin = 0;
        self.ends.iter().map(move |(place, end)| {
            let line = self.bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            (*place, line)
        })
    }

    /// Closes the line that begins at `begin`.
    fn close(&mut self, begin: usize, was_cut: bool) {
        if !was_cut && self.bytes.last() == Some(&b'\r') && self.bytes.len() > begin {
            self.bytes.truncate(self.bytes.len() - 1);
        }
        if self.bytes.get(begin..).is_some_and(|line| line.iter().all(u8::is_ascii_whitespace)) {
            self.bytes.truncate(begin);
        } else {
            self.ends.push((self.len, self.bytes.len()));
        }
        self.lines_cut += u64::from(was_cut);
        self.len += 1;
    }
}

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    line_bytes_max: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads lines of at most `line_bytes_max` bytes; of a longer one that many and one more are kept.
    pub(super) const fn new(reader: R, line_bytes_max: usize) -> Self {
        Self { reader, line_bytes_max }
    }

    /// Reads some lines: as many as are at hand, and at least one. None at all means that there are no more, or that
    /// reading failed, which is told beside the lines before it.
    pub(super) fn next_chunk(&mut self) -> (Chunk, Option<io::Error>) {
        let mut chunk = Chunk::default();
        // The line being read: where it begins in the chunk, whether a part of it came, whether a part was left out.
        let (mut begin, mut is_open, mut was_cut) = (0, false, false);
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Half a line is no record.
                    chunk.bytes.truncate(begin);
                    return (chunk, Some(error));
                }
            };
            if bytes.is_empty() {
                if is_open {
                    chunk.close(begin, was_cut);
                }
                return (chunk, None);
            }
            let mut used = 0;
            while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
                let line_end = rest.iter().position(|byte| *byte == b'\n');
                let part = rest.get(..line_end.unwrap_or(rest.len())).unwrap_or_default();
                let room = (self.line_bytes_max + 1).saturating_sub(chunk.bytes.len() - begin);
                chunk.bytes.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
                was_cut |= part.len() > room;
                used += part.len() + usize::from(line_end.is_some());
                is_open = line_end.is_none();
                if !is_open {
                    chunk.close(begin, was_cut);
                    (begin, was_cut) = (chunk.bytes.len(), false);
                    if begin >= CHUNK_BYTES {
                        break;
                    }
                }
            }
            self.reader.consume(used);
            // Handed over before the next read, which may wait for long.
            if !chunk.is_empty() && !is_open {
                return (chunk, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Reads all lines, with a buffer of each small size, and gives `place:line`.
    #[track_caller]
    fn check(text: &str, expect: &[&str], cut: u64) {
        for capacity in 1..=text.len().max(1) {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, text.as_bytes()), 4);
            let (mut found, mut offset, mut lines_cut) = (Vec::new(), 0, 0);
            loop {
                let (chunk, error) = lines.next_chunk();
                assert!(error.is_none());
                if chunk.is_empty() {
                    break;
                }
                let here = chunk
                    .iter()
                    .map(|(it, line)| format!("{}:{}", offset + it, String::from_utf8_lossy(line)));
                found.extend(here);
                offset += chunk.len();
                lines_cut += chunk.lines_cut();
            }
            assert_eq!(found, expect, "buffer of {capacity}");
            assert_eq!(lines_cut, cut, "buffer of {capacity}");
        }
    }

    #[test]
    fn lines_are_split_wherever_the_buffer_ends() {
        check("", &[], 0);
        check("ab\ncd\n", &["0:ab", "1:cd"], 0);
        check("ab\ncd", &["0:ab", "1:cd"], 0);
    }

    #[test]
    fn blank_lines_are_counted_and_left_out() {
        check("\n \nab\n\n\ncd\n\n", &["2:ab", "5:cd"], 0);
    }

    #[test]
    fn a_carriage_return_ends_a_line_too() {
        check("ab\r\n\r\ncd\r", &["0:ab", "2:cd"], 0);
    }

    #[test]
    fn a_long_line_keeps_one_byte_more_than_a_record_may_have() {
        check("abcd\nabcde\nabcdefghij\nx\n", &["0:abcd", "1:abcde", "2:abcde", "3:x"], 1);
        check("abcd\r\nabcdefg\r\nx", &["0:abcd", "1:abcde", "2:x"], 1);
    }
}
