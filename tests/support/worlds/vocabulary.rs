//! Few words, so that things meet.

use flowstage::model::{IpAddr, IpNet, LabelSet, Name};
use flowstage::policy::Selector;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

pub const NAMESPACES: [&str; 3] = ["shop", "ops", "web"];
pub const ACCOUNTS: [&str; 3] = ["default", "web-sa", "bot"];
pub const PORTS: [u16; 5] = [53, 80, 443, 5432, 8080];
/// Ports that are always open at hosts, in one direction or in both.
pub const FAILSAFE_PORTS: [u16; 5] = [22, 53, 67, 68, 179];
pub const PORT_NAMES: [&str; 3] = ["http", "dns", "pg"];

const KEYS: [&str; 4] = ["app", "tier", "zone", "env"];
const VALUES: [&str; 4] = ["web", "db", "we", ""];

pub fn pick<T: Clone>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    from.choose(rng).expect("something to pick from").clone()
}

pub fn name(rng: &mut ChaCha8Rng, from: &[&str]) -> Name {
    Name::from(pick(rng, from))
}

pub fn maybe<T>(rng: &mut ChaCha8Rng, chance: f64, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> Option<T> {
    rng.random_bool(chance).then(|| draw(rng))
}

pub fn some<T>(rng: &mut ChaCha8Rng, most: usize, mut draw: impl FnMut(&mut ChaCha8Rng) -> T) -> Vec<T> {
    let count = rng.random_range(0..=most);
    (0..count).map(|_| draw(rng)).collect()
}

pub fn labels(rng: &mut ChaCha8Rng) -> LabelSet {
    some(rng, 3, |rng| (pick(rng, &KEYS), pick(rng, &VALUES))).into_iter().collect()
}

/// Addresses of pods and hosts, and of what lies outside.
pub fn address(rng: &mut ChaCha8Rng, is_v4: bool) -> IpAddr {
    const V4: [&str; 8] = [
        "10.0.1.10",
        "10.0.1.20",
        "10.0.1.21",
        "10.0.2.30",
        "192.168.7.7",
        "8.8.8.8",
        "203.0.113.9",
        "198.51.100.7",
    ];
    const V6: [&str; 5] = ["fd00::10", "fd00::20", "fd00::1:30", "2001:db8::5", "2606:4700::1111"];
    let text = if is_v4 { pick(rng, &V4) } else { pick(rng, &V6) };
    text.parse().expect("an address")
}

pub fn net(rng: &mut ChaCha8Rng) -> IpNet {
    const NETS: [&str; 18] = [
        "10.0.1.0/24",
        "10.0.1.0/27",
        "10.0.0.0/8",
        "10.0.0.0/9",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "192.168.7.7/32",
        "203.0.113.0/24",
        "198.51.100.0/25",
        "8.8.8.8/32",
        "0.0.0.0/0",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "::/0",
        "fd00::/8",
        "fd00::/112",
        "2001:db8::/32",
        "2001:db8::5/128",
    ];
    pick(rng, &NETS).parse().expect("a prefix")
}

/// A list of prefixes; at times one that covers all private addresses, or all there are.
pub fn nets(rng: &mut ChaCha8Rng) -> Vec<IpNet> {
    let parse = |texts: &[&str]| texts.iter().map(|it| it.parse().expect("a prefix")).collect();
    match rng.random_range(0..12) {
        0 => parse(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
        1 => parse(&["0.0.0.0/0", "::/0"]),
        _ => (0..rng.random_range(1..=3)).map(|_| net(rng)).collect(),
    }
}

/// Whose labels a selector is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    Endpoints,
    Namespaces,
    Accounts,
}

pub fn selector(rng: &mut ChaCha8Rng, about: About) -> Selector {
    Selector::parse(&expression(rng, about, 2)).expect("a selector")
}

fn expression(rng: &mut ChaCha8Rng, about: About, depth: usize) -> String {
    match rng.random_range(0..if depth == 0 { 8 } else { 12 }) {
        8 => format!("!({})", expression(rng, about, depth - 1)),
        9 | 10 => {
            let (a, b) = (expression(rng, about, depth - 1), expression(rng, about, depth - 1));
            format!("({a}) && ({b})")
        }
        11 => {
            let (a, b) = (expression(rng, about, depth - 1), expression(rng, about, depth - 1));
            format!("({a}) || ({b})")
        }
        0 if rng.random_bool(0.4) => "all()".to_owned(),
        _ => operation(rng, about),
    }
}

fn operation(rng: &mut ChaCha8Rng, about: About) -> String {
    let (key, values): (&str, &[&str]) = match (about, rng.random_range(0..6)) {
        (About::Endpoints, 0) => match rng.random_range(0..3) {
            0 => ("projectcalico.org/namespace", &NAMESPACES),
            1 => ("projectcalico.org/orchestrator", &["k8s"]),
            _ => ("projectcalico.org/serviceaccount", &ACCOUNTS),
        },
        (About::Namespaces, 0) => ("projectcalico.org/name", &NAMESPACES),
        (About::Namespaces, 1) => ("kubernetes.io/metadata.name", &NAMESPACES),
        (About::Accounts, 0 | 1) => ("projectcalico.org/name", &ACCOUNTS),
        _ => (pick(rng, &KEYS), &VALUES),
    };
    let value = pick(rng, values);
    let set = some(rng, 2, |rng| format!("'{}'", pick(rng, values))).join(", ");
    match rng.random_range(0..12) {
        0 | 1 => format!("has({key})"),
        2..=4 => format!("{key} == '{value}'"),
        5 => format!("{key} != '{value}'"),
        6 | 7 => format!("{key} in {{{set}}}"),
        8 => format!("{key} not in {{{set}}}"),
        9 => format!("{key} contains '{value}'"),
        10 => format!("{key} starts with '{value}'"),
        _ => format!("{key} ends with '{value}'"),
    }
}
