//! What the generator promises, read back through the decoder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flowstage::aggregate::Observation;
use flowstage::decode::{Decoder, Format};
use flowstage::evaluate::{Answer, Judgement, Outcome, Verdict};
use flowstage::generate::{GeneratedRecord, Settings, SettingsError, Traffic};
use flowstage::model::{
    Action, Counters, Direction, Edge, EventTime, HitOwner, Name, PolicyHit, PolicyId, PolicyKind,
    RecordedAction, RuleIndex, ServiceRef, Trace,
};

/// Denies the attacker at its destination and the listed address at its source; allows the rest by profile.
fn verdicts(edge: &Edge) -> Arc<Judgement> {
    let is_denied = match edge.direction {
        Direction::Ingress => edge.source().name.starts_with("attacker-app") && edge.port == Some(8080),
        Direction::Egress => &*edge.dest().name == "tor-exits",
    };
    let namespace = edge.subject.namespace.as_deref().unwrap_or("");
    let allowed = PolicyHit {
        owner: HitOwner::Profile(Name::from(format!("kns.{namespace}"))),
        action: Action::Allow,
        rule: RuleIndex::Rule(0),
    };
    let denied = PolicyHit {
        owner: HitOwner::Policy {
            tier: Name::from("security"),
            policy: PolicyId {
                kind: PolicyKind::GlobalNetworkPolicy,
                namespace: None,
                name: Name::from("security.deny"),
            },
        },
        action: Action::Deny,
        rule: RuleIndex::Rule(0),
    };
    let verdict = if is_denied {
        Verdict { answer: Answer::Deny, trace: Trace(vec![denied]) }
    } else {
        Verdict { answer: Answer::Allow, trace: Trace(vec![allowed]) }
    };
    Arc::new(Judgement {
        direction: edge.direction,
        enforced: verdict.clone(),
        pending: verdict,
        outcome: Outcome::Agrees,
        blame: Vec::new(),
        staged: Vec::new(),
    })
}

fn traffic(settings: Settings) -> Traffic<fn(&Edge) -> Arc<Judgement>> {
    Traffic::new(settings, verdicts as fn(&Edge) -> Arc<Judgement>).unwrap()
}

/// One record, read back.
struct Read {
    edge: Edge,
    action: RecordedAction,
    counters: Counters,
    start: EventTime,
    end: EventTime,
}

fn read(decoder: &mut Decoder, record: &GeneratedRecord) -> Read {
    let flow = decoder
        .decode(&record.value)
        .unwrap_or_else(|reject| panic!("{reject:?}: {}", String::from_utf8_lossy(&record.value)));
    let seen = Observation::of(&flow).unwrap();
    let service = flow.service.map(|it| ServiceRef {
        namespace: Name::from(it.namespace),
        name: Name::from(it.name),
        port_name: Name::from(it.port_name),
    });
    Read {
        edge: Edge {
            direction: seen.direction,
            subject: seen.subject.to_endpoint(),
            peer: seen.peer.to_endpoint(),
            protocol: flow.protocol,
            port: flow.dest_port,
            service,
        },
        action: flow.action,
        counters: flow.counters,
        start: flow.start,
        end: flow.end,
    }
}

fn read_all(settings: Settings) -> Vec<Read> {
    let mut decoder = Decoder::new(Format::Auto);
    traffic(settings).map(|it| read(&mut decoder, &it)).collect()
}

/// The same connection, whichever end tells of it and however much it tells.
fn connection(edge: &Edge) -> (String, String, Option<u16>) {
    let base = |it: &flowstage::model::Endpoint| {
        let name = it.name.trim_end_matches('*');
        let labels = it.labels.as_ref().map(|it| it.to_string()).unwrap_or_default();
        format!("{:?} {:?} {labels} {}", it.kind, it.namespace, if labels.is_empty() { name } else { "" })
    };
    (base(edge.source()), base(edge.dest()), edge.port)
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    let settings = Settings { flows: 3_000, edges: Some(2_000), poison_share: 0.01, ..Settings::default() };
    let bytes = |seed| traffic(Settings { seed, ..settings.clone() }).collect::<Vec<_>>();
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}

