//! Manifests made by others: what is read, what is refused, and why.

use std::fmt::Write as _;
use std::path::PathBuf;

use expect_test::expect_file;
use flowstage::manifest;

/// The folder with test data, or nothing, said loudly, where it is not set.
fn test_data(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FLOWSTAGE_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("LEFT OUT: {what}: FLOWSTAGE_TEST_DATA is not set");
    }
    folder
}

fn yaml_files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn documented_policies_are_read_or_refused_for_a_reason() {
    let Some(data) = test_data("policies of the Calico documentation") else { return };
    let mut report = String::new();
    for file in yaml_files(&data.join("fixtures/calico-docs/policies")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        match manifest::read(&text, name) {
            Ok(objects) => {
                writeln!(report, "{name}: read {}", objects.len()).unwrap();
                for warning in objects.iter().flat_map(|it| &it.warnings) {
                    writeln!(report, "  warning {warning}").unwrap();
                }
            }
            Err(errors) => {
                writeln!(report, "{name}: refused").unwrap();
                for error in errors {
                    writeln!(report, "  error {error}").unwrap();
                }
            }
        }
    }
    expect_file!["golden/calico-docs-policies.txt"].assert_eq(&report);
}

#[test]
fn objects_of_every_recorded_world_are_read() {
    let Some(data) = test_data("recorded worlds") else { return };
    let file = std::fs::File::open(data.join("cases/calico-worlds.jsonl.gz")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
    let mut worlds = 0;
    for line in text.lines() {
        let world: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = world["world"].as_str().unwrap();
        let objects = manifest::read(&world["resources"].to_string(), name).unwrap();
        assert_eq!(objects.len(), world["resources"].as_array().unwrap().len(), "{name}");
        let set = manifest::assemble(objects.clone()).unwrap().set;
        let reversed = manifest::assemble(objects.into_iter().rev()).unwrap().set;
        assert_eq!(set, reversed, "{name}: the order of reading shows");
        for policy in set.policies() {
            let written = manifest::write(policy).unwrap();
            let [object] = &manifest::read(&written, "written").unwrap()[..] else { panic!("{written}") };
            assert_eq!(object.item, manifest::Item::Policy(Box::new(policy.as_ref().clone())), "{written}");
        }
        worlds += 1;
    }
    assert_eq!(worlds, 400);
}

/// Every manifest below `folder`.
fn manifests(folder: PathBuf) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn what_clusters_printed_is_read_but_for_kinds_that_are_no_policy() {
    let Some(data) = test_data("objects of recorded clusters") else { return };
    let mut read = 0;
    for folder in ["fixtures/k8s-topologies", "fixtures/recipes/policies", "fixtures/calico-real"] {
        for file in manifests(data.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            match manifest::read(&text, &file.display().to_string()) {
                Ok(objects) => read += objects.len(),
                Err(errors) => {
                    let odd = errors.iter().find(|it| !it.cause.contains("is not supported"));
                    assert!(odd.is_none(), "{}", odd.unwrap());
                }
            }
        }
    }
    assert!(read > 500, "only {read} objects were read");
}
