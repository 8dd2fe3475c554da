//! In steady state a flow costs no heap allocation: proved by counting them.

#![expect(unsafe_code, reason = "an allocator that counts can only be written so")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use flowstage::decode::{Decoder, Format, PathCounts};

thread_local! {
    /// Allocations of this thread: other tests run beside, and must not be counted.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|it| it.set(it.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|it| it.set(it.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

/// Records of every kind that a topic holds, with changing sizes.
fn records() -> Vec<String> {
    let mut records = Vec::new();
    for it in 0..200_usize {
        let labels: Vec<_> = (0..it % 20).map(|label| format!("\"key{label}=value{it}\"")).collect();
        let labels = labels.join(",");
        let hits: Vec<_> =
            (0..it % 5).map(|hit| format!("\"{hit}|tier{hit}|gnp:policy{it}|pass|12\"")).collect();
        let hits = hits.join(",");
        let enterprise = format!(
            r#"{{"start_time":1790000000,"end_time":1790000300,"host":"node-{it}","reporter":"dst","action":"allow","proto":"tcp",
            "source_type":"wep","source_namespace":"shop","source_name":"-","source_name_aggr":"cart-{it}-*","source_ip":"10.0.0.{it}",
            "source_port":null,"source_labels":{{"labels":[{labels}]}},"dest_type":"wep","dest_namespace":"data",
            "dest_name":"-","dest_name_aggr":"caf\u00e9-*","dest_port":5432,"dest_labels":null,"novel":{{"a":[{it}]}},
            "policies":{{"enforced_policies":[{hits}],"pending_policies":[{hits}]}},"bytes_in":{it},"num_flows":4}}"#
        );
        let goldmane = format!(
            r#"{{"Key":{{"source_name":"a-*","source_namespace":"b","source_type":1,"dest_name":"c","dest_namespace":"d",
            "dest_type":1,"dest_port":80,"proto":"tcp","reporter":1,"action":2,"policies":{{"enforced_policies":[
            {{"kind":10,"tier":"t","action":2,"policy_index":{it},"rule_index":-1,
            "trigger":{{"kind":3,"namespace":"d","name":"p","tier":"t"}}}}]}}}},
            "end_time":1790000300,"source_labels":[{labels}]}}"#
        );
        records.push(serde_json::json!({ "@timestamp": 1.5, "log": enterprise }).to_string());
        // As the exporter itself writes it, which another reader takes.
        records.push(enterprise.replace("\n            ", "").replace("\\u00e9", "e"));
        records.push(enterprise);
        records.push(goldmane);
    }
    records
}

#[test]
fn a_flow_costs_no_allocation_in_steady_state() {
    let records = records();
    let mut decoder = Decoder::new(Format::Auto);
    let mut decode_all = || {
        for record in &records {
            let flow = decoder.decode(record.as_bytes());
            assert!(flow.is_ok());
            std::hint::black_box(&flow);
        }
    };
    let warm_up = count(&mut decode_all);
    assert!(warm_up > 0, "the allocator does not count");
    assert_eq!(count(&mut decode_all), 0);
    assert_eq!(decoder.paths(), PathCounts { scanner: 2 * 200, fallback: 2 * 600 });
}
