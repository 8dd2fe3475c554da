//! Do the layers hold? The rooms' import table as data, and a scan of `src` against it.
//!
//! A change to the table is a change of the design: it stands with its reason.

mod check;
mod scan;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use check::{Source, check_sources};
use table::{Kind, ROOMS, Room, room};

/// Lines that a file may have. Beyond that it has two subjects.
const LINES_MAX: usize = 500;

/// Reads every source file, named by its path below `src`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

#[test]
fn every_import_stands_in_the_table() {
    let violations = check_sources(&sources(), &check::dependencies(&manifest()));
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn manifest() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap()
}

#[test]
fn the_table_has_no_circle() {
    for Room { name, rank, may_import, .. } in ROOMS {
        for import in *may_import {
            let other =
                room(import).unwrap_or_else(|| panic!("`{name}` imports `{import}`, which is no room"));
            assert!(other.rank < *rank, "`{name}` of rank {rank} imports `{import}` of rank {}", other.rank);
        }
    }
}

#[test]
fn the_table_names_a_room_once_and_nothing_pure_imports_a_shell() {
    for (idx, one) in ROOMS.iter().enumerate() {
        assert!(
            ROOMS.iter().skip(idx + 1).all(|other| other.name != one.name),
            "`{}` stands twice",
            one.name
        );
        if one.kind == Kind::Pure {
            let shells: Vec<_> =
                one.may_import.iter().filter(|it| room(it).unwrap().kind == Kind::Shell).collect();
            assert!(shells.is_empty(), "the pure room `{}` imports {shells:?}", one.name);
        }
    }
}

#[test]
fn every_crate_of_the_table_is_a_dependency_and_has_a_reason() {
    let dependencies = check::dependencies(&manifest());
    for room in ROOMS {
        for outside in room.outside {
            assert!(
                dependencies.contains(outside.name),
                "`{}` may name `{}`, which is none",
                room.name,
                outside.name
            );
            assert!(!outside.why.is_empty(), "`{}` may name `{}` for no reason", room.name, outside.name);
        }
    }
}

#[test]
fn every_file_has_one_subject() {
    let long: Vec<_> = sources()
        .iter()
        .map(|source| (source.path.clone(), source.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("src/{path}: {lines} lines, {LINES_MAX} at most: it has two subjects"))
        .collect();
    assert!(long.is_empty(), "\n{}\n", long.join("\n"));
}

// The checker itself.

/// Checks a made-up house and gives what is found.
#[track_caller]
fn check(files: &[(&str, &str)], expect: &[&str]) {
    let sources: Vec<_> = files
        .iter()
        .map(|(path, text)| Source { path: (*path).to_owned(), text: (*text).to_owned() })
        .collect();
    let dependencies = ["tokio", "serde", "dashmap", "thiserror", "hashbrown", "proptest"];
    let found = check_sources(&sources, &dependencies.iter().map(|it| (*it).to_owned()).collect());
    assert_eq!(found, expect);
}

/// The head of a pure room.
const PURE: &str = "#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::indexing_slicing, \
     clippy::panic, clippy::unreachable, clippy::unwrap_used)]\n";

#[test]
fn a_good_file_passes() {
    let head = format!("{PURE}mod other;\nmod fold;\npub use fold::Fold;\n");
    let good = r#"//! It names crate::pipeline, std::fs and tokio::spawn only in comments.
        use std::{collections::BTreeMap, time::Duration, net::{IpAddr, Ipv4Addr}};
        use hashbrown::HashMap;
        use super::other::{self, Thing};
        use crate::model::{Edge, Flow as F};
        use crate::{evaluate, policy::Policy};
        /* std::env::var(/* nested */ crate::sink) */
        const TEXT: &str = "crate::sink::Sink std::fs::read";
        const RAW: &str = r\#"tokio::spawn " unsafe "\#;
        const MARKS: (char, u8) = ('"', b'\'');
        fn life<'a>(it: &'a str) -> &'a str { it }
        impl other::Trait for Thing { fn f(&self) { crate::model::flow(self.time::<u8>()) } }
        #[cfg(test)]
        mod tests {
            use super::*;
            use super::super::other::Thing;
            use proptest::prelude::*;
            fn read() { std::fs::read("x"); std::env::var("X"); }
        }
    "#
    .replace("\\#", "#");
    check(&[("aggregate/mod.rs", &head), ("aggregate/other.rs", ""), ("aggregate/fold.rs", &good)], &[]);
}

#[test]
fn an_import_that_is_not_in_the_table_is_named_with_its_line() {
    let files = [
        ("aggregate/mod.rs", PURE),
        ("aggregate/fold.rs", "use crate::model::Edge;\n\nuse crate::{model, pipeline::Worker};\n"),
    ];
    check(&files, &["src/aggregate/fold.rs:3: `aggregate` may not import `pipeline`"]);
}

