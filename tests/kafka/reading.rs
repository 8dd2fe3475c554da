//! What is delivered: every record once, in order, with its end and its errors.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flowstage::ingest::{Consumer as _, From, KafkaConfig, KafkaConsumer, Log, TopicReader};
use flowstage::model::EventTime;
use flowstage::sink::KafkaProducer;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::setup::{Cluster, DEADLINE, Got, Worker, flows, partials, produce, scenarios, values};
use crate::support::broker::{Broker, unique};

scenarios! {
    the_batch_poll_delivers_what_the_plain_poll_delivers,
    a_paused_log_waits_while_the_other_goes_on,
    the_end_of_a_partition_is_seen_each_time_it_is_reached,
    reading_begins_where_it_is_told_and_goes_on_where_it_was,
    an_offset_that_is_gone_is_an_error_with_its_place,
    a_missing_topic_is_an_error_with_a_remedy,
    a_topic_reader_reads_everything_and_tells_when_it_has_caught_up,
}

fn the_batch_poll_delivers_what_the_plain_poll_delivers(cluster: &Cluster<'_>) {
    let topic = cluster.topic("flows", 3);
    for partition in 0..3 {
        let mut values = values(&format!("p{partition}"), 1_500);
        values[7].clear();
        values[8] = "x".repeat(60_000);
        cluster.produce(&topic, partition, &values);
    }
    let mut worker = Worker::join(&cluster.config(&topic), None, From::Committed);
    worker.until("the end of all partitions", |it| {
        (0..3).all(|partition| it.consumer.is_at_end(flows(partition)))
    });
    let expect = plain_poll(&cluster.address(), &topic, 3);
    assert_eq!(expect.values().map(Vec::len).collect::<Vec<_>>(), [1_500; 3]);
    for (partition, expect) in &expect {
        assert!(worker.got[&flows(*partition)] == *expect, "partition {partition} differs");
    }
    let snapshot = worker.consumer.stats().snapshot();
    assert_eq!(snapshot.flows.records, 4_500);
    let bytes: usize = expect.values().flatten().map(|it| it.2.len()).sum();
    assert_eq!(snapshot.flows.bytes, bytes as u64);
    worker.close();
}

