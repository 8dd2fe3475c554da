//! What `generate` says of a broker or a topic that is not there, before it sends anything.

use std::fmt::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use rdkafka::mocking::MockCluster;

use crate::support::broker::{Broker, unique};

fn generate(flags: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstage"));
    command.env_clear().args(["generate", "--flows", "10", "--log-level", "error"]);
    // Killed then, it has no exit code.
    command.args(flags.split_whitespace()).timeout(Duration::from_secs(60)).output().unwrap()
}

/// Checks what is said, with the address put back to `BROKER`.
#[track_caller]
fn check(output: &Output, address: &str, expected: &str) {
    let mut said = String::from_utf8(output.stderr.clone()).unwrap().replace(address, "BROKER");
    writeln!(said, "exit code {}", output.status.code().unwrap()).unwrap();
    assert_eq!(said, expected);
}

#[test]
fn a_broker_that_does_not_answer_is_told_once_and_soon() {
    // Nobody listens there.
    let begin = Instant::now();
    let output = generate("--brokers 127.0.0.1:1 --topic flows");
    // A producer would wait for a minute.
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    check(
        &output,
        "127.0.0.1:1",
        "error: records cannot be sent to `BROKER`\n  \
         because: cannot reach any broker of `BROKER` within 10 s: is it running, is the address right, and does it \
         want TLS or a password?\n  \
         because: Meta data fetch error: BrokerTransportFailure (Local: Broker transport failure)\n  \
         because: BrokerTransportFailure (Local: Broker transport failure)\n  \
         try: give `--brokers` as host:port, and what else a client needs in `kafka.properties` of the \
         configuration\nexit code 1\n",
    );
}

#[test]
fn a_topic_that_the_broker_makes_by_itself_is_written_to() {
    // The embedded broker makes every topic that a producer asks for.
    let cluster = MockCluster::new(1).unwrap();
    let address = cluster.bootstrap_servers();
    let output = generate(&format!("--brokers {address} --topic made-by-itself"));
    check(&output, &address, "exit code 0\n");
}

#[test]
fn a_topic_that_is_missing_is_told_once_and_made_when_asked_to() {
    let Some(broker) = Broker::shared("a_topic_that_is_missing_is_told_once_and_made_when_asked_to") else {
        return;
    };
    let (address, topic) = (broker.address(), unique("generated"));
    let flags = format!("--brokers {address} --topic {topic}");
    check(
        &generate(&flags),
        &address,
        &format!(
            "error: topic `{topic}` does not exist on `BROKER`\n  try: check brokers and topic; `--partitions-create N` \
             makes a topic that is not there\nexit code 1\n"
        ),
    );
    check(&generate(&format!("{flags} --partitions-create 2")), &address, "exit code 0\n");
    // Now it is there.
    check(&generate(&flags), &address, "exit code 0\n");
}
