//! The group: sharing, handing over, losing.

use std::collections::BTreeSet;

use flowstage::ingest::{From, Log, LogPartition};

use crate::setup::{Cluster, Worker, flows, partials, scenarios, turn_all, values};

scenarios! {
    members_share_both_logs_and_hand_over_with_their_state,
    a_commit_that_was_only_noted_is_made_on_leaving,
}

fn all() -> BTreeSet<LogPartition> {
    (0..4).map(flows).chain((0..2).map(partials)).collect()
}

fn held(worker: &Worker) -> BTreeSet<LogPartition> {
    worker.assigned.keys().copied().collect()
}

fn members_share_both_logs_and_hand_over_with_their_state(cluster: &Cluster<'_>) {
    let (topic, other) = (cluster.topic("flows", 4), cluster.topic("partials", 2));
    for partition in 0..4 {
        cluster.produce(&topic, partition, &values("flow", 10));
    }
    for partition in 0..2 {
        cluster.produce(&other, partition, &values("partial", 10));
    }
    let config = cluster.config(&topic);
    let mut first = Worker::join(&config, Some(&other), From::Committed);
    first.until("all partitions", |it| held(it) == all());
    assert!(first.assigned.values().all(Option::is_none), "nothing was committed before");
    first.until("all records", |it| all().iter().all(|&partition| it.offsets(partition).len() == 10));
    for it in all() {
        first.note(it, 7, &format!("state of {it:?} \u{2713}"));
    }

    // The second joins: some partitions move, with what the first noted and never had the time to commit on a timer.
    let mut second = Worker::join(&config, Some(&other), From::Committed);
    turn_all(&mut [&mut first, &mut second], "a shared group", |it| {
        !held(it[1]).is_empty() && held(it[0]).len() + held(it[1]).len() == 6
    });
    assert_eq!(&held(&first) | &held(&second), all());
    assert_eq!(first.revoked, held(&second).len(), "only what moves is revoked");
    assert_eq!(first.lost, 0);
    for (it, left) in &second.assigned {
        let left = left.clone().unwrap();
        assert_eq!((left.offset, left.metadata), (7, format!("state of {it:?} \u{2713}")));
    }
    let moved = held(&second);
    turn_all(&mut [&mut first, &mut second], "what was left to read", |it| {
        moved.iter().all(|&partition| it[1].offsets(partition) == [7, 8, 9])
    });
    // What stayed with the first was stopped and resumed at the end of its log: nothing may be skipped there.
    for partition in all() {
        let topic = if partition.log == Log::Flows { &topic } else { &other };
        cluster.produce(topic, partition.partition, &values("later", 2));
    }
    turn_all(&mut [&mut first, &mut second], "what came later", |it| {
        all().iter().all(|partition| it[0].offsets(*partition).len() + it[1].offsets(*partition).len() >= 12)
            && moved.iter().all(|partition| it[1].offsets(*partition).len() == 5)
    });
    for partition in all() {
        let expect: Vec<i64> = if moved.contains(&partition) { (0..10).collect() } else { (0..12).collect() };
        assert_eq!(first.offsets(partition), expect, "none twice, none skipped");
    }

    // The second leaves: everything is with the first again, with what the second noted.
    for &partition in &moved {
        second.note(partition, 9, "from the second");
    }
    second.close();
    first.until("everything again", |it| held(it) == all());
    for &partition in &moved {
        let left = first.assigned[&partition].clone().unwrap();
        assert_eq!((left.offset, left.metadata.as_str()), (9, "from the second"));
    }
    let snapshot = first.consumer.stats().snapshot();
    assert!(snapshot.rebalances.assigned >= 2 && snapshot.rebalances.revoked >= 1, "{snapshot:?}");
    assert_eq!(snapshot.rebalances.lost, 0);
    assert_eq!(snapshot.commits.failed, 0, "{snapshot:?}");
    first.close();
}

fn a_commit_that_was_only_noted_is_made_on_leaving(cluster: &Cluster<'_>) {
    let topic = cluster.topic("flows", 1);
    cluster.produce(&topic, 0, &values("it", 9));
    let config = cluster.config(&topic);
    let mut worker = Worker::join(&config, None, From::Committed);
    worker.until("all records", |it| it.offsets(flows(0)).len() == 9);
    worker.note(flows(0), 4, "four");
    worker.note(flows(3), 4, "not ours");
    worker.close();
    let mut worker = Worker::join(&config, None, From::Committed);
    worker.until("the rest", |it| it.offsets(flows(0)).len() == 5);
    let left = worker.assigned[&flows(0)].clone().unwrap();
    assert_eq!((left.offset, left.metadata.as_str()), (4, "four"));
    worker.close();
}

#[test]
fn a_member_that_did_not_poll_in_time_learns_that_it_lost_everything() {
    crate::setup::on_real("a_member_that_did_not_poll_in_time_learns_that_it_lost_everything", |cluster| {
        let topic = cluster.topic("flows", 2);
        cluster.produce(&topic, 0, &values("it", 9));
        let mut config = cluster.config(&topic);
        config.properties =
            [("session.timeout.ms", "6000"), ("max.poll.interval.ms", "6000")].into_iter().collect();
        let mut stuck = Worker::join(&config, None, From::Committed);
        stuck.until("everything", |it| held(it).len() == 2 && it.offsets(flows(0)).len() == 9);

        // It does not take its turns any more.
        let before = (stuck.lost, stuck.revoked);
        let mut other = Worker::join(&config, None, From::Committed);
        other.until("everything", |it| held(it).len() == 2);
        other.until("the records, from the start", |it| it.offsets(flows(0)).len() == 9);
        other.note(flows(0), 9, "the other");
        other.until("the commit", |it| it.consumer.stats().snapshot().commits.ok > 0);

        // What it notes now belongs to somebody else, and must not be committed: not for the partition that it was asked
        // to hand over while it was stuck, where the broker refuses it, and not for the one that was taken away.
        stuck.note(flows(0), 3, "stale");
        turn_all(&mut [&mut stuck, &mut other], "the loss", |it| {
            it[0].lost > before.0 && it[0].lost - before.0 + it[0].revoked - before.1 >= 2
        });
        turn_all(&mut [&mut stuck, &mut other], "a shared group", |it| {
            held(it[0]).len() == 1 && held(it[1]).len() == 1
        });
        let holder = if held(&stuck).contains(&flows(0)) { &stuck } else { &other };
        if let Some(left) = &holder.assigned[&flows(0)] {
            assert_eq!((left.offset, left.metadata.as_str()), (9, "the other"));
        }
        assert!(stuck.consumer.stats().snapshot().rebalances.lost >= 1);
        stuck.close();
        other.close();
    });
}
