//! A folder of manifests.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::config::Config;
use super::error::Error;
use super::gather::Gathered;
use super::walk::{self, Stamp};
use crate::manifest::{self, Assembled, Warning};
use crate::model::CalicoVersion;
use crate::policy::{PolicySet, Revision};

/// A file that is younger than this when it is read may change once more without its date showing it: file systems
/// date to the tick of a clock, the coarsest (FAT) to two seconds.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// How often a folder is read again that changed meanwhile.
const ATTEMPTS: usize = 5;

/// A policy set as it was loaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    /// The set.
    pub set: PolicySet,
    /// What is hardly meant as it is written.
    pub warnings: Vec<Warning>,
    /// The number of files.
    pub files: usize,
}

/// What a look at the folder found.
#[derive(Debug)]
pub enum Polled {
    /// Nothing new: the set, or the reason why there is none, is the one of the last look.
    Unchanged,
    /// Another set.
    Changed(Box<Loaded>),
    /// The folder changed, and cannot be used as it is now. The last set stays the best there is.
    Failed(Vec<Error>),
}

/// Loads manifests from a folder, and tells when they change.
#[derive(Debug)]
pub struct DirectoryCatalog {
    path: PathBuf,
    version: CalicoVersion,
    /// What the files were when they were read last; nothing if that cannot be trusted to show the next change.
    stamps: Option<Vec<Stamp>>,
    /// The digest of their content.
    content: Option<[u8; 32]>,
    /// The revision of the last good set, and its warnings.
    good: Option<(Revision, Vec<Warning>)>,
    /// What was reported as wrong last, if the last look failed.
    failure: Option<String>,
}

impl DirectoryCatalog {
    /// Makes a catalog; reads nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let Config { path, poll_interval: _, calico_version } = config;
        Self {
            path: path.clone(),
            version: *calico_version,
            stamps: None,
            content: None,
            good: None,
            failure: None,
        }
    }

    /// Returns the folder, or the one file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Loads the folder, whether or not it changed.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, with the folder, its files or the objects in them.
    pub fn load(&mut self) -> Result<Loaded, Vec<Error>> {
        let read = self.read().map_err(|error| vec![error]);
        let loaded = read.and_then(|files| {
            self.content = Some(digest(&files));
            assemble(&files, self.version)
        });
        match &loaded {
            Ok(loaded) => {
                self.good = Some((loaded.set.revision(), loaded.warnings.clone()));
                self.failure = None;
            }
            Err(errors) => self.failure = Some(describe(errors)),
        }
        loaded
    }

    /// Looks whether the folder changed, and loads it if so. The first look always loads.
    ///
    /// Files whose size and date did not change are not read. Where they did, the content decides: a file that was
    /// only touched, moved or rewritten with the same content is no change. A failure is reported once, not at every
    /// look.
    pub fn poll(&mut self) -> Polled {
        if self.stamps.is_some() && walk::list(&self.path).ok() == self.stamps {
            return Polled::Unchanged;
        }
        let files = match self.read() {
            Ok(files) => files,
            Err(error) => {
                // When it can be read again, its answer has to be found anew.
                self.content = None;
                return self.fail(vec![error]);
            }
        };
        let content = digest(&files);
        if self.content == Some(content) {
            return Polled::Unchanged;
        }
        self.content = Some(content);
        let loaded = match assemble(&files, self.version) {
            Ok(loaded) => loaded,
            Err(errors) => return self.fail(errors),
        };
        self.failure = None;
        let good = (loaded.set.revision(), loaded.warnings.clone());
        if self.good.as_ref() == Some(&good) {
            return Polled::Unchanged;
        }
        self.good = Some(good);
        Polled::Changed(Box::new(loaded))
    }

    fn fail(&mut self, errors: Vec<Error>) -> Polled {
        let failure = Some(describe(&errors));
        if failure == self.failure {
            return Polled::Unchanged;
        }
        self.failure = failure;
        Polled::Failed(errors)
    }

    /// Reads all files of one state of the folder.
    fn read(&mut self) -> Result<Vec<(PathBuf, String)>, Error> {
        self.stamps = None;
        for _ in 0..ATTEMPTS {
            let before = walk::list(&self.path)?;
            let now = SystemTime::now();
            let files: Result<Vec<_>, Error> =
                before.iter().map(|it| Ok((it.path.clone(), walk::read(&it.path)?))).collect();
            // A folder that was exchanged while it was read would give half of each.
            if walk::list(&self.path)? != before {
                continue;
            }
            let files = files?;
            if before.iter().all(|it| is_settled(it, now)) {
                self.stamps = Some(before);
            }
            return Ok(files);
        }
        Err(Error::Unsteady { path: self.path.clone() })
    }
}

fn is_settled(stamp: &Stamp, now: SystemTime) -> bool {
    stamp.modified.is_some_and(|it| now.duration_since(it).is_ok_and(|age| age > SETTLED_AFTER))
}

