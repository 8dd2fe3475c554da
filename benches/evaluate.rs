//! Judging: a remembered judgement against none, the first one of an edge, the slow twin, compilation, and one change.
//!
//! What is timed as *first* is honest in this: every edge is another one, and no two have pods and port in common, of
//! 3,000 pods that are each a class of their own. At most one in a hundred finds the answer of another edge under the
//! same key of classes (printed as `share by class`); the others walk both programs, to the trace, but where no policy
//! selects the subject: that is known for all its edges after the first. *first, selected* leaves those out, so that
//! sets of few policies and of many are compared on equal terms. Ends have been met before, as a pod has many edges.

#[path = "evaluate/flows.rs"]
mod flows;
#[path = "../tests/support"]
mod support {
    #![allow(dead_code, unreachable_pub, unused_imports, reason = "the tests need more of it, elsewhere")]
    pub(crate) mod reference;
}
#[path = "evaluate/world.rs"]
mod world;

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowstage::evaluate::{Connection, EndId, Judge, Programs};
use flowstage::model::Edge;
use flowstage::policy::PolicySet;
use support::reference::{Mode, Reference};
use world::{Edit, Subjects, edges, edited, set};

const EDGES: usize = 100_000;
const RULES: usize = 3;

/// A judge that has met every end, and judged nothing between them on the ports of the edges; and the ends.
fn warm(programs: &Arc<Programs>, edges: &[Edge]) -> (Judge, Vec<(EndId, EndId)>) {
    let mut judge = Judge::new(Arc::clone(programs));
    for edge in edges {
        let _id = judge.judge(&Edge { port: None, peer: edge.subject.clone(), ..edge.clone() });
    }
    let ends = edges.iter().map(|it| (judge.meet(&it.subject), judge.meet(&it.peer))).collect();
    (judge, ends)
}

/// Judges as the engine does, which knows the ends of its edges by number.
fn judge_all((judge, ends): &mut (Judge, Vec<(EndId, EndId)>), edges: &[Edge]) {
    for (edge, (subject, peer)) in edges.iter().zip(ends) {
        black_box(judge.judge_between(*subject, *peer, edge.direction, edge.protocol, edge.port));
    }
}

/// Prints what the world is like, and what it takes in memory.
fn describe(count: usize, programs: &Programs, judge: &Judge, edges: &[Edge]) {
    // Ten ports in a row are two classes: five that some rule may name, and five that none does.
    let class = |it: &Edge| it.port.map(|port| port / 5);
    let keys: HashSet<_> = edges.iter().map(|it| (&it.subject, &it.peer, class(it))).collect();
    eprintln!(
        "{count} policies: compiled {} KiB; {} classes, {} judgements, judge {} KiB; share by class {:.1} %",
        programs.bytes() / 1024,
        judge.classes(),
        judge.len(),
        judge.bytes() / 1024,
        100.0 - 100.0 * keys.len() as f64 / edges.len() as f64
    );
}

fn first(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(EDGES as u64)).sample_size(10);
    for count in [100, 1_000, 10_000] {
        let set = Arc::new(set(count, RULES));
        let programs = Arc::new(Programs::compile(Arc::clone(&set)));
        for (name, subjects) in [("first", Subjects::All), ("first, selected", Subjects::Selected)] {
            let edges = edges(&set, EDGES, subjects);
            group.bench_function(BenchmarkId::new(name, count), |bench| {
                let all = |judge: &mut _| judge_all(judge, &edges);
                bench.iter_batched_ref(|| warm(&programs, &edges), all, BatchSize::PerIteration);
            });
        }
        let edges = edges(&set, EDGES, Subjects::All);
        let mut known = warm(&programs, &edges);
        judge_all(&mut known, &edges);
        describe(count, &programs, &known.0, &edges);
        group.bench_function(BenchmarkId::new("by class", count), |bench| {
            bench.iter(|| judge_all(&mut known, &edges));
        });
    }
    group.finish();
}

/// How the cost of an edge grows with their number.
fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edges");
    let set = Arc::new(set(1_000, RULES));
    let programs = Arc::new(Programs::compile(Arc::clone(&set)));
    let edges = edges(&set, 1_000_000, Subjects::All);
    for count in [10_000, 100_000, 1_000_000] {
        let edges = &edges[..count];
        group.throughput(Throughput::Elements(count as u64)).sample_size(10);
        group.bench_function(BenchmarkId::new("first", count), |bench| {
            let all = |judge: &mut _| judge_all(judge, edges);
            bench.iter_batched_ref(|| warm(&programs, edges), all, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Both evaluators on the same edges. The slow one knows neither classes nor memory.
fn twins(criterion: &mut Criterion) {
    let set = Arc::new(set(300, 70));
    let programs = Arc::new(Programs::compile(Arc::clone(&set)));
    let reference = Reference::new(&set, Mode::Strict);
    for (name, subjects) in [("all", Subjects::All), ("selected", Subjects::Selected)] {
        let mut group = criterion.benchmark_group(format!("twin of 300 policies by 70 rules, {name} ends"));
        let edges = edges(&set, 10_000, subjects);
        let few = &edges[..100];
        group.sample_size(10).throughput(Throughput::Elements(few.len() as u64));
        group.bench_function("slow", |bench| {
            bench.iter(|| {
                few.iter()
                    .for_each(|it| drop(black_box(reference.judge(it.direction, &Connection::from(it)))))
            });
        });
        group.throughput(Throughput::Elements(edges.len() as u64));
        group.bench_function("first", |bench| {
            let all = |judge: &mut _| judge_all(judge, &edges);
            bench.iter_batched_ref(|| warm(&programs, &edges), all, BatchSize::PerIteration);
        });
        group.finish();
    }
}

fn compiling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let set = Arc::new(set(count, RULES));
        group.bench_function(BenchmarkId::new("anew", count), |bench| {
            bench.iter_with_large_drop(|| Programs::compile(Arc::clone(&set)));
        });
        for edit in [Edit::Policy, Edit::Label, Edit::NetworkSet] {
            let before = Programs::compile(Arc::clone(&set));
            let after: Arc<PolicySet> = Arc::new(edited(&set, edit));
            group.bench_function(BenchmarkId::new(format!("{edit:?} changed"), count), |bench| {
                bench.iter_with_large_drop(|| before.recompile(Arc::clone(&after)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, flows::remembered, first, many, twins, compiling, flows::changed);
criterion_main!(benches);