#[test]
fn both_reporters_of_a_connection_agree() {
    let records = read_all(Settings { flows: 20_000, repeat_share: 0.0, ..Settings::default() });
    let mut pairs = 0;
    let mut at = 0;
    while let [first, second, ..] = &records[at..] {
        if first.edge.direction != Direction::Egress || second.edge.direction != Direction::Ingress {
            at += 1;
            continue;
        }
        if connection(&first.edge) == connection(&second.edge) {
            pairs += 1;
            assert_eq!((first.start, first.end), (second.start, second.end));
            let (one, two) = (first.counters, second.counters);
            assert_eq!(
                (one.packets_in, one.packets_out, one.bytes_in, one.bytes_out),
                (two.packets_out, two.packets_in, two.bytes_out, two.bytes_in)
            );
            assert_eq!(
                (one.connections_live, one.connections_started, one.connections_completed),
                (two.connections_live, two.connections_started, two.connections_completed)
            );
            assert!(first.edge.service.is_some() || second.edge.service.is_none());
        }
        at += 1;
    }
    assert!(pairs > 5_000, "{pairs}");
}

#[test]
fn what_is_denied_follows_the_verdicts() {
    let records = read_all(Settings { flows: 30_000, skew: 0.0, ..Settings::default() });
    let (mut tor, mut attacks, mut hits) = (0, 0, 0);
    for record in &records {
        let denied = record.action == RecordedAction::Deny;
        if &*record.edge.dest().name == "tor-exits" {
            tor += 1;
            assert!(denied && record.edge.direction == Direction::Egress);
        } else if record.edge.source().name.starts_with("attacker-app") && record.edge.port == Some(8080) {
            attacks += 1;
            assert_eq!(denied, record.edge.direction == Direction::Ingress);
            assert_eq!(record.counters.packets_in.min(record.counters.packets_out), 0);
        } else {
            assert!(!denied, "{}", record.edge);
        }
        if denied {
            // Level 1: names and addresses are there.
            hits += 1;
            assert!(record.edge.source().address.is_some() && record.edge.dest().address.is_some());
        } else {
            assert!(record.edge.source().address.is_none() && record.edge.dest().address.is_none());
        }
    }
    assert!(tor > 50 && attacks > 400 && hits > 200, "{tor} {attacks} {hits}");
}

#[test]
fn the_traffic_shows_as_many_edges_as_asked() {
    for edges in [1, 2, 7, 100, 101, 1_000, 12_345] {
        let settings =
            Settings { flows: edges * 3 + 500, edges: Some(edges), poison_share: 0.0, ..Settings::default() };
        let seen: BTreeSet<Edge> = read_all(settings).into_iter().map(|it| it.edge).collect();
        assert_eq!(u64::try_from(seen.len()).unwrap(), edges);
    }
}

#[test]
fn without_a_number_the_applications_edges_are_shown() {
    let mut traffic = traffic(Settings { flows: 20_000, ..Settings::default() });
    let mut decoder = Decoder::new(Format::Auto);
    let seen: BTreeSet<Edge> = traffic.by_ref().map(|it| read(&mut decoder, &it).edge).collect();
    assert_eq!(u64::try_from(seen.len()).unwrap(), traffic.edges());
    assert!(seen.iter().any(|it| it.subject == it.peer), "stars poll themselves");
}

