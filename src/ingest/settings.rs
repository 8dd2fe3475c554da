//! How to reach Kafka: our settings, and the client's properties that a user may add.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use serde::{Deserialize, Deserializer};

use super::port::Error;

/// Where the flows are and how to read them.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to ask first: `host:port`, separated by commas.
    pub brokers: String,
    /// The topic with the flow records.
    pub flows_topic: String,
    /// The consumer group. Processes with one group share the work.
    pub group: String,
    /// The name that brokers log and count us by.
    pub client_id: String,
    /// Properties of librdkafka that are passed through: security, timeouts, fetch sizes.
    pub properties: Properties,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            flows_topic: "calico.flows".to_owned(),
            group: "flowstage".to_owned(),
            client_id: "flowstage".to_owned(),
            properties: Properties::default(),
        }
    }
}

/// Properties of librdkafka by name. Values that may hold a secret are never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Iterates over names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Tells whether the value of a property may be a secret.
pub(super) fn is_secret(name: &str) -> bool {
    ["password", "secret", "key", "token", "oauthbearer", "jaas", "pem"].iter().any(|it| name.contains(it))
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.iter().map(|(name, value)| (name, if is_secret(name) { "(not shown)" } else { value })),
            )
            .finish()
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// YAML writes `true` and `5` without quotes; librdkafka takes text only.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Scalar {
            Bool(bool),
            Int(i64),
            Float(f64),
            Text(String),
        }
        let properties = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
        Ok(properties
            .into_iter()
            .map(|(name, value)| {
                let value = match value {
                    Scalar::Bool(it) => it.to_string(),
                    Scalar::Int(it) => it.to_string(),
                    Scalar::Float(it) => it.to_string(),
                    Scalar::Text(it) => it,
                };
                (name, value)
            })
            .collect())
    }
}

/// Properties that the promises of this program rest on, and what to do instead of setting them.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set `kafka.brokers`"),
    ("metadata.broker.list", "set `kafka.brokers`"),
    ("group.id", "set `kafka.group`"),
    ("client.id", "set `kafka.client_id`"),
    ("enable.auto.commit", "leave it out: offsets are committed only when their results are safe"),
    ("auto.commit.interval.ms", "leave it out: offsets are committed only when their results are safe"),
    ("enable.auto.offset.store", "leave it out: offsets are committed only when their results are safe"),
    ("auto.offset.reset", "leave it out and start with `--from`: a silent reset would skip records"),
    ("isolation.level", "leave it out: aborted records must not be counted"),
    (
        "enable.partition.eof",
        "leave it out: the end of a partition is how an idle one is told from a slow one",
    ),
    ("partition.assignment.strategy", "leave it out: all members of a group must use cooperative-sticky"),
    ("allow.auto.create.topics", "leave it out: a misspelt topic must be an error, not a new topic"),
];

/// Names that Java clients use and librdkafka does not, and what it calls them.
const JAVA_NAMES: &[(&str, &str)] = &[
    ("fetch.max.wait.ms", "`fetch.wait.max.ms`"),
    ("max.poll.records", "nothing: batches are sized inside"),
    ("sasl.jaas.config", "`sasl.username` and `sasl.password`"),
    ("ssl.truststore.location", "`ssl.ca.location` with a PEM file"),
    ("ssl.truststore.password", "nothing: PEM files of certificates have no password"),
    ("ssl.truststore.type", "nothing: certificates are PEM files"),
    ("ssl.keystore.type", "nothing: `ssl.keystore.location` is a PKCS#12 file"),
    ("key.deserializer", "nothing: formats are recognized inside"),
    ("value.deserializer", "nothing: formats are recognized inside"),
];