fn digest(files: &[(PathBuf, String)]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for (path, text) in files {
        // Lengths keep the end of one from being taken for the begin of the next.
        let path = path.as_os_str().as_encoded_bytes();
        hasher.update(path.len().to_be_bytes());
        hasher.update(path);
        hasher.update(text.len().to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

fn assemble(files: &[(PathBuf, String)], version: CalicoVersion) -> Result<Loaded, Vec<Error>> {
    let mut gathered = Gathered::of(version);
    for (path, text) in files {
        gathered.add(text, &path.display().to_string());
    }
    if !gathered.errors.is_empty() {
        return Err(gathered.errors);
    }
    match manifest::assemble_for(gathered.objects, version) {
        Ok(Assembled { set, warnings }) => Ok(Loaded { set, warnings, files: files.len() }),
        Err(errors) => Err(errors.into_iter().map(Error::from).collect()),
    }
}

/// Tells one failure from another: the messages with their causes.
fn describe(errors: &[Error]) -> String {
    let mut text = String::new();
    for error in errors {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(it) = cause {
            text.push_str(&it.to_string());
            text.push('\n');
            cause = it.source();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const TIER: &str =
        "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: security}\nspec: {order: 5}\n";

    fn policy(name: &str) -> String {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{tier: security, types: [Ingress]}}\n"
        )
    }

    fn catalog(folder: &Path) -> DirectoryCatalog {
        let poll_interval = Duration::from_secs(1);
        DirectoryCatalog::new(&Config {
            path: folder.to_owned(),
            poll_interval,
            calico_version: CalicoVersion::NEWEST,
        })
    }

    /// What a look found, in one word, or the first error with its causes.
    fn look(catalog: &mut DirectoryCatalog) -> String {
        match catalog.poll() {
            Polled::Unchanged => "unchanged".to_owned(),
            Polled::Changed(loaded) => {
                format!("changed: {} policies of {} files", loaded.set.policies().len(), loaded.files)
            }
            Polled::Failed(errors) => format!("failed: {}", describe(&errors)),
        }
    }

    #[track_caller]
    fn check(catalog: &mut DirectoryCatalog, expect: &str) {
        let found = look(catalog);
        assert!(found.starts_with(expect), "{found}");
    }

    #[test]
    fn folders_are_read_to_their_depth_and_hidden_files_are_not() {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("tier.yaml"), TIER).unwrap();
        fs::write(folder.path().join("a/one.yml"), policy("one")).unwrap();
        fs::write(
            folder.path().join("a/b/two.json"),
            r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}"#,
        )
        .unwrap();
        fs::write(folder.path().join("a/.hidden.yaml"), "no: {").unwrap();
        fs::write(folder.path().join("README.md"), "no manifest").unwrap();
        let mut catalog = catalog(folder.path());
        let loaded = catalog.load().unwrap();
        assert_eq!((loaded.files, loaded.set.policies().len(), loaded.warnings.len()), (3, 1, 0));
        assert_eq!(loaded.set.cluster().namespaces.len(), 1);
        check(&mut catalog, "unchanged");
    }

    #[test]
    fn the_set_changes_with_the_content_only() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("one.yaml");
        fs::write(folder.path().join("tier.yaml"), TIER).unwrap();
        let mut catalog = catalog(folder.path());
        check(&mut catalog, "changed: 0 policies of 1 files");
        fs::write(&file, policy("one")).unwrap();
        check(&mut catalog, "changed: 1 policies of 2 files");
        fs::write(&file, policy("one")).unwrap();
        check(&mut catalog, "unchanged");
        fs::write(&file, format!("{}# A remark.\n", policy("one"))).unwrap();
        check(&mut catalog, "unchanged");
        // The same size within one tick of the clock: the date is not trusted yet.
        fs::write(&file, policy("two")).unwrap();
        check(&mut catalog, "changed: 1 policies");
        fs::remove_file(&file).unwrap();
        check(&mut catalog, "changed: 0 policies of 1 files");
    }

    #[test]
    fn a_bad_file_keeps_the_set_and_is_reported_once() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("one.yaml");
        fs::write(folder.path().join("tier.yaml"), TIER).unwrap();
        fs::write(&file, policy("one")).unwrap();
        let mut catalog = catalog(folder.path());
        check(&mut catalog, "changed: 1 policies");
        fs::write(&file, policy("one").replace("Ingress", "Inbound")).unwrap();
        let found = look(&mut catalog);
        assert!(found.contains("one.yaml:4:") && found.contains("unknown policy type `Inbound`"), "{found}");
        check(&mut catalog, "unchanged");
        fs::write(&file, policy("one")).unwrap();
        // The set that is in use is right again.
        check(&mut catalog, "unchanged");
        fs::write(&file, policy("two")).unwrap();
        check(&mut catalog, "changed: 1 policies");
    }

    #[test]
    fn one_identity_in_two_files_names_both() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("a.yaml"), policy("one")).unwrap();
        fs::write(folder.path().join("b.yaml"), policy("one")).unwrap();
        let found = look(&mut catalog(folder.path()));
        assert!(found.contains("b.yaml:1:1") && found.contains("a.yaml:1:1"), "{found}");
    }

    #[test]
    fn two_names_of_one_policy_are_refused_by_the_release_that_knows_them_as_one() {
        let folder = TempDir::new().unwrap();
        for name in ["web", "default.web"] {
            let text = policy(name).replace("tier: security", "tier: default");
            fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
        }
        let looked = |version: &str| {
            let config = Config {
                path: folder.path().to_owned(),
                poll_interval: Duration::from_secs(1),
                calico_version: version.parse().unwrap(),
            };
            look(&mut DirectoryCatalog::new(&config))
        };
        assert_eq!(looked("latest"), "changed: 2 policies of 2 files");
        let found = looked("3.31");
        let both = found.contains("/web.yaml:1:1") && found.contains("/default.web.yaml:1:1");
        assert!(found.contains("are one policy in Calico 3.31") && both, "{found}");
    }

    #[test]
    fn what_is_missing_or_no_text_is_named() {
        let folder = TempDir::new().unwrap();
        let mut missing = catalog(&folder.path().join("nowhere"));
        let found = look(&mut missing);
        assert!(found.starts_with("failed: cannot list `") && found.contains("nowhere"), "{found}");
        check(&mut missing, "unchanged");
        fs::write(folder.path().join("binary.yaml"), b"a: \xff\n").unwrap();
        let found = look(&mut catalog(folder.path()));
        assert!(found.contains("binary.yaml` is no UTF-8 text: the byte at offset 3"), "{found}");
        fs::remove_file(folder.path().join("binary.yaml")).unwrap();
        symlink(folder.path().join("gone"), folder.path().join("link.yaml")).unwrap();
        let found = look(&mut catalog(folder.path()));
        assert!(found.contains("cannot read `") && found.contains("link.yaml"), "{found}");
    }

    #[test]
    fn a_mounted_config_map_is_followed_when_it_is_exchanged() {
        let folder = TempDir::new().unwrap();
        let state = |name: &str, text: &str| {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("policies.yaml"), text).unwrap();
            symlink(name, folder.path().join("..data_tmp")).unwrap();
            fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
        };
        state("..2026_01_01", TIER);
        symlink("..data/policies.yaml", folder.path().join("policies.yaml")).unwrap();
        let mut catalog = catalog(folder.path());
        check(&mut catalog, "changed: 0 policies of 1 files");
        state("..2026_01_02", &format!("{TIER}---\n{}", policy("one")));
        check(&mut catalog, "changed: 1 policies of 1 files");
    }

    /// A pipe of which nobody writes the other end: who opens it waits for ever.
    fn pipe(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// Runs what may wait for ever, and fails when it waits.
    #[track_caller]
    fn soon<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(work()));
        told.recv_timeout(Duration::from_secs(20)).expect("no answer: something waits for a writer")
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_never_opened() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("tier.yaml"), TIER).unwrap();
        let mut followed = catalog(folder.path());
        check(&mut followed, "changed: 0 policies of 1 files");
        pipe(&folder.path().join("pipe.yaml"));
        let expect = format!(
            "failed: `{}/pipe.yaml` is no regular file but a named pipe, and is not read\n",
            folder.path().display()
        );
        let (found, mut followed) = soon(move || (look(&mut followed), followed));
        assert_eq!(found, expect);
        check(&mut followed, "unchanged");
        // What no manifest is called by is passed over, whatever it is.
        fs::rename(folder.path().join("pipe.yaml"), folder.path().join("pipe")).unwrap();
        check(&mut followed, "unchanged");

        symlink("pipe", folder.path().join("link.yaml")).unwrap();
        let mut linked = catalog(folder.path());
        let found = soon(move || look(&mut linked));
        assert!(found.contains("/link.yaml` is no regular file but a named pipe"), "{found}");
        fs::remove_file(folder.path().join("link.yaml")).unwrap();

        let mut named = catalog(&folder.path().join("pipe"));
        let found = soon(move || look(&mut named));
        assert!(found.contains("/pipe` is no regular file but a named pipe"), "{found}");

        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket.json")).unwrap();
        check(&mut followed, &expect.replace("pipe.yaml", "socket.json").replace("named pipe", "socket"));
        fs::remove_file(folder.path().join("socket.json")).unwrap();
        check(&mut followed, "unchanged");
        symlink("/dev/zero", folder.path().join("zero.yml")).unwrap();
        check(&mut followed, &expect.replace("pipe.yaml", "zero.yml").replace("named pipe", "device"));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = TempDir::new().unwrap();
        symlink(".", folder.path().join("self")).unwrap();
        check(&mut catalog(folder.path()), "failed: ");
    }

    #[test]
    fn one_file_is_a_catalog_too() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("anything.txt");
        fs::write(&file, format!("{TIER}---\n{}", policy("one"))).unwrap();
        check(&mut catalog(&file), "changed: 1 policies of 1 files");
    }
}
