//! Reads records from files and from standard input: one JSON object a line, plain, gzip or zstd.
//!
//! ```text
//!   thread:  open -> gzip? zstd? plain -> lines -> Chunk --+
//!                                                          | a channel of a few chunks: back-pressure
//!   worker:  next_batch <----------------------------------+
//! ```
//!
//! A thread reads, so that a pipe that has nothing to say does not hold up the worker, and unpacking runs beside
//! decoding. Memory is bounded by the chunks in the channel, whatever the length of a line.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::lines::{Chunk, Lines};
use super::port::{Committed, Consumer, Error, Log, LogPartition, Place, Rebalance, Record};
use super::unpack::{STDIN, check, open};

/// Chunks between the thread and the worker: one being filled, one being read, and two to even out.
const CHUNKS: usize = 2;

/// The one partition that files make.
const PARTITION: LogPartition = LogPartition { log: Log::Flows, partition: 0 };

/// What the thread tells.
enum Message {
    /// A file begins, by its place in the list.
    Begin(usize),
    /// Lines of it.
    Lines(Chunk),
    /// It cannot be read further; nothing comes after this.
    Failed(usize, io::Error),
    /// All files were read.
    End,
}

/// How far the reader is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Reading,
    AtEnd,
    Stopped,
}

/// Reads a list of files as one partition. Offsets count lines, blank ones too, over all files.
#[derive(Debug)]
pub struct FileConsumer {
    /// How messages call the files.
    names: Vec<String>,
    messages: Receiver<Message>,
    state: State,
    /// The offset of the next line.
    offset: i64,
    /// The file that is read, by its place in the list, and the lines of it that were read.
    file: usize,
    lines: u64,
    lines_cut: u64,
    is_assigned: bool,
    is_paused: bool,
}

impl FileConsumer {
    /// Opens a list of files; `-` is standard input.
    ///
    /// Of a line longer than `record_bytes_max` that many bytes and one more are handed on, so that whoever holds
    /// records against this limit rejects it, and no line costs more memory.
    ///
    /// # Errors
    ///
    /// When a file is not there, may not be read, or is a directory; when standard input is named twice.
    pub fn open(paths: Vec<PathBuf>, record_bytes_max: usize) -> Result<Self, Error> {
        check(&paths)?;
        let (sender, messages) = sync_channel(CHUNKS);
        let names = paths.iter().map(|it| name(it)).collect();
        thread::Builder::new()
            .name("flowstage-files".to_owned())
            .spawn(move || read_all(&paths, record_bytes_max, &sender))
            .map_err(|source| Error::File { path: "a thread to read files with".to_owned(), source })?;
        Ok(Self {
            names,
            messages,
            state: State::Reading,
            offset: 0,
            file: 0,
            lines: 0,
            lines_cut: 0,
            is_assigned: false,
            is_paused: false,
        })
    }

    /// Returns the number of lines that were longer than a record may be, and were cut.
    #[must_use]
    pub const fn lines_cut(&self) -> u64 {
        self.lines_cut
    }

    /// Returns how messages call a file.
    fn name(&self, idx: usize) -> String {
        self.names.get(idx).cloned().unwrap_or_default()
    }

    /// Takes what the thread says next, and visits the lines. Returns nothing when no line came in time.
    fn receive(&mut self, wait: Duration, visit: &mut dyn FnMut(Record<'_>)) -> Result<Option<usize>, Error> {
        match self.messages.recv_timeout(wait) {
            Ok(Message::Begin(idx)) => {
                (self.file, self.lines) = (idx, 0);
                Ok(Some(0))
            }
            Ok(Message::Lines(chunk)) => {
                self.lines_cut += chunk.lines_cut();
                let file = self.names.get(self.file).map_or("", String::as_str);
                let mut count = 0;
                for (before, value) in chunk.iter() {
                    let offset = self.offset.saturating_add(before);
                    let line = self.lines.saturating_add(before.unsigned_abs()).saturating_add(1);
                    let place = Some(Place { file, line });
                    visit(Record { source: PARTITION, offset, place, timestamp: None, value });
                    count += 1;
                }
                self.offset = self.offset.saturating_add(chunk.len());
                self.lines = self.lines.saturating_add(chunk.len().unsigned_abs());
                Ok(Some(count))
            }
            Ok(Message::Failed(idx, source)) => {
                self.state = State::Stopped;
                Err(Error::File { path: self.name(idx), source })
            }
            Ok(Message::End) => {
                self.state = State::AtEnd;
                Ok(None)
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.state = State::Stopped;
                let source = io::Error::other("the thread that reads files ended before they did");
                Err(Error::File { path: self.name(self.file), source })
            }
        }
    }
}

impl Consumer for FileConsumer {
    fn next_batch(&mut self, wait: Duration, visit: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        if self.is_paused || self.state != State::Reading || !self.is_assigned {
            // There is nothing to wait for; returning at once would make the caller spin.
            thread::sleep(wait);
            return Ok(0);
        }
        // The begin of a file, and a chunk of blank lines, are not what the caller waits for.
        loop {
            match self.receive(wait, visit)? {
                Some(0) => {}
                Some(count) => return Ok(count),
                None => return Ok(0),
            }
        }
    }

    fn rebalances(&mut self) -> Result<Vec<Rebalance>, Error> {
        if std::mem::replace(&mut self.is_assigned, true) {
            return Ok(Vec::new());
        }
        Ok(vec![Rebalance::Assigned(vec![(PARTITION, None)])])
    }

    /// Files remember nothing: they are read from the begin each time.
    fn note_commit(&mut self, _partition: LogPartition, _committed: Committed) {}

    fn set_paused(&mut self, log: Log, paused: bool) -> Result<(), Error> {
        match log {
            Log::Flows => self.is_paused = paused,
            Log::Partials => {}
        }
        Ok(())
    }

    fn is_at_end(&self, partition: LogPartition) -> bool {
        match partition.log {
            Log::Flows => self.state == State::AtEnd,
            Log::Partials => true,
        }
    }

    fn close(&mut self, _deadline: Duration) -> Result<(), Error> {
        self.state = State::Stopped;
        // Without a receiver the thread ends at its next chunk.
        self.messages = sync_channel(0).1;
        Ok(())
    }
}

/// Returns how messages call a file.
fn name(path: &Path) -> String {
    if path.as_os_str() == STDIN { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads every file. Ends early when nobody listens any more.
fn read_all(paths: &[PathBuf], record_bytes_max: usize, sender: &SyncSender<Message>) {
    for (idx, path) in paths.iter().enumerate() {
        if sender.send(Message::Begin(idx)).is_err() {
            return;
        }
        let lines = open(path).map(|reader| Lines::new(reader, record_bytes_max));
        let mut lines = match lines {
            Ok(lines) => lines,
            Err(error) => return drop(sender.send(Message::Failed(idx, error))),
        };
        loop {
            let (chunk, error) = lines.next_chunk();
            let is_last = chunk.is_empty();
            if !is_last && sender.send(Message::Lines(chunk)).is_err() {
                return;
            }
            match error {
                Some(error) => return drop(sender.send(Message::Failed(idx, error))),
                None if is_last => break,
                None => {}
            }
        }
    }
    drop(sender.send(Message::End));
}