impl KafkaConfig {
    /// Makes the settings of a member of the group.
    ///
    /// # Errors
    ///
    /// When a property is set that is ours to set, or one that librdkafka does not have under that name.
    pub(super) fn client(&self) -> Result<ClientConfig, Error> {
        let mut config = self.plain_client()?;
        config
            .set("group.id", &self.group)
            // The offset that is committed is the one that results allow, with the state that belongs to it.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // See `native::batch`: with the batch poll it would skip records.
            .set("enable.partition.eof", "false");
        // With the newer protocol the broker owns these, and librdkafka refuses a client that sets them.
        let broker_owns = self.properties.get("group.protocol") == Some("consumer");
        for (name, value) in DEFAULTS {
            let forbidden = broker_owns && ["session.timeout.ms", "heartbeat.interval.ms"].contains(name);
            if self.properties.get(name).is_none() && !forbidden {
                config.set(*name, *value);
            }
        }
        if self.properties.get("fetch.max.bytes").is_none()
            && let Some(bytes) = self.message_bytes().filter(|it| *it > FETCH_BYTES)
        {
            config.set("fetch.max.bytes", bytes.to_string());
        }
        if !broker_owns {
            // Only the partitions that move stop, so only their panes are folded again.
            config.set("partition.assignment.strategy", "cooperative-sticky");
        }
        Ok(config)
    }

    /// Returns the size that a user expects of single messages, or of a partition's share of a fetch, where one is set. The
    /// client refuses a fetch that is smaller than the first.
    fn message_bytes(&self) -> Option<u32> {
        let names = ["message.max.bytes", "fetch.message.max.bytes", "max.partition.fetch.bytes"];
        names.iter().filter_map(|it| self.properties.get(it)?.parse().ok()).max()
    }

    /// Makes the settings of a reader that joins no group. The client wants the name of one to assign partitions by
    /// hand; with ours, a user who may read as a member may also read alone.
    ///
    /// # Errors
    ///
    /// As [`KafkaConfig::client`].
    pub(super) fn reader(&self) -> Result<ClientConfig, Error> {
        let mut config = self.client()?;
        // A member by hand would be a second holder of the name.
        config.remove("group.instance.id");
        Ok(config)
    }

    /// Makes the settings of a client that only asks.
    ///
    /// # Errors
    ///
    /// As [`KafkaConfig::client`].
    pub(super) fn plain_client(&self) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::new();
        for (name, value) in self.properties.iter() {
            if let Some(why) = why_not(name) {
                return Err(Error::Kafka { context: format!("property `{name}` {why}"), source: None });
            }
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false");
        Ok(config)
    }
}

/// Returns why a property is not a user's to set, and what to do instead; nothing where it is.
pub(super) fn why_not(name: &str) -> Option<String> {
    let instead =
        |table: &'static [(&str, &str)]| table.iter().find(|(it, _)| *it == name).map(|(_, it)| *it);
    let owned = instead(OWNED).map(|it| format!("is set by this program: {it}"));
    owned.or_else(|| {
        instead(JAVA_NAMES).map(|it| format!("is a name of the Java client: librdkafka has {it}"))
    })
}

/// Bytes of a whole fetch, as compressed.
const FETCH_BYTES: u32 = 2 << 20;

