//! Finds and reads the manifests of a folder.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::Error;

/// The most files: ten thousand policies, each in its own.
const FILES_MAX: usize = 10_000;

/// The most bytes of all files together. The set of a large cluster has a tenth of it.
const BYTES_MAX: u64 = 64 << 20;

/// The deepest folder below the first. It ends circles of symbolic links.
const DEPTH_MAX: usize = 16;

/// A file, and what tells a changed one without reading it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stamp {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
}

/// Lists `*.yaml`, `*.yml` and `*.json` below `root`, sorted by path; or `root` itself if it is a file.
///
/// Names that begin with a dot are passed over, symbolic links are followed: in a mounted `ConfigMap` the files are
/// links into a hidden folder that is exchanged as a whole. What is taken by its name and is no regular file, such as a
/// pipe, is an error: reading it may wait for ever for somebody to write.
pub(super) fn list(root: &Path) -> Result<Vec<Stamp>, Error> {
    let metadata = fs::metadata(root).map_err(|source| Error::Folder { path: root.to_owned(), source })?;
    if !metadata.is_dir() {
        return Ok(vec![stamp(root.to_owned(), &metadata)?]);
    }
    let mut files = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let fail = |source| Error::Folder { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if is_hidden(&path) {
                continue;
            }
            // Follows links; one that leads nowhere is an error, because it was meant to lead somewhere.
            let metadata =
                fs::metadata(&path).map_err(|source| Error::File { path: path.clone(), source })?;
            if metadata.is_dir() {
                if depth == DEPTH_MAX {
                    return Err(Error::TooLarge { path: root.to_owned(), limit: "16 levels of folders" });
                }
                folders.push((path, depth + 1));
            } else if is_manifest(&path) {
                files.push(stamp(path, &metadata)?);
            }
            if files.len() > FILES_MAX || folders.len() > FILES_MAX {
                return Err(Error::TooLarge { path: root.to_owned(), limit: "10,000 files" });
            }
        }
    }
    if files.iter().map(|it| it.bytes).sum::<u64>() > BYTES_MAX {
        return Err(Error::TooLarge { path: root.to_owned(), limit: "64 MiB" });
    }
    files.sort();
    Ok(files)
}

fn stamp(path: PathBuf, metadata: &fs::Metadata) -> Result<Stamp, Error> {
    if !metadata.is_file() {
        return Err(Error::NotRegular { path, found: kind_of(metadata.file_type()) });
    }
    Ok(Stamp { path, bytes: metadata.len(), modified: metadata.modified().ok() })
}

/// Names what is neither a file nor a folder.
fn kind_of(it: fs::FileType) -> &'static str {
    if it.is_fifo() {
        "a named pipe"
    } else if it.is_socket() {
        "a socket"
    } else if it.is_char_device() || it.is_block_device() {
        "a device"
    } else {
        "something else"
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json")
}

/// Reads a file that was listed. One that has grown past all bounds since is not read to its end.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let fail = |source| Error::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(fail)?.take(BYTES_MAX).read_to_end(&mut bytes).map_err(fail)?;
    String::from_utf8(bytes)
        .map_err(|error| Error::NotText { path: path.to_owned(), offset: error.utf8_error().valid_up_to() })
}
