//! What Kafka or its client would refuse of the settings, told before anything connects.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::settings::{is_secret, why_not};

/// Checks a list of brokers: `host:port`, separated by commas. The name of a protocol may stand before the host, as
/// librdkafka has it.
///
/// # Errors
///
/// When there is none, or one has no host or no port from 1 to 65535; the text says which.
pub fn check_brokers(brokers: &str) -> Result<(), String> {
    let mut all = brokers.split(',').map(str::trim).filter(|it| !it.is_empty()).peekable();
    if all.peek().is_none() {
        return Err("no broker is named: write `host:port`".to_owned());
    }
    all.try_for_each(check_broker)
}

fn check_broker(broker: &str) -> Result<(), String> {
    if broker.contains(char::is_whitespace) {
        return Err(format!("`{broker}` has a blank in it: brokers are separated by commas"));
    }
    let address = broker.split_once("://").map_or(broker, |(_, address)| address);
    let Some((host, port)) = address.rsplit_once(':').filter(|(_, port)| !port.contains(']')) else {
        return Err(format!("`{broker}` has no port: write `host:port`"));
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !is_bracketed {
        return Err(format!("`{broker}` is read as an IPv6 address without a port: write `[address]:port`"));
    }
    if host.is_empty() || host.contains('/') {
        return Err(format!("`{broker}` has no host: write `host:port`"));
    }
    // Only digits: a sign would parse too.
    let number = port.parse::<u16>().ok().filter(|_| port.bytes().all(|it| it.is_ascii_digit()));
    match number {
        None | Some(0) => Err(format!("`{broker}`: `{port}` is no port from 1 to 65535")),
        Some(_) => Ok(()),
    }
}

/// The longest name of a topic, in bytes (`apache/kafka`, `org.apache.kafka.common.internals.Topic`).
const TOPIC_BYTES_MAX: usize = 249;

/// Checks the name of a topic by the rules of brokers.
///
/// # Errors
///
/// When no topic can have it; the text says why.
pub fn check_topic(name: &str) -> Result<(), String> {
    let is_legal = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if name.is_empty() {
        Err("the name of a topic is missing".to_owned())
    } else if matches!(name, "." | "..") {
        Err(format!("`{name}` is no name of a topic: Kafka refuses `.` and `..`"))
    } else if let Some(other) = name.chars().find(|it| !is_legal(*it)) {
        Err(format!(
            "no name of a topic has a {other:?}: letters a to z and A to Z, digits, `.`, `_` and `-` go"
        ))
    } else if name.len() > TOPIC_BYTES_MAX {
        Err(format!("{} characters are too many for a topic: at most {TOPIC_BYTES_MAX} go", name.len()))
    } else {
        Ok(())
    }
}

/// Checks a property of librdkafka that a user sets, by itself. No text holds a value that may be a secret.
///
/// # Errors
///
/// When it is ours to set, when librdkafka has none of that name, or when it refuses the value; the text says which.
pub fn check_property(name: &str, value: &str) -> Result<(), String> {
    if let Some(why) = why_not(name) {
        return Err(why);
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err("librdkafka has no such property".to_owned())
        }
        Err(KafkaError::ClientConfig(_, cause, ..)) if !is_secret(name) => {
            Err(format!("librdkafka refuses it: {cause}"))
        }
        Err(_) => Err("librdkafka refuses the value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(result: Result<(), String>, expect: &str) {
        assert_eq!(result.err().unwrap_or_default(), expect);
    }

    #[test]
    fn brokers_have_a_host_and_a_port() {
        for sound in ["a:1", "a:1, b:65535", "a:1,", "[::1]:9092", "SASL_SSL://kafka.svc:9093"] {
            check(check_brokers(sound), "");
        }
        check(check_brokers(" , "), "no broker is named: write `host:port`");
        check(check_brokers("a:1,b"), "`b` has no port: write `host:port`");
        check(check_brokers("[::1]"), "`[::1]` has no port: write `host:port`");
        check(
            check_brokers("::1:9092"),
            "`::1:9092` is read as an IPv6 address without a port: write `[address]:port`",
        );
        check(check_brokers(":9092"), "`:9092` has no host: write `host:port`");
        check(check_brokers("a:1 b:2"), "`a:1 b:2` has a blank in it: brokers are separated by commas");
        for port in ["", "0", "65536", "+9", "http"] {
            let broker = format!("a:{port}");
            check(check_brokers(&broker), &format!("`{broker}`: `{port}` is no port from 1 to 65535"));
        }
    }

    #[test]
    fn topics_have_the_names_that_brokers_take() {
        for sound in ["calico.flows", "A_b-3", "...", &"a".repeat(249)] {
            check(check_topic(sound), "");
        }
        check(check_topic(""), "the name of a topic is missing");
        check(check_topic(".."), "`..` is no name of a topic: Kafka refuses `.` and `..`");
        let rest = "letters a to z and A to Z, digits, `.`, `_` and `-` go";
        check(check_topic("a/b"), &format!("no name of a topic has a '/': {rest}"));
        check(check_topic("flüsse"), &format!("no name of a topic has a 'ü': {rest}"));
        check(check_topic(&"a".repeat(250)), "250 characters are too many for a topic: at most 249 go");
    }

    #[test]
    fn properties_are_checked_by_the_client_itself() {
        for (name, value) in
            [("security.protocol", "sasl_ssl"), ("session.timeout.ms", "9000"), ("sasl.password", "hunter2")]
        {
            check(check_property(name, value), "");
        }
        check(check_property("group.id", "x"), "is set by this program: set `kafka.group`");
        check(
            check_property("max.poll.records", "5"),
            "is a name of the Java client: librdkafka has nothing: batches are sized inside",
        );
        check(check_property("no.such.thing", "5"), "librdkafka has no such property");
        check(
            check_property("security.protocol", "hunter2"),
            "librdkafka refuses it: Invalid value \"hunter2\" for configuration property \"security.protocol\"",
        );
        check(check_property("sasl.oauthbearer.method", "hunter2"), "librdkafka refuses the value");
    }
}
