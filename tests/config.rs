//! The configuration, from what a user writes to what is in force.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use expect_test::{Expect, expect};
use flowstage::config::{Config, Layers, Loaded, Origin, Origins, PartialsMode};

const REFERENCE: &str = include_str!("../config/flowstage.yaml");

fn no_file(_: &Path) -> io::Result<String> {
    Err(io::Error::from(io::ErrorKind::NotFound))
}

fn file(text: &str) -> Layers {
    Layers { file: Some(("flowstage.yaml".to_owned(), text.to_owned())), ..Layers::default() }
}

fn load(layers: &Layers) -> Loaded {
    layers.load(&no_file).unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn check_refused(layers: &Layers, expected: &Expect) {
    let errors = layers.load(&no_file).expect_err("this configuration must be refused");
    expected.assert_eq(&format!("{errors}\n"));
}

fn variable(name: &str, value: &str) -> Layers {
    Layers { environment: vec![(name.to_owned(), value.to_owned())], ..Layers::default() }
}

#[test]
fn the_reference_file_holds_every_key_with_its_default() {
    let loaded = load(&file(REFERENCE));
    assert_eq!(loaded.config, Config::default());
    let defaults = Loaded::default().to_yaml(Origins::Hidden);
    assert_eq!(loaded.to_yaml(Origins::Hidden), defaults);
    // Every line of the printed configuration that holds a value has an origin in the file.
    let keys = defaults.lines().filter(|it| !it.ends_with(':')).count();
    assert_eq!(loaded.origins.len(), keys, "{:?}", loaded.origins.keys());
    let lines: BTreeSet<_> = loaded
        .origins
        .values()
        .map(|it| match it {
            Origin::File { line, .. } => *line,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(lines.len(), keys, "every key stands on a line of its own");
}

#[test]
fn the_profiles_load() {
    for (text, mode) in [
        (include_str!("../config/profiles/calico-fluentbit.yaml"), PartialsMode::Kafka),
        // Files need no partials: the mode is nothing to `replay`, and the profile leaves it as it is.
        (include_str!("../config/profiles/replay-file.yaml"), PartialsMode::default()),
        (include_str!("../config/profiles/single-node.yaml"), PartialsMode::Memory),
    ] {
        let config = load(&file(text)).config;
        assert_eq!(config.partials.mode, mode);
        assert!(config.fold_settings().is_ok());
        assert_ne!(config, Config::default());
    }
}

#[test]
fn what_is_printed_loads_again() {
    let text = "kafka: {brokers: 'a:1,b:2', properties: {sasl.username: 'we \"ourselves\"', fetch.wait.max.ms: 5}}\nworkers: 3\nlog: {level: 'info,x=debug'}\n";
    let loaded = load(&file(text));
    let again = load(&file(&loaded.to_yaml(Origins::Hidden)));
    assert_eq!(again.config, loaded.config);
    let shown = load(&file(&loaded.to_yaml(Origins::Shown)));
    assert_eq!(shown.config, loaded.config);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let mut layers = file("kafka: {brokers: file:1, group: file}\nworkers: 2\n");
    layers.environment = vec![
        ("FLOWSTAGE_KAFKA__BROKERS".to_owned(), "variable:1".to_owned()),
        ("FLOWSTAGE_KAFKA__GROUP".to_owned(), "variable".to_owned()),
        ("FLOWSTAGE_RECOMMENDATIONS__EXCLUDE_NAMESPACES".to_owned(), "a, b-*".to_owned()),
        ("PATH".to_owned(), "/bin".to_owned()),
    ];
    layers.flags = vec![("--brokers".to_owned(), "kafka.brokers".to_owned(), "flag:1".to_owned())];
    let loaded = load(&layers);
    assert_eq!(loaded.config.kafka.brokers, "flag:1");
    assert_eq!(loaded.config.kafka.group, "variable");
    assert_eq!(loaded.config.workers, Some(2));
    assert_eq!(loaded.config.recommendations.exclude_namespaces, ["a", "b-*"]);
    let yaml = loaded.to_yaml(Origins::Shown);
    for line in [
        "  brokers: flag:1  # --brokers\n",
        "  group: variable  # FLOWSTAGE_KAFKA__GROUP\n",
        "workers: 2  # flowstage.yaml:2:1\n",
        "  slide: 1m  # default\n",
    ] {
        assert!(yaml.contains(line), "{line}{yaml}");
    }
}

#[test]
fn a_wrong_key_is_refused_with_its_place_and_what_was_meant() {
    check_refused(
        &file("kafka:\n  broker: a:1\n  topics: {flow: x}\nwindow: {width: 5m}\nnonsense: 1\n"),
        &expect![[r#"
            flowstage.yaml:2:3: unknown key `kafka.broker`, did you mean `kafka.brokers`
            flowstage.yaml:3:12: unknown key `kafka.topics.flow`, did you mean `kafka.topics.flows`
            flowstage.yaml:4:10: unknown key `window.width`, did you mean `windows.width`
            flowstage.yaml:5:1: unknown key `nonsense`
        "#]],
    );
}

#[test]
fn a_wrong_value_is_refused_with_what_is_expected() {
    check_refused(
        &file(
            "windows:\n  width: 15\n  slide: 0s\nworkers: none\nhttp: {api: ':80'}\npartials: {mode: disk, partitions: 0}\nkafka: {brokers: [a, b], format: 5}\nlog: 3\n",
        ),
        &expect![[r#"
            flowstage.yaml:2:3: `windows.width`: `15` is no duration: write `60s`, `15m`, `1h30m` or `250ms`
            flowstage.yaml:4:1: `workers`: `none` is no whole number from 1 to 4294967295
            flowstage.yaml:5:8: `http.api`: `:80` is no address and port: write `127.0.0.1:9405`, `0.0.0.0:9404` or `[::]:9404`
            flowstage.yaml:6:12: `partials.mode`: `disk` is none of `kafka`, `memory`
            flowstage.yaml:6:24: `partials.partitions`: must be at least 1
            flowstage.yaml:7:9: `kafka.brokers`: one value is expected, not a list
            flowstage.yaml:7:26: `kafka.format`: `5` is none of `auto`, `calico`, `goldmane`
            flowstage.yaml:8:1: `log`: this is a section, it takes keys
            flowstage.yaml:3:3: `windows.slide`: slide must be at least one millisecond
        "#]],
    );
}

#[test]
fn settings_that_do_not_fit_each_other_are_refused() {
    check_refused(
        &file("windows: {width: 100s}\nkafka: {topics: {edges: x, denies: x}}\n"),
        &expect![[r#"
            flowstage.yaml:1:11: `windows.width`: width 100s is not a whole number of slides of 60s
            flowstage.yaml:2:28: `kafka.topics.denies`: `x` is `kafka.topics.edges` already
        "#]],
    );
    check_refused(
        &file("windows: {lateness: 2h}\n"),
        &expect![[r#"
            flowstage.yaml:1:11: `windows.lateness`: lateness 7200s and skew 60s keep more than 31 panes of 60s open
        "#]],
    );
}

#[test]
fn what_no_start_could_use_is_refused() {
    check_refused(
        &file(
            "kafka:\n  brokers: 'a:9092,b,c:70000'\n  topics:\n    flows: calico/flows\n    edges: ..\n  properties:\n    group.id: x\n    acks: 1\n    max.poll.records: 5\n    fetch.max: 5\n    security.protocol: tls\nlog: {level: flowstage=loud}\nworkers: 5000\npartials: {partitions: 100000}\n",
        ),
        &expect![[r#"
            flowstage.yaml:2:3: `kafka.brokers`: `b` has no port: write `host:port`
            flowstage.yaml:8:5: `kafka.properties.acks`: is set by this program: leave it out, exactness rests on it
            flowstage.yaml:10:5: `kafka.properties.fetch.max`: librdkafka has no such property
            flowstage.yaml:7:5: `kafka.properties.group.id`: is set by this program: set `kafka.group`
            flowstage.yaml:9:5: `kafka.properties.max.poll.records`: is a name of the Java client: librdkafka has nothing: batches are sized inside
            flowstage.yaml:11:5: `kafka.properties.security.protocol`: librdkafka refuses it: Invalid value "tls" for configuration property "security.protocol"
            flowstage.yaml:4:5: `kafka.topics.flows`: no name of a topic has a '/': letters a to z and A to Z, digits, `.`, `_` and `-` go
            flowstage.yaml:5:5: `kafka.topics.edges`: `..` is no name of a topic: Kafka refuses `.` and `..`
            flowstage.yaml:13:1: `workers`: 5000 are too many, at most 256 go: each is a thread with a consumer and a producer of its own, and one a core is enough
            flowstage.yaml:14:12: `partials.partitions`: 100000 are too many, at most 1024 go: every flush of every partition of flows writes to each, and more than there are workers in the group do nothing
            flowstage.yaml:12:7: `log.level`: log filter `flowstage=loud` does not parse: name a level, or `target=level` pairs joined by commas; the levels are `error`, `warn`, `info`, `debug`, `trace` and `off`
        "#]],
    );
    check_refused(
        &file(&format!("kafka: {{topics: {{flows: {}}}}}\n", "a".repeat(250))),
        &expect![[r#"
        flowstage.yaml:1:18: `kafka.topics.flows`: 250 characters are too many for a topic: at most 249 go
    "#]],
    );
    let mut layers = variable("FLOWSTAGE_KAFKA__PROPERTIES__SASL_OAUTHBEARER_METHOD", "hunter2");
    layers.flags = vec![("--log-level".to_owned(), "log.level".to_owned(), "verbose".to_owned())];
    check_refused(
        &layers,
        &expect![[r#"
        FLOWSTAGE_KAFKA__PROPERTIES__SASL_OAUTHBEARER_METHOD: `kafka.properties.sasl.oauthbearer.method`: librdkafka refuses the value
        --log-level: `log.level`: `verbose` is no level of the log, and no `target=level`; the levels are `error`, `warn`, `info`, `debug`, `trace` and `off`
    "#]],
    );
}

#[test]
fn listeners_that_leave_each_other_no_place_are_refused() {
    check_refused(
        &file("http: {admin: '127.0.0.1:9405'}\n"),
        &expect![[r#"
        flowstage.yaml:1:8: `http.admin`: `127.0.0.1:9405` is taken: `http.api` listens on `127.0.0.1:9405`
    "#]],
    );
    check_refused(
        &file("http: {admin: '[::1]:80', api: '[::]:80'}\n"),
        &expect![[r#"
        flowstage.yaml:1:27: `http.api`: `[::]:80` is taken: `http.admin` listens on `[::1]:80`
    "#]],
    );
    for sound in ["{admin: '127.0.0.1:0', api: '127.0.0.1:0'}", "{admin: '127.0.0.1:9', api: '127.0.0.2:9'}"]
    {
        load(&file(&format!("http: {sound}\n")));
    }
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    check_refused(
        &file("kafka:\n  brokers: [a\nworkers: 1\n"),
        &expect![[r#"
            flowstage.yaml:3:8: illegal placement of ':' indicator
        "#]],
    );
    check_refused(
        &file("workers: 1\nworkers: 2\n"),
        &expect![[r#"
            flowstage.yaml:2:1: duplicate mapping key: workers
        "#]],
    );
    check_refused(
        &file("just text\n"),
        &expect![[r#"
            flowstage.yaml:1:1: sections are expected, like `kafka:` with its keys below
        "#]],
    );
}

#[test]
fn a_wrong_variable_is_refused_and_those_of_kubernetes_are_not() {
    check_refused(
        &variable("FLOWSTAGE_KAFKA_BROKERS", "a:1"),
        &expect![[r#"
        FLOWSTAGE_KAFKA_BROKERS: unknown key `FLOWSTAGE_KAFKA_BROKERS`, did you mean `FLOWSTAGE_KAFKA__BROKERS`
    "#]],
    );
    check_refused(
        &variable("FLOWSTAGE_KAFKA__BROKER", "a:1"),
        &expect![[r#"
        FLOWSTAGE_KAFKA__BROKER: unknown key `FLOWSTAGE_KAFKA__BROKER`, did you mean `FLOWSTAGE_KAFKA__BROKERS`
    "#]],
    );
    check_refused(
        &variable("FLOWSTAGE_WORKERS", "many"),
        &expect![[r#"
        FLOWSTAGE_WORKERS: `workers`: `many` is no whole number from 1 to 4294967295
    "#]],
    );
    for (name, value) in [
        ("FLOWSTAGE_SERVICE_HOST", "10.96.0.7"),
        ("FLOWSTAGE_PORT_9404_TCP", "tcp://10.96.0.7:9404"),
        ("FLOWSTAGE_TEST_DATA", "/data"),
    ] {
        assert_eq!(load(&variable(name, value)).config, Config::default(), "{name}");
    }
}

#[test]
fn a_secret_comes_from_its_file_and_is_never_shown() {
    let layers = variable("FLOWSTAGE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE", "/run/secrets/kafka");
    let loaded = layers
        .load(&|path| {
            assert_eq!(path, Path::new("/run/secrets/kafka"));
            Ok("hunter2\n".to_owned())
        })
        .unwrap();
    assert_eq!(loaded.config.kafka.properties.0["sasl.password"], "hunter2");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let yaml = loaded.to_yaml(Origins::Shown);
    assert!(!yaml.contains("hunter2"), "{yaml}");
    assert!(
        yaml.contains("sasl.password: \"(secret)\"  # FLOWSTAGE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE"),
        "{yaml}"
    );
    check_refused(
        &layers,
        &expect![[r#"
        FLOWSTAGE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE: cannot read `/run/secrets/kafka` for `kafka.properties.sasl.password`
    "#]],
    );
}

#[test]
fn the_defaults_are_those_of_the_stages() {
    let config = Config::default();
    assert_eq!(config.ingest(), flowstage::ingest::KafkaConfig::default());
    assert_eq!(config.result_topics(), flowstage::sink::Topics::default());
    assert_eq!(config.catalog(), None);
    let with_path = load(&file("policies: {path: p}\n")).config;
    assert_eq!(with_path.catalog().map(|it| it.path), Some("p".into()));
    let older = load(&file("policies: {path: p, calico_version: v3.31.2}\n"));
    assert_eq!(older.config.catalog().map(|it| it.calico_version.to_string()), Some("3.31".to_owned()));
    // What is printed of a release that YAML would take for another number is read again.
    let round = load(&file("policies: {calico_version: '3.30'}\n"));
    assert_eq!(load(&file(&round.to_yaml(Origins::Hidden))).config, round.config);
}
