//! Judging inside the engine: flows of edges that were judged before, and what a change judges again.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use flowstage::aggregate::{Limits, Retain, Settings, Spec as WindowSpec};
use flowstage::engine::{Engine, Event, Observed, Spec};
use flowstage::evaluate::Programs;
use flowstage::model::{
    Counters, Edge, Endpoint, EndpointView, EventTime, Flow, LabelsText, Offset, PartitionId, RecordedAction,
    Reporter, TraceText,
};

use crate::world::{Edit, Subjects, edges, edited, set};

const PARTITION: PartitionId = PartitionId(0);
const POLICIES: usize = 1_000;

fn engine(programs: &Arc<Programs>) -> Engine {
    let minute = Duration::from_secs(60);
    let spec = Spec {
        settings: Settings {
            spec: WindowSpec::new(5 * minute, minute, minute, minute).expect("a sound cut"),
            limits: Limits::default(),
            merge_partitions: 1,
        },
        retain: Retain::Windows,
        partitions: 1,
        incarnation: 1,
        message_bytes_max: 256 * 1024,
    };
    let mut engine = Engine::new(spec, Default::default(), Arc::clone(programs));
    engine.apply(Event::FlowsAssigned { partition: PARTITION, from: None }, &mut Vec::new());
    engine
}

/// The text of labels as the decoder hands it on.
fn labels(endpoint: &Endpoint) -> String {
    endpoint.labels.iter().flat_map(|it| it.iter()).map(|(key, value)| format!("{key}={value}\n")).collect()
}

fn view<'a>(endpoint: &'a Endpoint, labels: &'a str) -> EndpointView<'a> {
    EndpointView {
        kind: endpoint.kind,
        namespace: endpoint.namespace.as_deref(),
        name: &endpoint.name,
        name_scope: endpoint.name_scope,
        address: endpoint.address,
        labels: Some(LabelsText(labels)),
    }
}

fn flow<'a>(edge: &'a Edge, (source, dest): &'a (String, String)) -> Flow<'a> {
    Flow {
        start: EventTime::from_secs(1_000),
        end: EventTime::from_secs(1_010),
        reporter: Reporter::Destination,
        action: RecordedAction::Allow,
        source: view(edge.source(), source),
        dest: view(edge.dest(), dest),
        protocol: edge.protocol,
        source_port: None,
        dest_port: edge.port,
        service: None,
        counters: Counters { bytes_in: 1_000, ..Counters::default() },
        enforced: TraceText(""),
        pending: TraceText(""),
    }
}

/// Flows of edges that were judged: with the verdict, and without judging.
pub(crate) fn remembered(criterion: &mut Criterion) {
    let set = Arc::new(set(POLICIES, 3));
    let programs = Arc::new(Programs::compile(Arc::clone(&set)));
    let edges = edges(&set, 10_000, Subjects::All);
    let texts: Vec<_> = edges.iter().map(|it| (labels(it.source()), labels(it.dest()))).collect();
    let flows: Vec<_> = edges.iter().zip(&texts).map(|(edge, texts)| flow(edge, texts)).collect();
    let mut group = criterion.benchmark_group("remembered");
    group.throughput(Throughput::Elements(flows.len() as u64));
    let mut engine = engine(&programs);
    let mut offset = Offset(0);
    let mut pass = |observe: fn(&mut Engine, Offset, &Flow<'_>) -> Observed, hands_out: bool| {
        for flow in &flows {
            assert_eq!(observe(&mut engine, offset, flow), Observed::Counted);
            offset.0 += 1;
        }
        if hands_out {
            engine.drain_tally(|_, _| {});
        }
    };
    let judge = |engine: &mut Engine, offset, flow: &Flow<'_>| engine.observe(PARTITION, offset, None, flow);
    pass(judge, true);
    group.bench_function("not judged", |bench| {
        bench.iter(|| pass(|engine, offset, flow| engine.count(PARTITION, offset, None, flow), false));
    });
    group.bench_function("judged", |bench| {
        bench.iter(|| pass(judge, false));
    });
    group.bench_function("judged, and counts handed out", |bench| {
        bench.iter(|| pass(judge, true));
    });
    group.finish();
}

/// Other programs come into force: what is compiled already is compared, and every edge is looked at once. Each time
/// there and back.
pub(crate) fn changed(criterion: &mut Criterion) {
    let set = Arc::new(set(10_000, 3));
    let before = Arc::new(Programs::compile(Arc::clone(&set)));
    let edges = edges(&set, 100_000, Subjects::All);
    let mut group = criterion.benchmark_group("changed, 100,000 edges, there and back");
    group.sample_size(10);
    for edit in [Edit::Policy, Edit::Label, Edit::NetworkSet] {
        let mut engine = engine(&before);
        for (edge, offset) in edges.iter().zip(0..) {
            let texts = (labels(edge.source()), labels(edge.dest()));
            engine.observe(PARTITION, Offset(offset), None, &flow(edge, &texts));
        }
        engine.drain_tally(|_, _| {});
        let after = Arc::new(before.recompile(Arc::new(edited(&set, edit))).0);
        let mut adopt = |programs: &Arc<Programs>| {
            engine.apply(Event::CatalogChanged(Arc::clone(programs)), &mut Vec::new());
            engine.judged()
        };
        eprintln!("{edit:?} changed: {} of {} edges keep their verdict", adopt(&after), edges.len());
        group.bench_function(BenchmarkId::from_parameter(format!("{edit:?}")), |bench| {
            bench.iter(|| (adopt(&before), adopt(&after)));
        });
    }
    group.finish();
}
