//! The fast evaluator against the slow one, on random worlds: is it the same function?
//!
//! 20,000 comparisons in an ordinary run, a million with `FLOWSTAGE_TEST_LONG=1`. Every world is a function of its
//! seed, which a failure prints together with the smallest world that still fails.

#![allow(clippy::print_stdout, reason = "says how much was compared")]

mod support;

use std::sync::Arc;

use flowstage::evaluate::{
    self, Connection, Judge, Judgement, Options, Outcome, Programs, Switches, Verdict,
};
use flowstage::model::{Endpoint, EndpointKind, LabelSet};
use flowstage::policy::{Cluster, Order, PolicySet};
use support::manifests;
use support::reference::{Mode, Reference, Scope};
use support::worlds::{Case, Question, World, shrink};

const QUESTIONS: usize = 20;

fn worlds() -> u64 {
    let is_long = std::env::var("FLOWSTAGE_TEST_LONG").is_ok_and(|it| it == "1");
    if is_long { 12_000 } else { 250 }
}

/// Both evaluators of a world. The judge is one for all questions, so it answers from memory too.
struct Evaluators<'a> {
    programs: Arc<Programs>,
    judge: Judge,
    reference: Reference<'a>,
}

impl<'a> Evaluators<'a> {
    fn new(set: &'a Arc<PolicySet>, mode: Mode) -> Self {
        let options = Options {
            mode: match mode {
                Mode::Strict | Mode::Rendered => evaluate::Mode::Strict,
                Mode::Conformance => evaluate::Mode::Conformance,
            },
            switches: (mode == Mode::Rendered)
                .then_some(Switches { not_nets_of_other_version_hold: false, ..Switches::DATA_PLANE }),
            ..Options::default()
        };
        let programs = Arc::new(Programs::compile_with(Arc::clone(set), options));
        let judge = Judge::new(Arc::clone(&programs));
        Self { programs, judge, reference: Reference::new(set, mode) }
    }

    /// What the two say, by whole connection and by edge.
    fn both(&mut self, question: &Question) -> [(Judgement, Judgement); 2] {
        let edge = question.edge();
        let id = self.judge.judge(&edge);
        let judged = self.judge.judgement(id).expect("a judgement that was just given");
        let slow = |connection: &Connection<'_>| self.reference.judge(question.direction, connection);
        [
            (self.programs.judge(question.direction, &question.connection()), slow(&question.connection())),
            (Judgement::clone(judged), slow(&Connection::from(&edge))),
        ]
    }
}

/// What two evaluators say of a case that met nothing before.
fn both(case: &Case, mode: Mode) -> [(Judgement, Judgement); 2] {
    let set = Arc::new(case.world.set());
    Evaluators::new(&set, mode).both(&case.question)
}

fn differs(case: &Case, mode: Mode) -> bool {
    both(case, mode).iter().any(|(fast, slow)| fast != slow)
}

/// How often each kind of answer came up: a comparison of nothing but agreement would prove little.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    agrees: u32,
    would_deny: u32,
    would_allow: u32,
    undetermined: u32,
    joint_blame: u32,
    staged: u32,
    hosts: u32,
    forwarded: u32,
}

impl Tally {
    fn count(&mut self, question: &Question, judgement: &Judgement) {
        self.hosts += u32::from(question.subject().kind == EndpointKind::Host);
        match &judgement.outcome {
            Outcome::Agrees => self.agrees += 1,
            Outcome::WouldDeny { .. } => self.would_deny += 1,
            Outcome::WouldAllow { .. } => self.would_allow += 1,
            Outcome::Undetermined { .. } => self.undetermined += 1,
        }
        self.joint_blame += u32::from(judgement.blame.len() > 1);
        self.staged += u32::from(!judgement.staged.is_empty());
    }
}

/// The seeds in parts that run side by side.
macro_rules! parts {
    ($($name:ident: $part:expr;)*) => {
        $(#[test]
        fn $name() {
            run($part);
        })*
    };
}

parts! {
    the_fast_evaluator_is_the_slow_one_in_every_fourth_world: 0;
    the_fast_evaluator_is_the_slow_one_in_those_one_further: 1;
    the_fast_evaluator_is_the_slow_one_in_those_two_further: 2;
    the_fast_evaluator_is_the_slow_one_in_those_three_further: 3;
}

fn run(part: usize) {
    let mut tally = Tally::default();
    for seed in (0..worlds()).skip(part).step_by(4) {
        let world = World::of(seed);
        let set = Arc::new(world.set());
        let questions = world.questions(seed, QUESTIONS);
        tally.forwarded += compare_forwarded(seed, &world, &set, &questions);
        // The checker's rules are compared as often as the data plane's; those to the letter differ in one point.
        for mode in [Mode::Strict, Mode::Conformance, Mode::Rendered] {
            if mode == Mode::Rendered && seed % 8 != 0 {
                continue;
            }
            let mut evaluators = Evaluators::new(&set, mode);
            for question in &questions {
                for (fast, slow) in evaluators.both(question) {
                    if fast != slow {
                        let case = Case { world: world.clone(), question: question.clone() };
                        report(seed, mode, case, &fast, &slow);
                    }
                    tally.count(question, &fast);
                }
            }
        }
    }
    println!("part {part}: {tally:?}");
    let Tally { agrees, would_deny, would_allow, undetermined, joint_blame, staged, hosts, forwarded } =
        tally;
    let kinds = [agrees, would_deny, would_allow, undetermined, joint_blame, staged, hosts, forwarded];
    assert!(kinds.iter().all(|it| *it > 0), "a kind of answer never came up: {tally:?}");
}