#[test]
fn the_account_is_what_a_recount_finds() {
    let settings = Settings {
        flows: 30_000,
        edges: Some(3_000),
        late_share: 0.1,
        beyond_share: 0.02,
        repeat_share: 0.05,
        poison_share: 0.03,
        both_reporters_share: 0.9,
        ..Settings::default()
    };
    let newest_lateness = i64::try_from(settings.lateness.as_millis()).unwrap();
    let mut traffic = traffic(settings).with_account();
    let mut decoder = Decoder::new(Format::Auto);
    let mut counts: BTreeMap<Edge, (u64, u64, Counters)> = BTreeMap::new();
    let (mut records, mut poison, mut beyond, mut newest) = (0, 0, 0, EventTime::MIN);
    for record in traffic.by_ref() {
        records += 1;
        if decoder.decode(&record.value).is_err() {
            poison += 1;
            continue;
        }
        let read = read(&mut decoder, &record);
        assert_eq!(read.end, record.end);
        newest = newest.max(read.end);
        if newest.as_millis() - read.end.as_millis() > newest_lateness {
            beyond += 1;
            continue;
        }
        let (flows, denied, sums) = counts.entry(read.edge).or_default();
        *flows += 1;
        *denied += u64::from(read.action == RecordedAction::Deny);
        sums.connections_started += read.counters.connections_started;
        sums.connections_completed += read.counters.connections_completed;
        sums.packets_in += read.counters.packets_in;
        sums.packets_out += read.counters.packets_out;
        sums.bytes_in += read.counters.bytes_in;
        sums.bytes_out += read.counters.bytes_out;
    }
    let tally = traffic.tally();
    assert_eq!((tally.records, tally.poison, tally.beyond), (records, poison, beyond));
    assert!(
        tally.poison > 500 && tally.beyond > 100 && tally.repeated > 1_000 && tally.late > 2_000,
        "{tally:?}"
    );
    let expected: BTreeMap<Edge, (u64, u64, Counters)> = traffic
        .expected()
        .unwrap()
        .into_iter()
        .map(|it| (it.edge, (it.flows, it.flows_denied, it.counters)))
        .collect();
    assert_eq!(expected, counts);
}

#[test]
fn event_time_follows_start_and_rate() {
    let start = EventTime::from_secs(1_800_000_000);
    let settings = Settings {
        flows: 10_000,
        rate: 100,
        start,
        interval: Duration::from_secs(300),
        late_share: 0.0,
        ..Settings::default()
    };
    let records = read_all(settings);
    let ends = records.iter().map(|it| it.end.as_millis() - start.as_millis());
    let (first, last) = (ends.clone().min().unwrap(), ends.max().unwrap());
    assert!((-4_000..=0).contains(&first) && (95_000..=100_000).contains(&last), "{first} {last}");
    assert!(records.iter().all(|it| it.end.minus(Duration::from_secs(300)) == it.start));
}

#[test]
fn a_record_is_about_1100_bytes_from_many_nodes() {
    let records: Vec<_> = traffic(Settings { flows: 20_000, ..Settings::default() }).collect();
    let bytes: usize = records.iter().map(|it| it.value.len()).sum();
    let mean = bytes / records.len();
    assert!((1_000..1_400).contains(&mean), "{mean}");
    let hosts: BTreeSet<_> = records.iter().map(|it| it.host.clone()).collect();
    assert_eq!(hosts.len(), 12);
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let refusal = |settings| Traffic::new(settings, verdicts).err().map(|it| it.to_string());
    let base = Settings::default;
    assert_eq!(refusal(base()), None);
    assert_eq!(Traffic::new(Settings { rate: 0, ..base() }, verdicts).err(), Some(SettingsError::Rate));
    assert_eq!(
        refusal(Settings { late_share: 1.5, ..base() }).as_deref(),
        Some("the share `late` must be between 0 and 1, not 1.5")
    );
    assert_eq!(
        refusal(Settings { edges: Some(10_000_001), ..base() }).as_deref(),
        Some("edges must be between 1 and 10000000")
    );
    assert_eq!(
        refusal(Settings { skew: f64::NAN, ..base() }).as_deref(),
        Some("the skew must be between 0 and 2")
    );
}
