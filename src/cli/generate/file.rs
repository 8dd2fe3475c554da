//! Records to a file or to standard output, one a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::write::GzEncoder;
use zstd::stream::write::Encoder;

use super::Output;
use super::arguments::Compression;
use crate::cli::complaint::Complaint;
use crate::generate::GeneratedRecord;

/// Large enough that a write is rare, small enough for a cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// zstd's own default: faster than a disk, and records shrink to a twentieth.
const ZSTD_LEVEL: i32 = 3;

/// Opens what `--output` and `--compress` name.
pub(super) fn open(
    path: Option<&Path>,
    compression: Option<Compression>,
) -> Result<Box<dyn Output>, Complaint> {
    let path = path.filter(|it| it.as_os_str() != "-");
    let plain: Box<dyn Write> = match path {
        None => Box::new(io::stdout()),
        Some(path) => Box::new(File::create(path).map_err(|source| {
            Complaint::failure(format!("cannot write `{}`", path.display())).caused_by(source)
        })?),
    };
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, plain);
    let by_name = match path.and_then(Path::extension).and_then(|it| it.to_str()) {
        Some("gz") => Compression::Gzip,
        Some("zst" | "zstd") => Compression::Zstd,
        Some(_) | None => Compression::Plain,
    };
    Ok(match compression.unwrap_or(by_name) {
        Compression::Plain => Box::new(Lines { writer: buffered, finish: |mut it| it.flush() }),
        Compression::Gzip => Box::new(Lines {
            writer: GzEncoder::new(buffered, flate2::Compression::default()),
            finish: |it| it.finish()?.flush(),
        }),
        Compression::Zstd => Box::new(Lines {
            writer: Encoder::new(buffered, ZSTD_LEVEL)
                .map_err(|source| Complaint::failure("zstd cannot be set up").caused_by(source))?,
            finish: |it| it.finish()?.flush(),
        }),
    })
}

/// Lines into a writer that has an end of its own.
struct Lines<W> {
    writer: W,
    finish: fn(W) -> io::Result<()>,
}

impl<W: Write> Output for Lines<W> {
    fn put(&mut self, record: &GeneratedRecord) -> anyhow::Result<()> {
        self.writer.write_all(&record.value)?;
        self.writer.write_all(b"\n")?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        let Self { writer, finish } = *self;
        Ok(finish(writer)?)
    }
}