/// Reads a topic as anybody would: one record a call.
fn plain_poll(address: &str, topic: &str, partitions: i32) -> BTreeMap<i32, Vec<Got>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", unique("plain"))
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut got, mut ends) = (BTreeMap::<i32, Vec<Got>>::new(), 0);
    let deadline = Instant::now() + DEADLINE;
    while ends < partitions {
        assert!(Instant::now() < deadline, "the plain poll never came to the end");
        match consumer.poll(Duration::from_millis(20)) {
            Some(Ok(it)) => got.entry(it.partition()).or_default().push((
                it.offset(),
                it.timestamp().to_millis(),
                String::from_utf8(it.payload().unwrap_or_default().to_vec()).unwrap(),
            )),
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    got
}

fn a_paused_log_waits_while_the_other_goes_on(cluster: &Cluster<'_>) {
    let (topic, other) = (cluster.topic("flows", 1), cluster.topic("partials", 1));
    let mut worker = Worker::join(&cluster.config(&topic), Some(&other), From::Committed);
    worker.consumer.set_paused(Log::Flows, true).unwrap();
    cluster.produce(&topic, 0, &values("flow", 300));
    cluster.produce(&other, 0, &values("partial", 300));
    worker.until("all partials", |it| it.offsets(partials(0)).len() == 300);
    assert!(worker.offsets(flows(0)).is_empty());

    worker.consumer.set_paused(Log::Flows, false).unwrap();
    worker.consumer.set_paused(Log::Partials, true).unwrap();
    cluster.produce(&other, 0, &values("partial", 10));
    worker.until("all flows", |it| it.offsets(flows(0)).len() == 300);
    assert_eq!(worker.offsets(flows(0)), (0..300).collect::<Vec<_>>());
    assert_eq!(worker.offsets(partials(0)).len(), 300);

    worker.consumer.set_paused(Log::Partials, false).unwrap();
    worker.until("the rest of the partials", |it| it.offsets(partials(0)).len() == 310);
    assert_eq!(worker.offsets(partials(0)), (0..310).collect::<Vec<_>>());
    worker.close();
}

fn the_end_of_a_partition_is_seen_each_time_it_is_reached(cluster: &Cluster<'_>) {
    let topic = cluster.topic("flows", 2);
    cluster.produce(&topic, 0, &values("first", 5));
    let mut worker = Worker::join(&cluster.config(&topic), None, From::Committed);
    assert!(!worker.consumer.is_at_end(flows(0)), "nothing is known before the assignment");
    worker.until("the end of both, one of them empty", |it| {
        it.consumer.is_at_end(flows(0)) && it.consumer.is_at_end(flows(1))
    });
    assert_eq!(worker.offsets(flows(0)).len(), 5);
    for round in 1..=3 {
        cluster.produce(&topic, 0, &values("more", 5));
        worker.until("the next records", |it| it.offsets(flows(0)).len() == 5 + 5 * round);
        worker.until("the next end", |it| it.consumer.is_at_end(flows(0)));
    }
    worker.close();
}

fn reading_begins_where_it_is_told_and_goes_on_where_it_was(cluster: &Cluster<'_>) {
    let topic = cluster.topic("flows", 1);
    cluster.produce(&topic, 0, &values("old", 20));
    let config = cluster.config(&topic);

    // Nothing committed, told to begin behind what is there: only what comes after the assignment.
    let mut worker = Worker::join(&config, None, From::Latest);
    worker.until("the assignment", |it| it.assigned.contains_key(&flows(0)));
    assert_eq!(worker.assigned[&flows(0)], None);
    worker.until("the commit of the beginning", |it| it.consumer.stats().snapshot().commits.ok > 0);
    worker.close();

    // Nothing was read and nothing noted: the beginning itself was committed, and the next member goes on there.
    cluster.produce(&topic, 0, &values("new", 3));
    let mut worker = Worker::join(&config, None, From::Committed);
    worker.until("the new records", |it| it.offsets(flows(0)).len() == 3);
    assert_eq!(worker.offsets(flows(0)), [20, 21, 22]);
    let left = worker.assigned[&flows(0)].clone().unwrap();
    assert_eq!((left.offset, left.metadata.as_str()), (20, ""));
    worker.note(flows(0), 22, "state");
    worker.close();

    let mut worker = Worker::join(&config, None, From::Earliest);
    worker.until("all records", |it| it.offsets(flows(0)).len() == 23);
    assert_eq!(worker.assigned[&flows(0)], None, "what was committed does not belong to this beginning");
    worker.close();

    if let Cluster::Real(_) = cluster {
        // Records of one `produce` are a millisecond apart. The embedded broker knows no timestamps.
        let from = From::Timestamp(EventTime::from_millis(1_700_000_000_015));
        let mut worker = Worker::join(&config, None, from);
        worker.until("the records from then", |it| it.offsets(flows(0)).len() == 8);
        assert_eq!(worker.offsets(flows(0)), (15..23).collect::<Vec<_>>());
        worker.close();
    }
}

fn an_offset_that_is_gone_is_an_error_with_its_place(cluster: &Cluster<'_>) {
    let topic = cluster.topic("flows", 1);
    cluster.produce(&topic, 0, &values("it", 20));
    let config = cluster.config(&topic);
    let mut worker = Worker::join(&config, None, From::Committed);
    worker.until("the assignment", |it| it.assigned.contains_key(&flows(0)));
    worker.note(flows(0), 5_000, "");
    worker.close();

    let mut worker = Worker::join(&config, None, From::Committed);
    let deadline = Instant::now() + DEADLINE;
    let error = loop {
        assert!(Instant::now() < deadline, "the error never came");
        if let Err(error) = worker.turn() {
            break error.to_string();
        }
    };
    assert_eq!(
        error,
        format!(
            "partition 0 of topic `{topic}` no longer has offset 5000: its records were deleted before they were \
             read, or the topic was made anew; start once with `--from earliest` to go on with what there is"
        )
    );
    worker.close();

    let mut worker = Worker::join(&config, None, From::Earliest);
    worker.until("all records", |it| it.offsets(flows(0)).len() == 20);
    worker.close();
}

fn a_missing_topic_is_an_error_with_a_remedy(cluster: &Cluster<'_>) {
    let config = cluster.config("no-such-topic");
    let error = KafkaConsumer::new(&config, None, From::Committed).unwrap_err().to_string();
    let address = cluster.address();
    assert_eq!(
        error,
        format!(
            "topic `no-such-topic` does not exist on `{address}`: create it, or name the right one in the configuration"
        )
    );
}

#[test]
fn a_broker_that_does_not_answer_is_an_error_with_a_remedy() {
    // Nothing listens there: the port was free a moment ago and the listener is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = KafkaConfig { brokers: format!("127.0.0.1:{port}"), ..KafkaConfig::default() };
    let error = KafkaConsumer::new(&config, None, From::Committed).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot reach any broker of `127.0.0.1:{port}` within 10 s: is it running, is the address right, and does \
             it want TLS or a password?"
        )
    );
}