/// Compares what hosts do to traffic that goes through them; returns how many answers that was.
fn compare_forwarded(seed: u64, world: &World, set: &Arc<PolicySet>, questions: &[Question]) -> u32 {
    let mut count = 0;
    let Evaluators { programs, reference, .. } = Evaluators::new(set, Mode::Strict);
    for host in &world.cluster.host_endpoints {
        for question in questions {
            let connection = question.connection();
            let fast = programs.judge_forwarded(&host.name, question.direction, &connection);
            let slow = |scope| reference.forwarded(&host.name, scope, question.direction, &connection);
            assert_eq!(
                [fast.enforced, fast.pending],
                [slow(Scope::Enforced), slow(Scope::Pending)],
                "seed {seed}: through {}\n{}---\n{}",
                host.name,
                world.yaml(),
                question.yaml()
            );
            count += 1;
        }
    }
    count
}

/// The world after a change of its policies or its cluster.
fn changed(world: &World, seed: u64) -> World {
    let mut world = world.clone();
    let place = |count: usize| usize::try_from(seed / 4).expect("few worlds") % count.max(1);
    let World { tiers: _, policies, cluster } = &mut world;
    match seed % 4 {
        0 if !policies.is_empty() => {
            let at = place(policies.len());
            policies.remove(at);
        }
        1 if !policies.is_empty() => {
            let at = place(policies.len());
            policies[at].ingress.clear();
        }
        2 if !cluster.network_sets.is_empty() => {
            let at = place(cluster.network_sets.len());
            cluster.network_sets.remove(at);
        }
        _ if !cluster.workloads.is_empty() => {
            let at = place(cluster.workloads.len());
            cluster.workloads[at].labels = LabelSet::default();
        }
        _ => {}
    }
    world
}

#[test]
fn what_a_change_does_not_touch_is_judged_as_before() {
    let (mut untouched, mut touched) = (0, 0);
    for seed in 0..worlds() {
        let world = World::of(seed);
        let before = Programs::compile(Arc::new(world.set()));
        let (after, change) = before.recompile(Arc::new(changed(&world, seed).set().sharing(before.set())));
        for question in world.questions(seed, QUESTIONS) {
            let edge = question.edge();
            let of = |it: &Endpoint| change.touched(&before, &after, it);
            if of(&edge.subject).as_subject(edge.direction) || of(&edge.peer).as_peer {
                touched += 1;
                continue;
            }
            untouched += 1;
            let judge = |programs: &Programs| {
                let judgement = programs.judge(edge.direction, &Connection::from(&edge));
                let name = |place: u32| programs.set().policies()[place as usize].id.clone();
                let staged: Vec<_> = judgement.staged.iter().map(|it| (name(it.policy), it.result)).collect();
                (staged, Judgement { staged: Vec::new(), ..judgement })
            };
            assert_eq!(judge(&before), judge(&after), "seed {seed}: {edge}");
        }
    }
    println!("{untouched} untouched, {touched} touched");
    assert!(untouched > touched && touched > 0);
}

/// What a failure prints of the cluster can be read again, by the road of a user's manifests. (So can policies, but
/// that the random ones mix IP versions in a rule, which the API refuses.)
#[test]
fn a_world_is_printed_as_manifests_that_read_as_the_same_world() {
    for seed in 0..300 {
        let mut world = World::of(seed);
        world.policies.clear();
        // The API gives a tier without an order one.
        world.tiers.retain(|it| it.order != Order::LAST);
        // A slice is of one IP version.
        world.cluster.services.retain(|it| it.addresses.len() < 2);
        let (text, set) = (world.yaml(), world.set());
        let read = manifests::assemble_text(&text);
        assert_eq!(sorted(read.cluster()), sorted(set.cluster()), "seed {seed}\n{text}");
        assert_eq!(read.tiers(), set.tiers(), "seed {seed}\n{text}");
    }
}

/// The cluster without the order in which its objects were written.
fn sorted(cluster: &Cluster) -> Cluster {
    let mut cluster = cluster.clone();
    cluster.namespaces.sort();
    cluster.service_accounts.sort();
    cluster.network_sets.sort();
    cluster.workloads.sort();
    cluster.services.sort();
    cluster
}

/// Fails with the smallest case that still differs.
fn report(seed: u64, mode: Mode, case: Case, fast: &Judgement, slow: &Judgement) -> ! {
    if differs(&case, mode) {
        let small = shrink(case, &|it| differs(it, mode));
        panic!("seed {seed}, {mode:?}: the evaluators differ\n{}", describe(&small, mode));
    }
    panic!(
        "seed {seed}, {mode:?}: they differ by what the judge remembers\n{}fast {}\nslow {}",
        describe(&case, mode),
        summary(fast),
        summary(slow)
    );
}

/// The case as a person reads it: the objects as manifests, the question, both answers.
fn describe(case: &Case, mode: Mode) -> String {
    let mut text = case.world.yaml();
    text += &format!("---\n{}", case.question.yaml());
    for (what, (fast, slow)) in ["connection", "edge"].into_iter().zip(both(case, mode)) {
        if fast != slow {
            text += &format!("as {what}\nfast {}\nslow {}\n", summary(&fast), summary(&slow));
        }
    }
    text
}

fn summary(judgement: &Judgement) -> String {
    let verdict = |it: &Verdict| {
        let trace: Vec<String> = it.trace.lines().collect();
        format!("{:?} by [{}]", it.answer, trace.join(", "))
    };
    let Judgement { direction, enforced, pending, outcome, blame, staged } = judgement;
    format!(
        "{direction}\n  enforced {}\n  pending  {}\n  outcome {outcome:?}\n  blame {blame:?}\n  staged {staged:?}",
        verdict(enforced),
        verdict(pending)
    )
}