#[test]
fn a_path_that_climbs_out_of_its_room_is_an_import() {
    let files = [
        ("aggregate/mod.rs", PURE),
        ("aggregate/fold/mod.rs", "fn f() { super::super::sink::write() }"),
        ("aggregate/lone.rs", "use super::super::model::Edge;\nuse super::super::super::x;"),
    ];
    check(
        &files,
        &[
            "src/aggregate/fold/mod.rs:1: `aggregate` may not import `sink`",
            "src/aggregate/lone.rs:2: the path leaves the crate",
        ],
    );
}

#[test]
fn outside_crates_are_bound_to_rooms_and_files() {
    let files = [
        ("aggregate/mod.rs", PURE),
        ("aggregate/fold.rs", "use dashmap::DashMap;\nfn f() { tokio::spawn(x) }"),
        ("aggregate/store.rs", "use dashmap::DashMap;\n#[derive(thiserror::Error)] struct E;"),
    ];
    check(
        &files,
        &[
            "src/aggregate/fold.rs:1: `dashmap` may be named only in store.rs, policy_counts.rs of `aggregate`",
            "src/aggregate/fold.rs:2: `aggregate` may not name the crate `tokio`",
        ],
    );
}

#[test]
fn the_core_has_no_clock_no_files_no_environment_and_no_threads() {
    let files = [
        ("model/mod.rs", PURE),
        (
            "model/time.rs",
            "use std::time::{Duration, Instant};\nuse std::{fs, env::var};\nfn f() { std::thread::sleep(x); std::net::TcpStream::connect(y) }\nuse std::sync::Mutex;",
        ),
    ];
    check(
        &files,
        &[
            "src/model/time.rs:1: the pure room `model` may not name `std::time::Instant`",
            "src/model/time.rs:2: the pure room `model` may not name `std::fs`",
            "src/model/time.rs:2: the pure room `model` may not name `std::env::var`",
            "src/model/time.rs:3: the pure room `model` may not name `std::thread::sleep`",
            "src/model/time.rs:3: the pure room `model` may not name `std::net::TcpStream::connect`",
            "src/model/time.rs:4: the pure room `model` may not name `std::sync::Mutex`",
        ],
    );
}

#[test]
fn a_pure_room_carries_the_lints() {
    check(
        &[("model/mod.rs", "#![deny(clippy::panic, clippy::unwrap_used)]\n")],
        &["src/model/mod.rs:1: the pure room `model` does not deny clippy::disallowed_methods, \
           clippy::disallowed_types, clippy::indexing_slicing, clippy::unreachable"],
    );
}

#[test]
fn a_child_does_not_import_its_own_parent() {
    let files = [
        ("ingest/mod.rs", "mod port;\nmod file;\npub use port::Record;\n"),
        ("ingest/port.rs", "pub struct Record;"),
        (
            "ingest/file.rs",
            "use super::Record;\nuse super::port::Record;\nuse super::{port, Other};\nuse crate::ingest::Record;\nuse super::*;",
        ),
    ];
    check(
        &files,
        &[
            "src/ingest/file.rs:1: `Record` is imported from the parent: name the sibling file that holds it",
            "src/ingest/file.rs:3: `Other` is imported from the parent: name the sibling file that holds it",
            "src/ingest/file.rs:4: `Record` is imported from the parent: name the sibling file that holds it",
            "src/ingest/file.rs:5: `*` is imported from the parent: name the sibling file that holds it",
        ],
    );
}

#[test]
fn a_module_for_tests_is_free_in_all_its_files() {
    let files = [
        (
            "model/mod.rs",
            format!("{PURE}mod flow;\n#[cfg(test)]\nmod examples;\n#[cfg(not(test))]\nmod other;"),
        ),
        ("model/examples/mod.rs", "mod deep;".to_owned()),
        ("model/examples/deep.rs", "use crate::model::Flow;\nfn f() { std::fs::read(x) }".to_owned()),
        ("model/other.rs", "fn f() { std::fs::read(x) }".to_owned()),
    ];
    check(
        &files.each_ref().map(|(path, text)| (*path, text.as_str())),
        &["src/model/other.rs:1: the pure room `model` may not name `std::fs::read`"],
    );
}

#[test]
fn unsafe_stands_in_one_folder() {
    let files = [
        ("ingest/mod.rs", "mod native;\n#[expect(unsafe_code, reason = \"x\")]\nfn f() { unsafe { g() } }"),
        ("ingest/native/mod.rs", "fn f() { unsafe { g() } }"),
    ];
    check(&files, &["src/ingest/mod.rs:3: `unsafe` stands only in ingest/native/"]);
}

#[test]
fn a_room_that_the_table_does_not_know_is_named() {
    check(&[("utils.rs", "")], &["src/utils.rs:1: `utils` is no room of the table"]);
    check(
        &[("lib.rs", "pub mod utils;\npub mod model;")],
        &["src/lib.rs:1: `utils` is no room of the table"],
    );
    check(
        &[("main.rs", "use flowstage::cli;\nfn main() { flowstage::pipeline::run() }")],
        &["src/main.rs:2: `main` may not import `pipeline`"],
    );
}
