//! Why a folder gives no policy set.

use std::io;
use std::path::PathBuf;

use crate::manifest;

/// One reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is not there, or may not be listed.
    #[error("cannot list `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What stands where a manifest is expected is no regular file, and is not opened.
    #[error("`{}` is no regular file but {found}, and is not read", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What stands there, or where a link leads.
        found: &'static str,
    },
    /// A file is no text.
    #[error("`{}` is no UTF-8 text: the byte at offset {offset} is none", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the text ends, in bytes.
        offset: usize,
    },
    /// The folder is larger than anybody's policies are.
    #[error("`{}` holds more than {limit}", path.display())]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// What there is too much of.
        limit: &'static str,
    },
    /// The folder changed every time it was read.
    #[error("`{}` changed while it was read", path.display())]
    Unsteady {
        /// The folder.
        path: PathBuf,
    },
    /// An object is refused.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
}
