//! The fast evaluator against the slow one, on random worlds: is it the same function?
//!
//! 20,000 comparisons in an ordinary run, a million with `FLOWSTAGE_TEST_LONG=1`. Every world is a function of its
//! seed, which a failure prints together with the smallest world that still fails.

#![allow(clippy::print_stdout, reason = "says how much was compared")]

mod support;

use std::sync::Arc;

use flowstage::evaluate::{Connection, Failsafe, Judge, Judgement, Options, Outcome, Programs, Verdict};
use flowstage::manifest;
use flowstage::model::{Direction, EndpointKind};
use flowstage::policy::PolicySet;
use support::reference::{Mode, Reference};
use support::worlds::{Case, Question, World, shrink};

const QUESTIONS: usize = 20;

fn worlds() -> u64 {
    let is_long = std::env::var("FLOWSTAGE_TEST_LONG").is_ok_and(|it| it == "1");
    if is_long { 25_000 } else { 500 }
}

/// Whether the slow evaluator has no rules for a case: it leaves out the chains of host endpoints that stand before
/// connection tracking and before translation (and their failsafe ports, which are switched off here).
fn is_left_out(case: &Case) -> bool {
    let question = &case.question;
    let subject = match question.direction {
        Direction::Egress => &question.source,
        Direction::Ingress => &question.dest,
    };
    subject.kind == EndpointKind::Host
        && case.world.policies.iter().any(|it| it.global.do_not_track || it.global.pre_dnat)
}

/// Both evaluators of a world. The judge is one for all questions, so it answers from memory too.
struct Evaluators<'a> {
    programs: Arc<Programs>,
    judge: Judge,
    reference: Reference<'a>,
}

impl<'a> Evaluators<'a> {
    fn new(set: &'a Arc<PolicySet>) -> Self {
        let failsafe = Failsafe { inbound: Vec::new(), outbound: Vec::new() };
        let options = Options { failsafe, ..Options::default() };
        let programs = Arc::new(Programs::compile_with(Arc::clone(set), options));
        let judge = Judge::new(Arc::clone(&programs));
        Self { programs, judge, reference: Reference::new(set, Mode::Strict) }
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
fn both(case: &Case) -> [(Judgement, Judgement); 2] {
    let set = Arc::new(case.world.set());
    Evaluators::new(&set).both(&case.question)
}

fn differs(case: &Case) -> bool {
    both(case).iter().any(|(fast, slow)| fast != slow)
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
}

impl Tally {
    fn count(&mut self, judgement: &Judgement) {
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
        let mut evaluators = Evaluators::new(&set);
        for question in world.questions(seed, QUESTIONS) {
            let case = Case { world: world.clone(), question };
            if is_left_out(&case) {
                continue;
            }
            for (fast, slow) in evaluators.both(&case.question) {
                if fast != slow {
                    if differs(&case) {
                        let small = shrink(case, &differs);
                        panic!("seed {seed}: the evaluators differ\n{}", describe(&small));
                    }
                    panic!(
                        "seed {seed}: they differ by what the judge remembers\n{} fast {}\n slow {}",
                        describe(&case),
                        summary(&fast),
                        summary(&slow)
                    );
                }
                tally.count(&fast);
            }
        }
    }
    println!("part {part}: {tally:?}");
    let Tally { agrees, would_deny, would_allow, undetermined, joint_blame, staged } = tally;
    let kinds = [agrees, would_deny, would_allow, undetermined, joint_blame, staged];
    assert!(kinds.iter().all(|it| *it > 0), "a kind of answer never came up: {tally:?}");
}

/// The case as a person reads it: manifests, what else is known, the question, both answers.
fn describe(case: &Case) -> String {
    let Case { world, question } = case;
    let mut text = String::new();
    for tier in &world.tiers {
        text += &manifest::write_tier(tier);
    }
    for policy in &world.policies {
        text += &manifest::write(policy).unwrap_or_else(|_| format!("{policy:?}\n"));
    }
    for set in &world.cluster.network_sets {
        text += &manifest::write_network_set(set);
    }
    let cluster = &world.cluster;
    text += &list(&cluster.namespaces);
    text += &list(&cluster.service_accounts);
    text += &list(&cluster.workloads);
    text += &list(&cluster.host_endpoints);
    text += &list(&cluster.profiles);
    text += &list(&cluster.services);
    text += &format!("{question:?}\n");
    for (what, (fast, slow)) in ["connection", "edge"].into_iter().zip(both(case)) {
        if fast != slow {
            text += &format!("as {what}\n fast {}\n slow {}\n", summary(&fast), summary(&slow));
        }
    }
    text
}

fn list<T: std::fmt::Debug>(items: &[T]) -> String {
    items.iter().map(|it| format!("{it:?}\n")).collect()
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
