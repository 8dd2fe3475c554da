//! What is sent: arrives once, in order, and is told of only then.

use std::time::{Duration, Instant};

use flowstage::ingest::From;
use flowstage::sink::{KafkaProducer, SendError};

use crate::setup::{Cluster, DEADLINE, Worker, flows, scenarios};
use crate::support::broker::Broker;

scenarios! {
    marks_are_told_in_order_and_only_when_all_before_has_arrived,
    a_record_without_a_place_is_a_failure_that_names_it,
}

fn producer(address: &str, properties: &[(&str, &str)]) -> KafkaProducer<u32> {
    KafkaProducer::new(address, "test", properties.iter().copied()).unwrap()
}

/// Serves the producer until `count` marks were told.
fn wait_for(producer: &mut KafkaProducer<u32>, count: usize) -> Vec<u32> {
    let deadline = Instant::now() + DEADLINE;
    let mut marks = Vec::new();
    while marks.len() < count {
        assert!(Instant::now() < deadline, "only {marks:?} arrived");
        marks.extend(producer.arrived().unwrap());
    }
    marks
}

fn marks_are_told_in_order_and_only_when_all_before_has_arrived(cluster: &Cluster<'_>) {
    let topic = cluster.topic("out", 3);
    let mut producer = producer(&cluster.address(), &[]);
    for mark in 0..50 {
        for idx in 0..20 {
            let value = format!("{mark}-{idx}");
            producer.send(&topic, Some(idx % 3), None, Some(value.as_bytes())).unwrap();
        }
        producer.mark(mark);
    }
    producer.mark(50);
    assert_eq!(wait_for(&mut producer, 51), (0..=50).collect::<Vec<_>>());
    assert_eq!(producer.in_flight(), 0);

    // Keyed records: one key, one partition. Marked after the fact, as a checkpoint is.
    for round in 0..3 {
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            let value = format!("{key}{round}");
            producer.send(&topic, None, Some(key.as_bytes()), Some(value.as_bytes())).unwrap();
        }
    }
    producer.flush(DEADLINE).unwrap();
    producer.mark(51);
    assert_eq!(wait_for(&mut producer, 1), [51]);

    let mut reader = Worker::join(&cluster.config(&topic), None, From::Committed);
    reader.until("everything", |it| it.got.values().map(Vec::len).sum::<usize>() == 1_021);
    let mut places = std::collections::BTreeMap::new();
    for partition in 0..3 {
        let values: Vec<&str> = reader.got[&flows(partition)].iter().map(|it| it.2.as_str()).collect();
        let expect: Vec<String> = (0..50)
            .flat_map(|mark| {
                (0..20).filter(move |it| it % 3 == partition).map(move |idx| format!("{mark}-{idx}"))
            })
            .collect();
        assert_eq!(values[..expect.len()], expect, "in order, none twice");
        for keyed in &values[expect.len()..] {
            places
                .entry(keyed[..1].to_owned())
                .or_insert_with(Vec::new)
                .push((partition, keyed[1..].to_owned()));
        }
    }
    for (key, places) in places {
        let rounds: Vec<&str> = places.iter().map(|it| it.1.as_str()).collect();
        assert_eq!(rounds, ["0", "1", "2"], "key {key} keeps its order");
        assert!(places.iter().all(|it| it.0 == places[0].0), "key {key} has one place");
    }
    reader.close();
}

fn a_record_without_a_place_is_a_failure_that_names_it(cluster: &Cluster<'_>) {
    // The client waits this long for a topic that may be new; half a minute unless told otherwise.
    let properties = [("topic.metadata.propagation.max.ms", "500"), ("allow.auto.create.topics", "false")];
    let mut producer = producer(&cluster.address(), &properties);
    let deadline = Instant::now() + DEADLINE;
    let error = loop {
        // Refused at once when the client knows already that there is no such topic.
        let refused = producer.send("no-such-topic", None, None, Some(b"it")).err();
        producer.mark(0);
        match (refused, producer.arrived()) {
            (Some(SendError::Failed(error)), _) | (_, Err(error)) => break error.to_string(),
            (_, Ok(marks)) => assert_eq!(marks, [0; 0], "nothing can have arrived"),
        }
        assert!(Instant::now() < deadline, "the failure was never told");
    };
    assert!(error.contains("topic `no-such-topic`"), "{error}");
}

#[test]
fn a_full_queue_holds_back_instead_of_waiting_or_dropping() {
    // Nobody listens there, so nothing can arrive.
    let mut producer = producer("127.0.0.1:1", &[("queue.buffering.max.messages", "10")]);
    for _ in 0..10 {
        producer.send("out", None, None, Some(b"it")).unwrap();
    }
    producer.mark(1);
    assert!(matches!(producer.send("out", None, None, Some(b"it")), Err(SendError::Full)));
    assert!(producer.arrived().unwrap().is_empty());
    assert_eq!(producer.in_flight(), 10);
    let error = producer.flush(Duration::from_millis(10)).unwrap_err().to_string();
    assert_eq!(error, "10 records did not arrive within 0 s");
}

#[test]
fn a_property_that_exactness_rests_on_is_refused() {
    for name in ["acks", "request.required.acks", "delivery.timeout.ms"] {
        let error = KafkaProducer::<u32>::new("127.0.0.1:1", "test", [(name, "1")]).unwrap_err().to_string();
        let expected =
            format!("property `{name}` is set by this program: leave it out, exactness rests on it");
        assert_eq!(error, expected);
    }
}

#[test]
fn what_is_under_way_in_an_outage_arrives_once_when_it_ends() {
    let Some(mut broker) = Broker::start("what_is_under_way_in_an_outage_arrives_once_when_it_ends") else {
        return;
    };
    let topic = Cluster::Real(&broker).topic("out", 1);
    let mut producer = producer(&broker.address(), &[]);
    let mut value = 0_u32;
    let mut send = |producer: &mut KafkaProducer<u32>, count: u32| {
        for _ in 0..count {
            producer.send(&topic, Some(0), None, Some(value.to_string().as_bytes())).unwrap();
            value += 1;
        }
    };
    send(&mut producer, 500);
    producer.mark(0);
    assert_eq!(wait_for(&mut producer, 1), [0]);
    send(&mut producer, 500);
    broker.kill();
    send(&mut producer, 500);
    producer.mark(1);
    broker.restart();
    assert_eq!(wait_for(&mut producer, 1), [1]);

    let mut reader = Worker::join(&Cluster::Real(&broker).config(&topic), None, From::Committed);
    reader.until("everything", |it| it.offsets(flows(0)).len() >= 1_500);
    let values: Vec<u32> = reader.got[&flows(0)].iter().map(|it| it.2.parse().unwrap()).collect();
    assert_eq!(values, (0..1_500).collect::<Vec<_>>(), "none lost, none twice");
    reader.close();
}
