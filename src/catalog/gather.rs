//! Several folders and files at once, read one time.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::walk;
use crate::manifest::{self, Object};
use crate::model::CalicoVersion;

/// What was found in the manifests of several folders and files.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The objects of every file in which nothing is wrong.
    pub objects: Vec<Object>,
    /// Everything that is wrong with the paths, the files, and the objects in them.
    pub errors: Vec<Error>,
    /// The number of files.
    pub files: usize,
    /// The release of Calico by whose rules they are read.
    pub version: CalicoVersion,
}

/// Reads every manifest at and below `paths`, by the rules of a release of Calico. A file that is reached in two ways
/// is read once.
#[must_use]
pub fn gather(paths: &[PathBuf], version: CalicoVersion) -> Gathered {
    let mut gathered = Gathered::of(version);
    let mut seen = HashSet::new();
    for path in paths {
        match walk::list(path) {
            Ok(files) => {
                for file in files {
                    // What cannot be resolved is told apart by its name, and fails when it is read.
                    if seen.insert(file.path.canonicalize().unwrap_or_else(|_| file.path.clone())) {
                        gathered.read(&file.path);
                    }
                }
            }
            Err(error) => gathered.errors.push(error),
        }
    }
    gathered
}

impl Gathered {
    /// Makes one that holds nothing yet and reads by the rules of a release of Calico.
    #[must_use]
    pub fn of(version: CalicoVersion) -> Self {
        Self { version, ..Self::default() }
    }

    fn read(&mut self, path: &Path) {
        self.files += 1;
        match walk::read(path) {
            Ok(text) => self.add(&text, &path.display().to_string()),
            Err(error) => self.errors.push(error),
        }
    }

    /// Adds the objects of a text, or what is wrong with it.
    pub fn add(&mut self, text: &str, source_name: &str) {
        match manifest::read_for(text, source_name, self.version) {
            Ok(objects) => self.objects.extend(objects),
            Err(errors) => self.errors.extend(errors.into_iter().map(Error::from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIER: &str = "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t}}";

    /// Writes files into a folder and reads `paths` below it: objects, errors, files.
    #[track_caller]
    fn check(files: &[(&str, &str)], paths: &[&str], expect: (usize, usize, usize)) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let paths: Vec<PathBuf> = paths.iter().map(|it| folder.path().join(it)).collect();
        let Gathered { objects, errors, files, version: _ } = gather(&paths, CalicoVersion::NEWEST);
        assert_eq!((objects.len(), errors.len(), files), expect, "{errors:?}");
    }

    #[test]
    fn a_file_that_is_named_twice_is_read_once() {
        check(&[("a.yaml", TIER), ("notes.txt", "-")], &["", "a.yaml", "./a.yaml"], (1, 0, 1));
    }

    #[test]
    fn a_file_that_is_named_needs_no_ending() {
        check(&[("tier", TIER)], &["tier"], (1, 0, 1));
    }

    #[test]
    fn what_is_wrong_with_one_file_does_not_hide_the_others() {
        check(&[("a.yaml", TIER), ("b.yaml", "kind: x")], &["", "nowhere"], (1, 2, 2));
    }
}
