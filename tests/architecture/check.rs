//! Holds what the files name against the table.

use std::collections::BTreeSet;

use crate::scan::{Named, Scan, scan};
use crate::table::{EVERYWHERE, Kind, PARENT_ITEMS, ROOMS, Room, room};

/// A file of the house.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path below `src`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The name by which the binary knows the library.
const LIBRARY: &str = "flowstage";

/// The one folder that may be unsafe.
const UNSAFE_FOLDER: &str = "ingest/native/";

/// Lints that a pure room denies at its head.
const LINTS: [&str; 6] =
    ["disallowed_methods", "disallowed_types", "indexing_slicing", "panic", "unreachable", "unwrap_used"];

/// What a pure room may not name: clocks, files, environment, threads, processes, sockets, streams, locks.
const WORLD: [&str; 15] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
];

/// Returns the crates that the package depends on, as code spells them.
pub(crate) fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut in_section = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_section = line == "[dependencies]";
        } else if in_section && let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#'))
        {
            found.insert(name.trim().replace('-', "_"));
        }
    }
    found
}

/// Checks all files; a violation names file, line and room.
pub(crate) fn check_sources(sources: &[Source], dependencies: &BTreeSet<String>) -> Vec<String> {
    let scans: Vec<_> =
        sources.iter().map(|source| (module_path(&source.path), scan(&source.text))).collect();
    let modules = scans.iter().map(|(module, _)| module.clone()).collect();
    let test_modules = scans
        .iter()
        .flat_map(|(module, scan)| {
            scan.test_modules.iter().map(|it| [module.as_slice(), std::slice::from_ref(it)].concat())
        })
        .collect();
    let house = House { modules, test_modules, dependencies };
    let pairs = sources.iter().zip(&scans);
    pairs.flat_map(|(source, (module, scan))| File::new(&house, source, module).check(scan)).collect()
}

/// `room/a.rs` and `room/a/mod.rs` are the module `room::a`.
fn module_path(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|it| it == "mod" || it == "lib") {
        parts.pop();
    }
    parts
}

/// What is known of all files.
struct House<'a> {
    modules: BTreeSet<Vec<String>>,
    test_modules: BTreeSet<Vec<String>>,
    dependencies: &'a BTreeSet<String>,
}

struct File<'a> {
    house: &'a House<'a>,
    source: &'a Source,
    module: &'a [String],
    violations: Vec<String>,
}

impl<'a> File<'a> {
    const fn new(house: &'a House<'a>, source: &'a Source, module: &'a [String]) -> Self {
        Self { house, source, module, violations: Vec::new() }
    }

    fn violation(&mut self, line: usize, what: impl AsRef<str>) {
        self.violations.push(format!("src/{}:{line}: {}", self.source.path, what.as_ref()));
    }

    fn check(mut self, scan: &Scan) -> Vec<String> {
        let Some(name) = self.module.first().cloned() else {
            for (module, line) in &scan.modules {
                if room(module).is_none() {
                    self.violation(*line, format!("`{module}` is no room of the table"));
                }
            }
            return self.violations;
        };
        let Some(own) = room(&name) else {
            self.violation(1, format!("`{name}` is no room of the table"));
            return self.violations;
        };
        if own.kind == Kind::Pure && self.module.len() == 1 {
            let is_relaxed = |lint: &str| own.relaxed.iter().any(|(it, why)| *it == lint && !why.is_empty());
            let is_denied = |lint: &str| scan.denied.iter().any(|it| it == lint);
            let missing: Vec<_> = LINTS.iter().filter(|lint| !is_relaxed(lint) && !is_denied(lint)).collect();
            if !missing.is_empty() {
                let missing: Vec<_> = missing.iter().map(|it| format!("clippy::{it}")).collect();
                self.violation(1, format!("the pure room `{name}` does not deny {}", missing.join(", ")));
            }
        }
        let is_test_file = (1..=self.module.len())
            .any(|it| self.module.get(..it).is_some_and(|part| self.house.test_modules.contains(part)));
        for named in &scan.paths {
            let in_test = named.in_test || is_test_file;
            self.check_house(own, named, in_test);
            if !in_test {
                self.check_outside(own, named);
            }
        }
        if !self.source.path.starts_with(UNSAFE_FOLDER) {
            for line in &scan.unsafe_lines {
                self.violation(*line, format!("`unsafe` stands only in {UNSAFE_FOLDER}"));
            }
        }
        self.violations
    }

