//! What a user types, and what is answered.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use expect_test::{Expect, expect};

fn flowstage(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstage"));
    command.env_clear().current_dir(folder);
    command
}

/// Runs one line in `folder` and compares exit code, standard output and standard error.
#[track_caller]
fn check_in(folder: &Path, line: &str, variables: &[(&str, &str)], expected: &Expect) {
    let output =
        flowstage(folder).args(line.split_whitespace()).envs(variables.iter().copied()).output().unwrap();
    let mut transcript = format!("$ flowstage {line}\n");
    transcript.push_str(&String::from_utf8(output.stdout).unwrap());
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        writeln!(transcript, "! {line}").unwrap();
    }
    writeln!(transcript, "exit code {}", output.status.code().unwrap()).unwrap();
    expected.assert_eq(&transcript);
}

#[track_caller]
fn check(line: &str, expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    check_in(folder.path(), line, &[], expected);
}

#[test]
fn wrong_flags_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = flowstage(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output.stdout.is_empty() && String::from_utf8(output.stderr).unwrap().contains("Usage: flowstage")
    );
    check(
        "generat",
        &expect![[r#"
        $ flowstage generat
        ! error: unrecognized subcommand 'generat'
        ! 
        !   tip: a similar subcommand exists: 'generate'
        ! 
        ! Usage: flowstage [OPTIONS] <COMMAND>
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "generate --flow 3",
        &expect![[r#"
        $ flowstage generate --flow 3
        ! error: unexpected argument '--flow' found
        ! 
        !   tip: a similar argument exists: '--flows'
        ! 
        ! Usage: flowstage generate --flows <N>
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "generate --flows many",
        &expect![[r#"
        $ flowstage generate --flows many
        ! error: invalid value 'many' for '--flows <N>': invalid digit found in string
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "generate --flows 1 --lateness 5",
        &expect![[r#"
        $ flowstage generate --flows 1 --lateness 5
        ! error: invalid value '5' for '--lateness <DURATION>': write a duration like `15s` or `2m`
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "generate --brokers a:1 --output x",
        &expect![[r#"
        $ flowstage generate --brokers a:1 --output x
        ! error: the argument '--brokers <BROKERS>' cannot be used with '--output <FILE>'
        ! 
        ! Usage: flowstage generate --brokers <BROKERS>
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "generate --partitions-create 3",
        &expect![[r#"
        $ flowstage generate --partitions-create 3
        ! error: the following required arguments were not provided:
        !   <--brokers <BROKERS>|--topic <TOPIC>>
        ! 
        ! Usage: flowstage generate --partitions-create <N> <--brokers <BROKERS>|--topic <TOPIC>>
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "config",
        &expect![[r#"
        $ flowstage config
        ! Check or print the configuration
        ! 
        ! Usage: flowstage config [OPTIONS] <COMMAND>
        ! 
        ! Commands:
        !   check  Read file, environment and flags, and say everything that is wrong
        !   print  Print what is in force as YAML, secrets left out
        !   help   Print this message or the help of the given subcommand(s)
        ! 
        ! Options:
        !       --config <FILE>        The configuration file [env: FLOWSTAGE_CONFIG=]
        !       --set <KEY=VALUE>      Set one key of the configuration; may be repeated
        !       --log-level <LEVEL>    What is logged: a level, or target=level pairs
        !       --log-format <FORMAT>  How log lines look: auto, text or json
        !   -h, --help                 Print help
        exit code 2
    "#]],
    );
}

#[test]
fn settings_that_cannot_be_generated_from_are_refused() {
    check(
        "generate --edges 0",
        &expect![[r#"
        $ flowstage generate --edges 0
        ! error: these settings cannot be generated from
        !   because: edges must be between 1 and 10000000
        exit code 2
    "#]],
    );
    check(
        "generate --late-share 2",
        &expect![[r#"
        $ flowstage generate --late-share 2
        ! error: these settings cannot be generated from
        !   because: the share `late` must be between 0 and 1, not 2
        exit code 2
    "#]],
    );
}

#[test]
fn files_that_cannot_be_read_or_written_are_told() {
    check(
        "generate --flows 1 --policies nowhere",
        &expect![[r#"
            $ flowstage generate --flows 1 --policies nowhere
            ! error: cannot read the policies `nowhere`
            !   because: No such file or directory (os error 2)
            !   try: check the path: a folder is expected, or a file, of policies and other manifests as `kubectl get -o yaml` prints them
            exit code 1
        "#]],
    );
    check(
        "generate --flows 1 --output nowhere/flows.json",
        &expect![[r#"
        $ flowstage generate --flows 1 --output nowhere/flows.json
        ! error: cannot write `nowhere/flows.json`
        !   because: No such file or directory (os error 2)
        exit code 1
    "#]],
    );
    check(
        "config check --config nowhere.yaml",
        &expect![[r#"
        $ flowstage config check --config nowhere.yaml
        ! error: cannot read the configuration `nowhere.yaml`
        !   because: No such file or directory (os error 2)
        !   try: give `--config` the path of a YAML file; `flowstage config print` shows one
        exit code 1
    "#]],
    );
    let folder = tempfile::tempdir().unwrap();
    check_in(
        folder.path(),
        "generate --flows 1 --policies .",
        &[],
        &expect![[r#"
        $ flowstage generate --flows 1 --policies .
        ! error: there are no manifests below `.`
        !   try: manifests are files whose names end in .yaml, .yml or .json
        exit code 1
    "#]],
    );
    std::fs::write(folder.path().join("p.yaml"), "kind: NetworkPolicy\nmetadata: {name: x}\n").unwrap();
    check_in(
        folder.path(),
        "generate --flows 1 --policies .",
        &[],
        &expect![[r#"
        $ flowstage generate --flows 1 --policies .
        ! error: the policies are not sound
        !   because: ./p.yaml:1:1: `apiVersion` is missing: this is no Kubernetes object
        exit code 2
    "#]],
    );
}

#[test]
fn what_run_would_refuse_is_not_called_sound() {
    let folder = tempfile::tempdir().unwrap();
    let told = |verb: &str| {
        let mut command = flowstage(folder.path());
        command.args(verb.split(' ')).args(["--log-level", "verbose"]);
        for setting in ["kafka.properties.group.id=x", "kafka.brokers=localhost", "kafka.topics.edges=a/b"] {
            command.args(["--set", setting]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb}");
        String::from_utf8(output.stderr).unwrap()
    };
    let text = told("config check");
    assert_eq!(text, told("run"));
    expect![[r#"
        error: the configuration has 4 problems
          because: --set kafka.brokers: `kafka.brokers`: `localhost` has no port: write `host:port`
               --set kafka.properties.group.id: `kafka.properties.group.id`: is set by this program: set `kafka.group`
               --set kafka.topics.edges: `kafka.topics.edges`: no name of a topic has a '/': letters a to z and A to Z, digits, `.`, `_` and `-` go
               --log-level: `log.level`: `verbose` is no level of the log, and no `target=level`; the levels are `error`, `warn`, `info`, `debug`, `trace` and `off`
          try: `flowstage config print` lists every key with its default
    "#]].assert_eq(&text);
}

#[test]
fn the_configuration_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.yaml"), "windows: {width: 5m}\n").unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "kafka:\n  broker: a:1\nworkers: 0\n").unwrap();
    let check = |line, variables, expected| check_in(folder.path(), line, variables, expected);
    check(
        "config check",
        &[],
        &expect![[r#"
        $ flowstage config check
        the configuration is sound (0 settings made, the rest are defaults)
        exit code 0
    "#]],
    );
    check(
        "config check --config good.yaml",
        &[],
        &expect![[r#"
        $ flowstage config check --config good.yaml
        the configuration is sound (1 settings made, the rest are defaults)
        exit code 0
    "#]],
    );
    check(
        "config check --config bad.yaml",
        &[],
        &expect![[r#"
        $ flowstage config check --config bad.yaml
        ! error: the configuration has 2 problems
        !   because: bad.yaml:2:3: unknown key `kafka.broker`, did you mean `kafka.brokers`
        !        bad.yaml:3:1: `workers`: must be at least 1
        !   try: `flowstage config print` lists every key with its default
        exit code 2
    "#]],
    );
    check(
        "config check --set windows.slide=7s",
        &[],
        &expect![[r#"
        $ flowstage config check --set windows.slide=7s
        ! error: the configuration has a problem
        !   because: --set windows.slide: `windows.slide`: width 900s is not a whole number of slides of 7s
        !   try: `flowstage config print` lists every key with its default
        exit code 2
    "#]],
    );
    check(
        "config check --set windows.slide",
        &[],
        &expect![[r#"
        $ flowstage config check --set windows.slide
        ! error: invalid value 'windows.slide' for '--set <KEY=VALUE>': write KEY=VALUE, as in `--set windows.width=5m`
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        "config check",
        &[("FLOWSTAGE_KAFKA_BROKERS", "a:1")],
        &expect![[r#"
        $ flowstage config check
        ! error: the configuration has a problem
        !   because: FLOWSTAGE_KAFKA_BROKERS: unknown key `FLOWSTAGE_KAFKA_BROKERS`, did you mean `FLOWSTAGE_KAFKA__BROKERS`
        !   try: `flowstage config print` lists every key with its default
        exit code 2
    "#]],
    );
    check(
        "config check --log-format xml",
        &[],
        &expect![[r#"
        $ flowstage config check --log-format xml
        ! error: the configuration has a problem
        !   because: --log-format: `log.format`: `xml` is none of `auto`, `json`, `text`
        !   try: `flowstage config print` lists every key with its default
        exit code 2
    "#]],
    );
}

#[test]
fn a_misspelt_variable_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let check = |line, variables, expected| check_in(folder.path(), line, variables, expected);
    check(
        "config check",
        &[("FLOWSTAGE_WORKER", "2"), ("FLOWSTAGE_CONFG", "f.yaml"), ("FLOWSTAGE_COLOURS", "none")],
        &expect![[r#"
            $ flowstage config check
            the configuration is sound (0 settings made, the rest are defaults)
            ! warning: unknown variable `FLOWSTAGE_COLOURS` is ignored
            ! warning: unknown variable `FLOWSTAGE_CONFG` is ignored, did you mean `FLOWSTAGE_CONFIG`
            ! warning: unknown variable `FLOWSTAGE_WORKER` is ignored, did you mean `FLOWSTAGE_WORKERS`
            exit code 0
        "#]],
    );
    check(
        "generate --flows 1 --output flows.json --log-level warn",
        &[("FLOWSTAGE_CONFG", "f.yaml")],
        &expect![[r#"
        $ flowstage generate --flows 1 --output flows.json --log-level warn
        ! warning: unknown variable `FLOWSTAGE_CONFG` is ignored, did you mean `FLOWSTAGE_CONFIG`
        exit code 0
    "#]],
    );
    check(
        "config check",
        &[
            ("FLOWSTAGE_WORKERS", "2"),
            ("FLOWSTAGE_TEST_DATA", "x"),
            ("FLOWSTAGE_BENCH_BROKER", "x"),
            ("FLOWSTAGE_SERVICE_HOST", "10.0.0.1"),
        ],
        &expect![[r#"
            $ flowstage config check
            the configuration is sound (1 settings made, the rest are defaults)
            exit code 0
        "#]],
    );
    check(
        "config check",
        &[("FLOWSTAGE_CONFIG", "nowhere.yaml")],
        &expect![[r#"
        $ flowstage config check
        ! error: cannot read the configuration `nowhere.yaml`
        !   because: No such file or directory (os error 2)
        !   try: give `--config` the path of a YAML file; `flowstage config print` shows one
        exit code 1
    "#]],
    );
}

#[test]
fn the_configuration_is_printed_with_its_origins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    std::fs::write(folder.path().join("flowstage.yaml"), "windows:\n  width: 5m\n").unwrap();
    check_in(
        folder.path(),
        "config print --show-origin --config flowstage.yaml --set workers=2 --log-level debug",
        &[
            ("FLOWSTAGE_KAFKA__BROKERS", "kafka:9092"),
            ("FLOWSTAGE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE", "secret"),
        ],
        &expect![[r#"
            $ flowstage config print --show-origin --config flowstage.yaml --set workers=2 --log-level debug
            kafka:
              brokers: kafka:9092  # FLOWSTAGE_KAFKA__BROKERS
              group: flowstage  # default
              client_id: flowstage  # default
              format: auto  # default
              properties:
                sasl.password: "(secret)"  # FLOWSTAGE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE
              topics:
                flows: calico.flows  # default
                partials: flowstage.partials  # default
                edges: flowstage.edges  # default
                denies: flowstage.denies  # default
                recommendations: flowstage.recommendations  # default
                dead_letters: flowstage.dead-letters  # default
            windows:
              width: 5m  # flowstage.yaml:2:3
              slide: 1m  # default
              lateness: 2m  # default
              skew: 1m  # default
            workers: 2  # --set workers
            policies:
              path: null  # default
              poll_interval: 10s  # default
              pod_networks: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, "fc00::/7"]  # default
              calico_version: v3.33  # default
            partials:
              mode: kafka  # default
              partitions: 8  # default
            publish:
              flush_interval: 1s  # default
              publish_interval: 2s  # default
              idle_after: 10s  # default
              drain_timeout: 20s  # default
            recommendations:
              enabled: true  # default
              stabilization_period: 10m  # default
              exclude_namespaces: [kube-system, kube-public, kube-node-lease, "calico-*", "tigera-*"]  # default
            sinks:
              kafka: true  # default
              directory: null  # default
            http:
              admin: 0.0.0.0:9404  # default
              api: 127.0.0.1:9405  # default
            limits:
              edges_per_subject: 2000  # default
              edges_per_pane: 200000  # default
              store_edges: 500000  # default
              deny_retention: 1d  # default
              compiled_policies_mib: 512  # default
            log:
              level: debug  # --log-level
              format: auto  # default
            exit code 0
        "#]],
    );
}

#[test]
fn the_same_flags_write_the_same_file_in_every_compression() {
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let output = flowstage(folder.path()).args(line.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let plain = run("generate --flows 500 --seed 9");
    assert_eq!(plain.iter().filter(|it| **it == b'\n').count(), 500);
    run("generate --flows 500 --seed 9 --output flows.json --expected expected.json");
    run("generate --flows 500 --seed 9 --output flows.json.gz");
    run("generate --flows 500 --seed 9 --output flows.json.zst");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("flows.json"), plain);
    let mut gunzipped = Vec::new();
    flate2::read::GzDecoder::new(&*read("flows.json.gz")).read_to_end(&mut gunzipped).unwrap();
    assert_eq!(gunzipped, plain);
    assert_eq!(zstd::stream::decode_all(&*read("flows.json.zst")).unwrap(), plain);
    let flows: u64 = String::from_utf8(read("expected.json"))
        .unwrap()
        .lines()
        .map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap()["flows"].as_u64().unwrap())
        .sum();
    assert_eq!(flows, 500);
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let mut child = Process::new(env!("CARGO_BIN_EXE_flowstage"))
        .args(["generate", "--flows", "1000000"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut head = [0; 1_000];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut head).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_version_names_what_it_is_built_with() {
    let folder = tempfile::tempdir().unwrap();
    let output = flowstage(folder.path()).arg("version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let heads: Vec<&str> = text.lines().filter_map(|it| it.split_once(' ')).map(|(head, _)| head).collect();
    assert_eq!(heads, ["flowstage", "revision:", "rustc:", "librdkafka:"], "{text}");
    assert!(text.starts_with(concat!("flowstage ", env!("CARGO_PKG_VERSION"), "\n")), "{text}");
    assert!(!text.contains("rustc: unknown"), "{text}");
}

#[test]
fn every_shell_gets_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = flowstage(folder.path()).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("generate"), "{shell}");
    }
    check(
        "completions tcsh",
        &expect![[r#"
        $ flowstage completions tcsh
        ! error: invalid value 'tcsh' for '<SHELL>'
        !   [possible values: bash, elvish, fish, powershell, zsh]
        ! 
        !   tip: a similar value exists: 'zsh'
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
}
