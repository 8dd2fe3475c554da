//! One record to one flow, on either path of the decoder, against `serde_json` reading the same members into an owned struct.
//!
//! Two shapes of a seeded working set: about 1.1 KB (usual) and 1.8 KB (more labels and policies, process and TCP
//! statistics). The set does not fit the first-level cache, as records fresh from Kafka do not.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowstage::decode::{Decoder, Format};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// Records of one working set: some 4 MB.
const RECORDS: usize = 4_096;

/// A record with `labels` labels an end and `policies` hits a trace.
fn record(random: &mut ChaCha8Rng, labels: usize, policies: usize, statistics: bool) -> String {
    let app = random.random_range(0..400);
    let peer = random.random_range(0..400);
    let label_list = |app: usize| {
        let mut list =
            vec![format!("\"app.kubernetes.io/name=service-{app}\""), format!("\"tier=t{}\"", app % 4)];
        list.extend((2..labels).map(|it| format!("\"example.com/label-{it}=value-{}\"", app % (it * 7))));
        list.join(",")
    };
    let hits = |staged: &str| {
        let mut list: Vec<_> =
            (0..policies - 1).map(|it| format!("\"{it}|tier-{it}|gnp:tier-{it}.base|pass|{it}\"")).collect();
        list.push(format!(
            "\"{}|default|{staged}np:team-{}/service-{peer}|allow|3\"",
            policies - 1,
            peer % 40
        ));
        list.join(",")
    };
    let start = 1_790_000_000 + random.random_range(0..3_600);
    let statistics = if statistics {
        r#","process_name":"-","process_id":"-","process_args":["-"],"num_process_names":0,"num_process_ids":0,"num_process_args":0,"nat_outgoing_ports":null,"original_source_ips":null,"num_original_source_ips":0,"http_requests_allowed_in":0,"http_requests_denied_in":0,"tcp_mean_send_congestion_window":10,"tcp_min_send_congestion_window":10,"tcp_mean_smooth_rtt":1207,"tcp_max_smooth_rtt":2310,"tcp_mean_min_rtt":107,"tcp_max_min_rtt":120,"tcp_mean_mss":1400,"tcp_min_mss":1400,"tcp_total_retransmissions":0,"tcp_lost_packets":0,"tcp_unrecovered_to":0"#
    } else {
        ""
    };
    format!(
        r#"{{"start_time":{start},"end_time":{},"source_ip":null,"source_name":"-","source_name_aggr":"service-{app}-6d4cf56db6-*","source_namespace":"team-{}","source_port":null,"source_type":"wep","source_labels":{{"labels":[{}]}},"dest_ip":null,"dest_name":"-","dest_name_aggr":"service-{peer}-7f9c8b6d5-*","dest_namespace":"team-{}","dest_port":{},"dest_type":"wep","dest_labels":{{"labels":[{}]}},"dest_service_namespace":"team-{}","dest_service_name":"service-{peer}","dest_service_port":"http","dest_service_port_num":80,"dest_domains":null,"proto":"tcp","action":"allow","reporter":"{}","policies":{{"enforced_policies":[{}],"pending_policies":[{}]}},"bytes_in":{},"bytes_out":{},"num_flows":{},"num_flows_started":{},"num_flows_completed":2,"packets_in":{},"packets_out":{},"host":"node-{}","@timestamp":{}{statistics}}}"#,
        start + 300,
        app % 40,
        label_list(app),
        peer % 40,
        8_000 + peer % 100,
        label_list(peer),
        peer % 40,
        if random.random() { "src" } else { "dst" },
        hits(""),
        hits("s"),
        random.random_range(0..10_000_000),
        random.random_range(0..10_000_000),
        random.random_range(1..500),
        random.random_range(0..100),
        random.random_range(0..100_000),
        random.random_range(0..100_000),
        random.random_range(0..200),
        (start + 301) * 1_000,
    )
}

/// What a plain program would write: every member that the decoder reads, owned.
#[derive(Deserialize, Debug)]
#[expect(dead_code, reason = "filled, and dropped")]
struct Plain {
    start_time: i64,
    end_time: i64,
    source_ip: Option<String>,
    source_name: String,
    source_name_aggr: String,
    source_namespace: String,
    source_port: Option<u16>,
    source_type: String,
    source_labels: Option<Labels>,
    dest_ip: Option<String>,
    dest_name: String,
    dest_name_aggr: String,
    dest_namespace: String,
    dest_port: Option<u16>,
    dest_type: String,
    dest_labels: Option<Labels>,
    dest_service_namespace: String,
    dest_service_name: String,
    dest_service_port: String,
    dest_service_port_num: Option<u16>,
    proto: String,
    action: String,
    reporter: String,
    policies: Option<Policies>,
    bytes_in: u64,
    bytes_out: u64,
    num_flows: u64,
    num_flows_started: u64,
    num_flows_completed: u64,
    packets_in: u64,
    packets_out: u64,
}

#[derive(Deserialize, Debug)]
#[expect(dead_code, reason = "filled, and dropped")]
struct Labels {
    labels: Vec<String>,
}

#[derive(Deserialize, Debug)]
#[expect(dead_code, reason = "filled, and dropped")]
struct Policies {
    enforced_policies: Vec<String>,
    pending_policies: Vec<String>,
}

fn decode(criterion: &mut Criterion) {
    for (shape, labels, policies, statistics) in [("usual", 4, 2, false), ("large", 6, 3, true)] {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let records: Vec<_> =
            (0..RECORDS).map(|_| record(&mut random, labels, policies, statistics)).collect();
        let bytes = records.iter().map(String::len).sum::<usize>() / RECORDS;
        let mut group = criterion.benchmark_group(format!("decode/{shape}_{bytes}B"));
        group.throughput(Throughput::Elements(RECORDS as u64));
        group.bench_function("decoder", |bencher| {
            let mut decoder = Decoder::new(Format::Auto);
            bencher.iter(|| {
                for record in &records {
                    black_box(
                        decoder.decode(black_box(record.as_bytes())).expect("the record is well-formed"),
                    );
                }
            });
        });
        // The strict path decides on what begins with a space.
        let spaced: Vec<_> = records.iter().map(|it| format!(" {it}")).collect();
        group.bench_function("decoder_strict", |bencher| {
            let mut decoder = Decoder::new(Format::Auto);
            bencher.iter(|| {
                for record in &spaced {
                    black_box(
                        decoder.decode(black_box(record.as_bytes())).expect("the record is well-formed"),
                    );
                }
            });
        });
        group.bench_function("serde_json_owned", |bencher| {
            bencher.iter(|| {
                for record in &records {
                    let plain: Plain =
                        serde_json::from_slice(black_box(record.as_bytes())).expect("well-formed");
                    black_box(plain);
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
