//! Opens files, and takes gzip and zstd off, as the first bytes tell.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::port::Error;

/// How standard input is named on a command line.
pub(super) const STDIN: &str = "-";

/// Bytes that are read at once: some two hundred records.
const BUFFER_BYTES: usize = 256 * 1024;

/// What a gzip member begins with (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a zstd frame begins with (RFC 8878).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Checks that every file can be opened, so that a misspelt name fails at the start and not hours later.
///
/// # Errors
///
/// When one cannot, or when standard input is named twice.
pub(super) fn check(paths: &[PathBuf]) -> Result<(), Error> {
    let mut stdin_seen = false;
    for path in paths {
        let result = if path.as_os_str() == STDIN {
            if std::mem::replace(&mut stdin_seen, true) {
                Err(io::Error::other("standard input can be read once: name `-` once"))
            } else {
                Ok(())
            }
        } else {
            open_file(path).map(drop)
        };
        result.map_err(|source| Error::File { path: path.display().to_string(), source })?;
    }
    Ok(())
}

/// Opens a file or standard input for reading what it holds, unpacked.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path.as_os_str() == STDIN { unpack(io::stdin()) } else { unpack(open_file(path)?) }
}

/// Opens a file; the error says what to do.
fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file: check the path, or use `-` for standard input",
            io::ErrorKind::PermissionDenied => "it may not be read: check who owns it and its mode",
            _ => return error,
        };
        io::Error::new(error.kind(), advice)
    })?;
    if file.metadata()?.is_dir() {
        let advice = "it is a directory: name the files in it, such as `DIR/*.jsonl`";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, advice));
    }
    Ok(file)
}

/// Wraps the reader that fits the first bytes.
fn unpack(mut input: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
    input.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head.starts_with(&GZIP_MAGIC);
    let is_zstd = head.starts_with(&ZSTD_MAGIC);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(input));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, Packed(MultiGzDecoder::new(whole))))
    } else if is_zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, Packed(decoder)))
    } else {
        Box::new(whole)
    })
}

/// A reader of packed data, whose errors say what to do.
struct Packed<R>(R);

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                error.kind(),
                "the packed data ends too early: the file may still be written, or was cut when it was copied",
            ),
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, format!("the packed data is damaged ({error}): copy the file again")),
        })
    }
}