    /// Checks a path that leads into the house.
    fn check_house(&mut self, own: &Room, named: &Named, in_test: bool) {
        let segments: Vec<&str> = named.segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["crate", target, ..] => match segments.get(2) {
                Some(inside) if *target == own.name => self.check_ancestor(1, inside, named, in_test),
                _ if *target == own.name => {}
                _ => self.check_import(own, target, named.line),
            },
            [LIBRARY, target, ..] if own.name == "main" => self.check_import(own, target, named.line),
            ["super", ..] => self.check_climb(own, named, &segments, in_test),
            _ => {}
        }
    }

    fn check_climb(&mut self, own: &Room, named: &Named, segments: &[&str], in_test: bool) {
        let climbs = segments.iter().take_while(|it| **it == "super").count();
        let Some(target) = segments.get(climbs) else { return };
        let depth = self.module.len() + named.inline_modules;
        let Some(left) = depth.checked_sub(climbs) else {
            return self.violation(named.line, "the path leaves the crate");
        };
        if left == 0 {
            return self.check_import(own, target, named.line);
        }
        self.check_ancestor(left, target, named, in_test);
    }

    /// Checks what is named from the module `left` levels below the root: inside the file everything may be named, from
    /// an ancestor only what is a file of its own.
    fn check_ancestor(&mut self, left: usize, target: &str, named: &Named, in_test: bool) {
        if left >= self.module.len() || in_test || PARENT_ITEMS.contains(&(self.source.path.as_str(), target))
        {
            return;
        }
        let sibling: Vec<String> =
            self.module.iter().take(left).cloned().chain(std::iter::once((*target).to_owned())).collect();
        if !self.house.modules.contains(&sibling) {
            let what = format!("`{target}` is imported from the parent: name the sibling file that holds it");
            self.violation(named.line, what);
        }
    }

    fn check_import(&mut self, own: &Room, target: &str, line: usize) {
        if !ROOMS.iter().any(|it| it.name == target) {
            self.violation(line, format!("`{target}` is no room of the table"));
        } else if !own.may_import.contains(&target) {
            self.violation(line, format!("`{}` may not import `{target}`", own.name));
        }
    }

    /// Checks a path that leads out of the house.
    fn check_outside(&mut self, own: &Room, named: &Named) {
        let Some(first) = named.segments.first() else { return };
        let path = named.segments.join("::");
        let is_world =
            |it: &str| path == it || path.strip_prefix(it).is_some_and(|rest| rest.starts_with("::"));
        if own.kind == Kind::Pure && WORLD.iter().any(|it| is_world(it)) {
            self.violation(named.line, format!("the pure room `{}` may not name `{path}`", own.name));
        }
        if !self.house.dependencies.contains(first) || EVERYWHERE.contains(&first.as_str()) {
            return;
        }
        let Some(outside) = own.outside.iter().find(|it| it.name == first) else {
            return self.violation(named.line, format!("`{}` may not name the crate `{first}`", own.name));
        };
        let inside = self.source.path.split_once('/').map_or("", |(_, inside)| inside);
        let fits = |file: &&str| inside == *file || (file.ends_with('/') && inside.starts_with(*file));
        if !outside.files.is_empty() && !outside.files.iter().any(fits) {
            let files = outside.files.join(", ");
            self.violation(named.line, format!("`{first}` may be named only in {files} of `{}`", own.name));
        }
    }
}