#[test]
fn reading_goes_on_when_the_broker_comes_back() {
    let Some(mut broker) = Broker::start("reading_goes_on_when_the_broker_comes_back") else { return };
    let (topic, config) = {
        let cluster = Cluster::Real(&broker);
        let topic = cluster.topic("flows", 2);
        cluster.produce(&topic, 0, &values("before", 50));
        let config = cluster.config(&topic);
        (topic, config)
    };
    let mut worker = Worker::join(&config, None, From::Committed);
    worker.until("what was there", |it| it.offsets(flows(0)).len() == 50);
    worker.note(flows(0), 50, "fifty");
    worker.until("the commit", |it| it.consumer.stats().snapshot().commits.ok > 0);

    for (kill, count) in [(false, 60), (true, 70)] {
        if kill {
            broker.kill();
        } else {
            broker.stop();
        }
        worker.until("the loss of the broker", |it| !it.consumer.stats().snapshot().errors.is_empty());
        broker.restart();
        produce(&broker.address(), &topic, 0, &values("after", 10));
        worker.until("what came after", |it| it.offsets(flows(0)).len() == count);
    }
    assert_eq!(worker.offsets(flows(0)), (0..70).collect::<Vec<_>>(), "none lost, none twice");
    // The outage may have cost the membership; the partition is ours when the last record is here.
    worker.note(flows(0), 70, "seventy");
    worker.close();

    let mut worker = Worker::join(&config, None, From::Committed);
    worker.until("the assignment", |it| it.assigned.contains_key(&flows(0)));
    let left = worker.assigned[&flows(0)].clone().unwrap();
    assert_eq!((left.offset, left.metadata.as_str()), (70, "seventy"));
    worker.close();
}

fn a_topic_reader_reads_everything_and_tells_when_it_has_caught_up(cluster: &Cluster<'_>) {
    let (edges, denies) = (cluster.topic("edges", 3), cluster.topic("denies", 1));
    let mut producer = KafkaProducer::<()>::new(&cluster.address(), "test", []).unwrap();
    for it in 0..3_000 {
        let (key, value) = (format!("k{}", it % 100), format!("v{it}"));
        producer.send(&edges, None, Some(key.as_bytes()), Some(value.as_bytes())).unwrap();
    }
    producer.send(&edges, None, Some(b"k7"), None).unwrap();
    producer.flush(DEADLINE).unwrap();

    // The empty topic does not keep it from having caught up.
    let mut reader = TopicReader::new(&cluster.config(&edges), &[&edges, &denies]).unwrap();
    assert!(!reader.has_caught_up());
    let mut view = BTreeMap::<String, Option<String>>::new();
    let text = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut count = 0;
    while !reader.has_caught_up() {
        assert!(Instant::now() < deadline, "{count} records and no end");
        count += reader
            .next(Duration::from_millis(20), &mut |it| {
                assert_eq!(it.topic, 0);
                view.insert(text(it.key), it.value.map(text));
            })
            .unwrap();
    }
    assert_eq!(count, 3_001);
    assert_eq!(view.len(), 100);
    for (key, value) in &view {
        let expect = (key != "k7").then(|| format!("v{}", 2_900 + key[1..].parse::<u32>().unwrap()));
        assert_eq!(*value, expect, "{key}");
    }

    // What comes later is read too, and it stays caught up.
    producer.send(&denies, None, Some(b"d"), Some(b"late")).unwrap();
    producer.flush(DEADLINE).unwrap();
    let mut late = Vec::new();
    while late.is_empty() {
        assert!(Instant::now() < deadline, "what came later was not read");
        reader
            .next(Duration::from_millis(20), &mut |it| late.push((it.topic, text(it.value.unwrap()))))
            .unwrap();
    }
    assert_eq!(late, [(1, "late".to_owned())]);
    assert!(reader.has_caught_up());
}
