//! Two recordings, whole.
//!
//! What was enforced is compared in strict mode, what was pending by the rules in force and by those of Calico's own
//! checker. Every record agrees, hit by hit, or falls under a cause that was put to the test; the table of both
//! recordings is `tests/golden/truth.txt`. `UPDATE_EXPECT=1` writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowstage::aggregate::Observation;
use flowstage::catalog::gather;
use flowstage::decode::{Decoder, Format, parse_trace};
use flowstage::evaluate::{Agreement, Cause, Connection, EndOfTier, Options, Programs, Recorded, TruthCheck};
use flowstage::manifest::assemble;
use flowstage::model::{
    Action, CalicoVersion, Direction, Edge, EventTime, HitOwner, PolicyId, PolicyKind, RecordedAction,
    RuleIndex, Trace,
};
use flowstage::policy::{Policy, PolicySet, Revision, RuleAction};

const RUNS: [&str; 2] = ["calico-real", "calico-real/run-2"];

/// How often the data plane wrote out what it had seen (`FlowLogsFlushInterval`): what happened may be told so much
/// later, and a pod that is replaced is gone for some seconds before.
fn flush_interval(run: &str) -> Duration {
    match run {
        "calico-real" => Duration::from_secs(5),
        "calico-real/run-2" => Duration::from_secs(15),
        _ => panic!("{run}"),
    }
}

/// Where a recording lies; nothing, with a word about it, where the test data are not set.
pub(crate) fn recording(run: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("FLOWSTAGE_TEST_DATA") else {
        eprintln!("truth check of `{run}`: left out, since FLOWSTAGE_TEST_DATA is not set");
        return None;
    };
    Some(PathBuf::from(data).join("fixtures").join(run))
}

/// Reads the cluster's objects as they were printed. Kinds that are no policy are passed over.
fn set(home: &Path, state: &str) -> PolicySet {
    let gathered = gather(&[home.join("cluster").join(state)], CalicoVersion::NEWEST);
    let odd = gathered.errors.iter().map(ToString::to_string).find(|it| !it.contains("is not supported"));
    assert_eq!(odd, None);
    assemble(gathered.objects).unwrap().set
}

