//! The image recipe and the compose file name only what there is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{path, read};

fn manifest() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap()
}

/// The instructions of the recipe, continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text: String = read("Containerfile").lines().filter(|it| !it.starts_with('#')).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line.trim_end());
            text.push('\n');
            text
        },
    );
    text.replace("\\\n", " ")
        .lines()
        .filter_map(|it| it.trim().split_once(' '))
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

fn find(name: &str) -> Vec<String> {
    instructions().into_iter().filter(|(it, _)| it == name).map(|(_, rest)| rest).collect()
}

#[test]
fn the_recipe_builds_the_profile_and_binary_that_exist_with_the_compiler_that_is_promised() {
    let manifest = manifest();
    assert!(manifest.contains("[profile.dist]"));
    assert!(manifest.contains("[[bin]]\nname = \"flowstage\"\n"));
    let builds: Vec<String> = find("RUN").into_iter().filter(|it| it.contains("cargo build")).collect();
    assert_eq!(builds.len(), 2);
    assert!(builds.iter().all(|it| it.contains("--locked") && it.contains("--profile dist")), "{builds:?}");
    let promised =
        manifest.lines().find_map(|it| it.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let bases = find("FROM");
    assert!(bases[0].contains(&format!("rust:{promised}-")), "{bases:?} but rust-version is {promised}");
    let copies = find("COPY");
    assert!(copies.iter().any(|it| it.contains("/build/target/dist/flowstage /usr/local/bin/flowstage")));
    assert_eq!(find("ENTRYPOINT"), ["[\"/usr/local/bin/flowstage\"]"]);
}

#[test]
fn the_recipe_copies_only_what_is_in_the_repository() {
    let root = path("..");
    for copy in find("COPY").iter().filter(|it| !it.starts_with("--from")) {
        let mut names: Vec<&str> = copy.split(' ').collect();
        names.pop();
        for name in names {
            // The front page is written last; the package's manifest promises it.
            let promised = manifest().contains(&format!("readme = \"{name}\""));
            assert!(root.join(name).exists() || promised, "`{name}` is not in the repository");
        }
    }
}

#[test]
fn the_manifest_can_be_read_before_the_first_build() {
    let steps = instructions();
    let build = steps.iter().position(|(_, it)| it.contains("cargo build")).unwrap();
    for (section, folder) in [("[[bench]]", "benches"), ("[[example]]", "examples"), ("[[test]]", "tests")] {
        let copied = steps[..build].iter().any(|(name, it)| name == "COPY" && it.starts_with(folder));
        assert!(copied || !manifest().contains(section), "Cargo.toml names {folder} that are not there yet");
    }
}

/// What the build takes from the repository with these instructions.
fn copied(steps: &[(String, String)]) -> BTreeSet<String> {
    steps
        .iter()
        .filter(|(name, it)| name == "COPY" && !it.starts_with("--from"))
        .filter_map(|(_, it)| it.rsplit_once(' '))
        .flat_map(|(names, _)| names.split(' ').map(str::to_owned))
        .collect()
}

#[test]
fn the_build_has_what_cargo_finds_by_its_name() {
    let steps = instructions();
    let build = steps.iter().position(|(_, it)| it.contains("cargo build")).unwrap();
    let copied = copied(&steps[..build]);
    // The manifest need not name these.
    for name in ["Cargo.toml", "Cargo.lock", "build.rs", ".cargo", "rust-toolchain", "rust-toolchain.toml"] {
        let is_there = path("..").join(name).exists();
        assert!(!is_there || copied.contains(name), "`{name}` is not copied before the first build");
    }
    let manifest = manifest();
    if let Some(script) = manifest.lines().find_map(|it| it.strip_prefix("build = ")) {
        assert!(copied.contains(script.trim_matches('"')), "{script} is not copied before the first build");
    }
}

#[test]
fn the_context_holds_what_the_recipe_copies_and_nothing_else() {
    let ignored = read("Containerfile.dockerignore");
    let let_through: BTreeSet<String> =
        ignored.lines().filter_map(|it| it.strip_prefix('!')).map(str::to_owned).collect();
    assert!(ignored.lines().any(|it| it == "*"));
    assert_eq!(let_through, copied(&instructions()));
}

#[test]
fn the_image_is_small_named_and_not_root() {
    let bases = find("FROM");
    assert_eq!(bases.len(), 2);
    assert!(bases[1].starts_with("gcr.io/distroless/cc-debian12:nonroot"), "{}", bases[1]);
    assert_eq!(find("USER"), ["65532:65532"]);
    let labels = find("LABEL").join(" ");
    let version = env!("CARGO_PKG_VERSION");
    for label in ["title=\"flowstage\"", "licenses=\"Apache-2.0\"", &format!("version=\"{version}\"")] {
        assert!(labels.contains(&format!("org.opencontainers.image.{label}")), "{label} is not in {labels}");
    }
    assert_eq!(find("EXPOSE"), ["9404 9405"]);
}

#[test]
fn compose_runs_the_image_as_locked_down_as_the_cluster_does() {
    let compose: Value = serde_saphyr::from_str(&read("compose.yaml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let names: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["kafka", "topics", "flowstage", "prometheus"]));
    let flowstage = &services["flowstage"];
    assert_eq!(flowstage["user"], "65532:65532");
    assert_eq!(flowstage["read_only"], true);
    assert_eq!(flowstage["cap_drop"][0], "ALL");
    assert_eq!(flowstage["command"][0], "run");
    assert_eq!(flowstage["image"], format!("flowstage:{}", env!("CARGO_PKG_VERSION")));
    for (name, service) in services {
        for other in service["depends_on"].as_object().into_iter().flatten() {
            assert!(names.contains(other.0.as_str()), "{name} waits for {}", other.0);
        }
        for port in service["ports"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(port.starts_with("127.0.0.1:"), "{name} opens {port} to the network");
        }
        for volume in service["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let source = volume.split(':').next().unwrap();
            assert!(path(source).exists(), "{name} mounts {source}, which is not there");
            assert!(volume.ends_with(":ro"), "{volume} can be written");
        }
        if let Some(build) = service.get("build") {
            let context = path(build["context"].as_str().unwrap());
            assert!(context.join(build["dockerfile"].as_str().unwrap()).exists());
        }
    }
}

#[test]
fn compose_publishes_the_ports_that_its_configuration_opens() {
    let compose: Value = serde_saphyr::from_str(&read("compose.yaml")).unwrap();
    let config: Value = serde_saphyr::from_str(&read("compose/flowstage.yaml")).unwrap();
    let flowstage = &compose["services"]["flowstage"];
    let ports = flowstage["ports"].to_string();
    let api = config["http"]["api"].as_str().unwrap().rsplit_once(':').unwrap().1;
    assert!(ports.contains(&format!(":{api}\"")), "{ports} lacks the API's {api}");
    let mounted = flowstage["volumes"].to_string();
    for used in [config["policies"]["path"].as_str().unwrap(), flowstage["command"][2].as_str().unwrap()] {
        assert!(mounted.contains(&format!(":{used}:ro")), "{used} is not mounted");
    }
    let scrape: Value = serde_saphyr::from_str(&read("prometheus/prometheus.yaml")).unwrap();
    assert_eq!(scrape["scrape_configs"][0]["static_configs"][0]["targets"][0], "flowstage:9404");
}