/// Where librdkafka's own default is wrong for us. A user's property goes before these.
const DEFAULTS: &[(&str, &str)] = &[
    // How soon a dead member's partitions move. Below it, a long garbage pause of a broker looks like a death.
    ("session.timeout.ms", "10000"),
    // A member learns of a rebalance with its heartbeat, so this is also how long a join waits.
    ("heartbeat.interval.ms", "1000"),
    // A worker polls several times a second; one that has not for a minute is stuck and must let go.
    ("max.poll.interval.ms", "60000"),
    // The default of a second is the pause between "queue was full" and the next fetch: it halves the catch-up rate.
    ("fetch.queue.backoff.ms", "2"),
    // Records wait in memory between fetch and fold. The partitions of a topic share one queue: below the first they are
    // fetched again, above the second none is. More only goes cold in the cache; much less starves the worker.
    ("queued.min.messages", "2000"),
    ("queued.max.messages.kbytes", "4096"),
    // One partition's share of a fetch, and the whole of it, as compressed. It is unpacked at once, to ten times as much:
    // beyond the processor's cache a worker would read it from memory. So few partitions fill a fetch, in turn, and many
    // take no more memory than few.
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "2097152"),
    // One fetch must fit, with room for what goes around it; a longer answer is an attack or a mistake.
    ("receive.message.max.bytes", "33554432"),
    // At a low rate, wait a little for more instead of asking for every record.
    ("fetch.wait.max.ms", "100"),
    // 25 to 80 ns a record, against folding a corrupted one.
    ("check.crcs", "true"),
    // A broker that went away is tried again soon: a rolling restart must not cost ten seconds.
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
];

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[track_caller]
    fn check(properties: &[(&str, &str)], expect: Result<&[(&str, Option<&str>)], &str>) {
        let config =
            KafkaConfig { properties: properties.iter().copied().collect(), ..KafkaConfig::default() };
        match (config.client(), expect) {
            (Ok(made), Ok(expect)) => {
                for (name, value) in expect {
                    assert_eq!(made.get(name), *value, "{name}");
                }
            }
            (made, Err(text)) => assert_eq!(made.expect_err("refused").to_string(), text),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_fetch_holds_what_a_user_expects_of_one_message() {
        let fetch = |bytes| [("fetch.max.bytes", Some(bytes))];
        check(&[], Ok(&fetch("2097152")));
        check(&[("message.max.bytes", "1000")], Ok(&fetch("2097152")));
        check(&[("message.max.bytes", "5000000")], Ok(&fetch("5000000")));
        check(&[("max.partition.fetch.bytes", "3000000")], Ok(&fetch("3000000")));
        check(&[("message.max.bytes", "5000000"), ("fetch.max.bytes", "6000000")], Ok(&fetch("6000000")));
        let kafka = KafkaConfig {
            properties: [("message.max.bytes", "5000000")].into_iter().collect(),
            ..KafkaConfig::default()
        };
        let client: Result<BaseConsumer, _> = kafka.client().unwrap().create();
        client.expect("the client takes the settings");
    }

    #[test]
    fn a_property_goes_before_our_default() {
        check(
            &[("session.timeout.ms", "30000"), ("security.protocol", "ssl")],
            Ok(&[
                ("session.timeout.ms", Some("30000")),
                ("security.protocol", Some("ssl")),
                ("heartbeat.interval.ms", Some("1000")),
                ("auto.offset.reset", Some("error")),
            ]),
        );
    }

    #[test]
    fn a_property_that_our_promises_rest_on_is_refused_with_the_remedy() {
        check(&[("group.id", "x")], Err("property `group.id` is set by this program: set `kafka.group`"));
        check(
            &[("auto.offset.reset", "latest")],
            Err(
                "property `auto.offset.reset` is set by this program: leave it out and start with `--from`: a silent \
                 reset would skip records",
            ),
        );
    }

    #[test]
    fn a_name_of_the_java_client_is_refused_with_the_right_one() {
        check(
            &[("fetch.max.wait.ms", "5")],
            Err(
                "property `fetch.max.wait.ms` is a name of the Java client: librdkafka has `fetch.wait.max.ms`",
            ),
        );
    }

    #[test]
    fn the_newer_group_protocol_gets_no_setting_that_it_forbids() {
        check(
            &[("group.protocol", "consumer")],
            Ok(&[
                ("session.timeout.ms", None),
                ("heartbeat.interval.ms", None),
                ("partition.assignment.strategy", None),
                ("group.protocol", Some("consumer")),
            ]),
        );
    }

    #[test]
    fn yaml_reads_unquoted_values_and_refuses_unknown_fields() {
        let text = "brokers: a:1,b:2\nproperties:\n  session.timeout.ms: 9000\n  check.crcs: false\n";
        let config: KafkaConfig = serde_saphyr::from_str(text).unwrap();
        assert_eq!(config.brokers, "a:1,b:2");
        assert_eq!(config.group, "flowstage");
        assert_eq!(
            config.properties,
            [("session.timeout.ms", "9000"), ("check.crcs", "false")].into_iter().collect()
        );
        assert!(serde_saphyr::from_str::<KafkaConfig>("broker: a:1\n").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let properties: Properties =
            [("sasl.password", "hunter2"), ("sasl.username", "me")].into_iter().collect();
        assert_eq!(format!("{properties:?}"), r#"{"sasl.password": "(not shown)", "sasl.username": "me"}"#);
    }
}