/// The moment of a change, by what its line in the notes says.
fn change(home: &Path, words: &str) -> EventTime {
    let notes = std::fs::read_to_string(home.join("changes.tsv")).unwrap();
    let mut lines = notes.lines().filter_map(|it| it.split_once(char::is_whitespace));
    let (time, _) = lines.find(|(_, what)| what.contains(words)).unwrap_or_else(|| panic!("{words}"));
    EventTime::from_millis(time.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// A set with the policies of one and the cluster of another.
fn with_policies(policies: impl IntoIterator<Item = Arc<Policy>>, set: &PolicySet) -> PolicySet {
    let policies = policies.into_iter().collect();
    PolicySet::of_version(set.version(), set.tiers().to_vec(), policies, set.cluster().clone(), Revision(0))
}

fn network_policy(namespace: &str, name: &str) -> PolicyId {
    PolicyId { kind: PolicyKind::NetworkPolicy, namespace: Some(namespace.into()), name: name.into() }
}

/// The sets that were in force during a recording, each with the moment from which on.
pub(crate) fn eras(run: &str, home: &Path) -> (PolicySet, Vec<(EventTime, PolicySet)>) {
    let (before, mid, after) = (set(home, "before"), set(home, "mid"), set(home, "after"));
    let later = match run {
        "calico-real" => {
            let enforced = with_policies(after.policies().to_vec(), &mid);
            vec![
                (change(home, "replaced by"), mid),
                // Nobody printed the cluster between this change and the next, which is one of labels.
                (change(home, "created"), enforced),
                (change(home, "quarantine"), after),
            ]
        }
        "calico-real/run-2" => {
            let frontend = network_policy("shop", "frontend");
            let rest = mid.policies().iter().filter(|it| it.id != frontend).cloned();
            let without = with_policies(rest, &mid);
            assert_eq!(without.policies().len(), mid.policies().len() - 1);
            vec![
                (change(home, "StagedNetworkPolicies"), mid),
                (change(home, "deleted"), without),
                (change(home, "created again"), after),
            ]
        }
        _ => panic!("{run}"),
    };
    (before, later)
}

pub(crate) fn compile(set: PolicySet) -> Arc<Programs> {
    let options = Options { end_of_tier: EndOfTier::Last, ..Options::private_pods() };
    Arc::new(Programs::compile_with(Arc::new(set), options))
}

fn check_of(run: &str, before: PolicySet, later: Vec<(EventTime, PolicySet)>) -> TruthCheck {
    let mut check = TruthCheck::new(compile(before), flush_interval(run));
    for (since, set) in later {
        check.change(since, compile(set));
    }
    check
}

/// One record, owned.
pub(crate) struct Record {
    edge: Edge,
    start: EventTime,
    pub(crate) end: EventTime,
    action: RecordedAction,
    enforced: Trace,
    pending: Trace,
}

impl Record {
    pub(crate) fn as_recorded(&self) -> Recorded<'_> {
        let Self { edge, start, end, action, enforced, pending } = self;
        Recorded { edge, start: *start, end: *end, action: *action, enforced, pending }
    }
}

/// Reads what the emitter sent.
pub(crate) fn lines(home: &Path) -> Vec<String> {
    let file = std::fs::File::open(home.join("goldmane-emitter.jsonl.gz")).unwrap();
    BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines().map(Result::unwrap).collect()
}

/// Reads the records of what the emitter sent.
pub(crate) fn records(home: &Path) -> Vec<Record> {
    let mut decoder = Decoder::new(Format::Goldmane);
    let records = lines(home).into_iter().map(|line| {
        let flow = decoder.decode(line.as_bytes()).unwrap();
        let seen = Observation::of(&flow).unwrap();
        Record {
            edge: Edge {
                direction: seen.direction,
                subject: seen.subject.to_endpoint(),
                peer: seen.peer.to_endpoint(),
                protocol: flow.protocol,
                port: flow.dest_port,
                service: None,
            },
            start: flow.start,
            end: flow.end,
            action: flow.action,
            enforced: parse_trace(flow.enforced).unwrap(),
            pending: parse_trace(flow.pending).unwrap(),
        }
    });
    records.collect()
}

/// How often each agreement was found: of enforced traces, of pending ones, and of pending ones by the checker alone.
type Counts = BTreeMap<Agreement, [u32; 3]>;

fn compare(check: &TruthCheck, records: &[Record]) -> Counts {
    let mut counts = Counts::new();
    let mut shown = 0;
    for record in records {
        let recorded = record.as_recorded();
        let found = [
            ("enforced", check.enforced(&recorded)),
            ("pending", check.pending(&recorded)),
            ("pending by the checker", check.pending_by_checker(&recorded)),
        ];
        for (column, (which, agreement)) in found.into_iter().enumerate() {
            counts.entry(agreement).or_default()[column] += 1;
            if agreement == Agreement::Differs(Cause::Unexplained) && shown < 20 {
                shown += 1;
                let trace = if column == 0 { &record.enforced } else { &record.pending };
                let trace: Vec<String> = trace.lines().collect();
                let Record { edge, start, end, .. } = record;
                eprintln!("unexplained, {which}: {edge} {start:?} {end:?}\n  {}", trace.join(", "));
            }
        }
    }
    counts
}

fn table(run: &str, records: usize, counts: &Counts) -> String {
    let mut table = format!("{run}: {records} records\n\n");
    let mut row = |name: &str, [enforced, pending, by_checker]: [&dyn std::fmt::Display; 3]| {
        writeln!(table, "{name:<18}{enforced:>10}{pending:>10}{by_checker:>15}").unwrap();
    };
    row("", [&"enforced", &"pending", &"by checker"]);
    let causes = Cause::ALL.map(|it| (it.as_str(), Agreement::Differs(it)));
    let rows = [("agrees", Agreement::Agrees), ("not_recorded", Agreement::NotRecorded)];
    for (name, agreement) in rows.into_iter().chain(causes) {
        let [enforced, pending, by_checker] = counts.get(&agreement).copied().unwrap_or_default();
        row(name, [&enforced, &pending, &by_checker]);
    }
    table
}

/// Returns a set in which one rule does the opposite.
fn with_rule_flipped(set: &PolicySet, id: &PolicyId, direction: Direction, place: u32) -> PolicySet {
    let policies = set.policies().iter().cloned().map(|mut policy| {
        let flipped = Arc::make_mut(&mut policy);
        let rules = match direction {
            Direction::Ingress => &mut flipped.ingress,
            Direction::Egress => &mut flipped.egress,
        };
        if flipped.id == *id
            && let Some(rule) = rules.get_mut(place as usize)
        {
            rule.action = RuleAction::Terminal(match rule.action {
                RuleAction::Terminal(Action::Allow | Action::Pass) => Action::Deny,
                RuleAction::Terminal(Action::Deny) | RuleAction::Log => Action::Allow,
            });
        }
        policy
    });
    with_policies(policies, set)
}

/// Compares what was recorded of every rule with sets in which that rule does the opposite; returns for how many rules
/// some record is unexplained then.
fn notice_flipped_rules(
    run: &str,
    home: &Path,
    trace_of: fn(&Record) -> &Trace,
    compare: fn(&TruthCheck, &Recorded<'_>) -> Agreement,
) -> usize {
    let (before, later) = eras(run, home);
    let records = records(home);
    let check = check_of(run, before.clone(), later.clone());
    // Some records that agree, for every rule that any of them was decided or passed by.
    let mut by_rule: BTreeMap<(PolicyId, Direction, u32), Vec<&Record>> = BTreeMap::new();
    // Around the change of a policy its hits are taken with some reserve.
    let is_quiet = |it: &&Record| {
        let (from, to) = (it.start.minus(flush_interval(run)), it.end.plus(flush_interval(run)));
        !later.iter().any(|(since, _)| (from..=to).contains(since))
    };
    for record in records.iter().filter(is_quiet) {
        for hit in &trace_of(record).0 {
            let (HitOwner::Policy { policy, .. }, RuleIndex::Rule(place)) = (&hit.owner, hit.rule) else {
                continue;
            };
            let some = by_rule.entry((policy.clone(), record.edge.direction, place)).or_default();
            if some.len() < 3 && compare(&check, &record.as_recorded()) == Agreement::Agrees {
                some.push(record);
            }
        }
    }
    by_rule.retain(|_, some| !some.is_empty());
    for ((id, direction, place), some) in &by_rule {
        let flip = |set: &PolicySet| with_rule_flipped(set, id, *direction, *place);
        let later = later.iter().map(|(since, set)| (*since, flip(set))).collect();
        let check = check_of(run, flip(&before), later);
        for record in some {
            let found = compare(&check, &record.as_recorded());
            let edge = &record.edge;
            assert_eq!(found, Agreement::Differs(Cause::Unexplained), "{id} {direction} {place}: {edge}");
        }
    }
    by_rule.len()
}

#[test]
fn a_rule_that_does_the_opposite_leaves_what_it_decided_unexplained() {
    let (mut enforced, mut pending) = (0, 0);
    for run in RUNS {
        let Some(home) = recording(run) else { return };
        enforced += notice_flipped_rules(run, &home, |it| &it.enforced, TruthCheck::enforced);
        pending += notice_flipped_rules(run, &home, |it| &it.pending, TruthCheck::pending_by_checker);
    }
    eprintln!("rules that were flipped: {enforced} by the enforced trace, {pending} by the pending one");
    assert!(enforced >= 30 && pending >= 30, "{enforced}, {pending}");
}

#[test]
fn every_recorded_trace_agrees_or_has_a_cause() {
    let mut text = String::new();
    for run in RUNS {
        let Some(home) = recording(run) else { return };
        let (before, later) = eras(run, &home);
        let records = records(&home);
        let counts = compare(&check_of(run, before, later), &records);
        assert_eq!(counts.get(&Agreement::Differs(Cause::Unexplained)), None, "{run}");
        // A table in which causes explained whatever there is would prove nothing.
        let [enforced, _, by_checker] = counts[&Agreement::Agrees];
        for agreeing in [enforced, by_checker] {
            assert!(f64::from(agreeing) > 0.93 * records.len() as f64, "{run}: {agreeing}");
        }
        text.push_str(&table(run, records.len(), &counts));
        text.push('\n');
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/truth.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&golden).unwrap());
}

/// Whatever the record leaves open. Some ends of tiers are not those of the first policy that applies: they are charged to
/// the last.
#[test]
fn what_was_recorded_before_any_change_is_evidence_about_the_policies_in_force() {
    let (mut evident, mut not_to_the_first) = (0, 0);
    for run in RUNS {
        let Some(home) = recording(run) else { return };
        let (before, later) = eras(run, &home);
        let until = later[0].0.minus(flush_interval(run));
        let in_force = compile(before.clone());
        let to_the_first = Programs::compile_with(Arc::new(before), Options::private_pods());
        for Record { edge, enforced, action, .. } in records(&home).iter().filter(|it| it.end <= until) {
            let (direction, connection) = (edge.direction, Connection::from(edge));
            let evidence = in_force.evidence(direction, &connection, enforced, *action);
            assert!(evidence.is_some(), "{run}: {edge}: {:?}", enforced.lines().collect::<Vec<_>>());
            evident += 1;
            let found = to_the_first.enforced(direction, &connection, evidence.as_ref());
            not_to_the_first += u32::from(found.trace != *enforced);
        }
    }
    eprintln!(
        "{evident} traces, {not_to_the_first} with an end of tier that is not charged to the first policy"
    );
    assert!(evident > 1_000 && not_to_the_first > 30, "{evident}, {not_to_the_first}");
}
