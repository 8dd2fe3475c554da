//! Writes recommendations as files that are ready to be applied.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::render::{RecommendationRecord, RuleEvidenceRecord, rfc3339_of_millis};
use crate::model::Direction;
use crate::recommend::Status;

/// A directory with one file a namespace: `<namespace>.yaml`.
///
/// A file is replaced whole, by a rename, and only when the policy or its status changed; none is ever removed. Two
/// processes may write into one directory as long as they write of different namespaces.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    failures: u64,
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It was written.
    Replaced,
    /// It says the same already.
    Unchanged,
}

/// A file could not be written. The old one, if there was one, is whole.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the recommendation to `{path}`")]
pub struct DirectoryError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl Directory {
    /// Opens a directory, which is made with the first file if it does not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), failures: 0 }
    }

    /// Returns how many files could not be written.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// Writes one recommendation.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; it is counted.
    pub fn write(&mut self, record: &RecommendationRecord) -> Result<Written, DirectoryError> {
        let path = self.path.join(format!("{}.yaml", file_stem(&record.namespace.0)));
        replace(&path, &text(record)).map_err(|source| {
            self.failures = self.failures.saturating_add(1);
            DirectoryError { path, source }
        })
    }
}

fn replace(path: &Path, text: &str) -> io::Result<Written> {
    match fs::read_to_string(path) {
        Ok(old) if substance(&old).eq(substance(text)) => return Ok(Written::Unchanged),
        Ok(_) => {}
        // Not there, or not text: in both cases ours is to stand there.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {}
        Err(error) => return Err(error),
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut new = path.as_os_str().to_owned();
    // Not `.yaml`, so that nobody who applies the directory picks it up; with our number, so that processes that share
    // the directory do not take each other's.
    new.push(format!(".{}.new", std::process::id()));
    let written = fs::File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // Without this a crash may leave the new name on an empty file.
        file.sync_all()?;
        fs::rename(&new, path)
    });
    if written.is_err() {
        // The first error is the one to tell of.
        drop(fs::remove_file(&new));
    }
    written.map(|()| Written::Replaced)
}

/// What makes two files different: the policy and its status. Counts and times in the comments change with every
/// window, and would be noise for whoever keeps the directory under version control.
fn substance(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') || line.starts_with(STATUS))
}

const STATUS: &str = "# Status: ";

fn text(record: &RecommendationRecord) -> String {
    let head = [
        format!("Recommended by flowstage for namespace {}.", record.namespace.0),
        "The tier of the policy must exist before it is applied.".to_owned(),
        format!("Status: {}", Status::from(record.status).as_str()),
        format!(
            "Learned from {} to {}, unchanged since {}.",
            record.learning_since, record.window_end, record.changed
        ),
        format!(
            "Last window: {} edges verified, {} cannot be judged, {} denied now would be let through.",
            record.edges_verified, record.edges_undetermined, record.edges_would_allow
        ),
    ];
    let comments = head.into_iter().chain(record.evidence.iter().map(reason));
    let mut text: String = comments.map(|it| format!("# {}\n", it.escape_default())).collect();
    text.push_str(&record.yaml);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Prints `ingress 0: namespace, 2 edges, seen from … to …, added`.
fn reason(evidence: &RuleEvidenceRecord) -> String {
    let RuleEvidenceRecord { direction, rule, class, flags, edges, totals: _, first_seen_ms, last_seen_ms } =
        evidence;
    let (first, last) = (rfc3339_of_millis(*first_seen_ms), rfc3339_of_millis(*last_seen_ms));
    let flags: String = flags.iter().map(|it| format!(", {}", it.as_str())).collect();
    let (direction, class) = (Direction::from(*direction), class.as_str());
    format!("{direction} {rule}: {class}, {edges} edges, seen from {first} to {last}{flags}")
}

/// Makes a file's name of a namespace: itself, if it is one as Kubernetes has them. Of anything else, which can only
/// come from a forged record, no character is left that means something to a file system, and a digest keeps two of
/// them apart.
fn file_stem(namespace: &str) -> String {
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if !namespace.is_empty() && namespace.len() <= 63 && namespace.chars().all(plain) {
        return namespace.to_owned();
    }
    let kept: String = namespace.chars().take(40).map(|it| if plain(it) { it } else { '_' }).collect();
    let digest = Sha256::digest(namespace.as_bytes());
    let digest: String = digest.iter().take(8).map(|it| format!("{it:02x}")).collect();
    format!("{kept}_{digest}")
}

#[cfg(test)]
mod tests {
    use super::super::render::sample_recommendation;
    use super::*;

    fn read(directory: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|it| it.unwrap().path())
            .map(|it| {
                (it.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&it).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_file_is_written_when_policy_or_status_changes_and_only_then() {
        let home = tempfile::tempdir().unwrap();
        let mut directory = Directory::new(home.path().join("policies"));
        let mut record = sample_recommendation();
        assert_eq!(directory.write(&record).unwrap(), Written::Replaced);
        let first = read(&home.path().join("policies"));
        record.edges_verified += 1;
        assert_eq!(directory.write(&record).unwrap(), Written::Unchanged);
        assert_eq!(read(&home.path().join("policies")), first);
        record.status = super::super::render::StatusRecord::Stable;
        assert_eq!(directory.write(&record).unwrap(), Written::Replaced);
        record.yaml.push_str("# changed\nx: y\n");
        assert_eq!(directory.write(&record).unwrap(), Written::Replaced);
        let names: Vec<_> = read(&home.path().join("policies")).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["shop.yaml"]);
        assert_eq!(directory.failures(), 0);
    }

    #[test]
    fn the_file_reads_as_the_policy_and_tells_why() {
        let text = text(&sample_recommendation());
        let objects = crate::manifest::read(&text, "shop.yaml").unwrap();
        assert_eq!(objects.len(), 1);
        assert!(text.contains("\n# Status: Learning\n"), "{text}");
        assert!(text.contains("# egress 0: namespace, 1 edges, seen from "), "{text}");
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        assert_eq!(file_stem("shop-2"), "shop-2");
        let (up, down) = (file_stem("../../etc/x"), file_stem(".."));
        for stem in [&up, &down, &file_stem(""), &file_stem("a/b"), &file_stem(&"n".repeat(300))] {
            assert!(!stem.contains(['/', '.', '\\']) && stem.len() < 64, "{stem}");
        }
        assert_ne!(file_stem("a/b"), file_stem("a.b"));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error_and_counted() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "not a directory").unwrap();
        let mut directory = Directory::new(&file);
        let error = directory.write(&sample_recommendation()).unwrap_err();
        assert!(error.path.ends_with("shop.yaml"));
        assert_eq!(directory.failures(), 1);
    }

    #[test]
    fn a_forged_namespace_cannot_break_out_of_the_comment() {
        let mut record = sample_recommendation();
        record.namespace = "x\nkind: Evil".into();
        assert!(text(&record).lines().all(|it| !it.starts_with("kind: Evil")));
    }
}
