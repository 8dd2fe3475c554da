//! Random clusters, of which some things are not known.

use flowstage::model::{IpAddr, Name, Protocol};
use flowstage::policy::{
    Cluster, HostEndpoint, NamedPort, Namespace, NetworkSet, Profile, Rule, RuleAction, ServiceAccount,
    ServiceEndpoints, ServicePort, Workload,
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::vocabulary::{
    ACCOUNTS, NAMESPACES, PORT_NAMES, PORTS, address, labels, maybe, name, nets, pick, some,
};

pub fn draw(rng: &mut ChaCha8Rng) -> Cluster {
    let families = pick(rng, &[(true, false), (true, true), (true, true), (false, true)]);
    let workloads = workloads(rng, families);
    Cluster {
        namespaces: namespaces(rng),
        service_accounts: service_accounts(rng),
        network_sets: network_sets(rng),
        services: services(rng, families),
        host_endpoints: host_endpoints(rng, families),
        profiles: profiles(rng),
        workloads,
    }
}

fn namespaces(rng: &mut ChaCha8Rng) -> Vec<Namespace> {
    NAMESPACES.into_iter().filter_map(|it| maybe(rng, 0.8, |rng| namespace(rng, it))).collect()
}

/// A namespace with the label that every cluster gives it.
fn namespace(rng: &mut ChaCha8Rng, name: &str) -> Namespace {
    let mut labels = labels(rng);
    labels.insert(Name::from("kubernetes.io/metadata.name"), Name::from(name));
    Namespace { name: Name::from(name), labels }
}

fn service_accounts(rng: &mut ChaCha8Rng) -> Vec<ServiceAccount> {
    let mut accounts = Vec::new();
    for namespace in NAMESPACES.map(Name::from) {
        for account in ACCOUNTS.map(Name::from) {
            let namespace = namespace.clone();
            accounts.extend(maybe(rng, 0.7, |rng| ServiceAccount {
                namespace,
                name: account,
                labels: labels(rng),
            }));
        }
    }
    accounts
}

/// One to five pods; of some there are replicas, which differ in a label now and then.
fn workloads(rng: &mut ChaCha8Rng, families: (bool, bool)) -> Vec<Workload> {
    let mut workloads: Vec<Workload> = Vec::new();
    for number in 0..rng.random_range(1..=3) {
        let generate_name = maybe(rng, 0.6, |_| Name::from(format!("pod-{number}-")));
        let first = Workload {
            namespace: name(rng, &NAMESPACES),
            name: Name::from(format!("pod-{number}-a")),
            labels: labels(rng),
            service_account: name(rng, &ACCOUNTS),
            addresses: addresses(rng, families),
            ports: some(rng, 2, named_port),
            generate_name,
        };
        if first.generate_name.is_some() && rng.random_bool(0.6) {
            let mut second = first.clone();
            second.name = Name::from(format!("pod-{number}-b"));
            second.addresses = addresses(rng, families);
            match rng.random_range(0..4) {
                0 => second.labels = labels(rng),
                1 => second.service_account = name(rng, &ACCOUNTS),
                2 => second.ports = some(rng, 2, named_port),
                _ => {}
            }
            workloads.push(second);
        }
        workloads.push(first);
    }
    workloads
}

fn addresses(rng: &mut ChaCha8Rng, (v4, v6): (bool, bool)) -> Vec<IpAddr> {
    let (v4, v6) = match rng.random_range(0..10) {
        0..=4 if v4 && v6 => pick(rng, &[(true, false), (false, true)]),
        9 => (false, false),
        _ => (v4, v6),
    };
    let v4 = v4.then(|| address(rng, true));
    let v6 = v6.then(|| address(rng, false));
    v4.into_iter().chain(v6).collect()
}

fn named_port(rng: &mut ChaCha8Rng) -> NamedPort {
    NamedPort {
        name: name(rng, &PORT_NAMES),
        protocol: pick(rng, &[Protocol::TCP, Protocol::TCP, Protocol::UDP]),
        port: pick(rng, &PORTS),
    }
}

fn network_sets(rng: &mut ChaCha8Rng) -> Vec<NetworkSet> {
    let count = rng.random_range(0..=2);
    (0..count)
        .map(|number| NetworkSet {
            namespace: maybe(rng, 0.4, |rng| name(rng, &NAMESPACES)),
            name: Name::from(format!("set-{number}")),
            labels: labels(rng),
            nets: nets(rng),
            domains: maybe(rng, 0.1, |_| "example.org".to_owned()).into_iter().collect(),
        })
        .collect()
}

fn services(rng: &mut ChaCha8Rng, families: (bool, bool)) -> Vec<ServiceEndpoints> {
    let mut number = 0;
    some(rng, 2, |rng| ServiceEndpoints {
        namespace: name(rng, &NAMESPACES),
        service: Name::from("svc"),
        slice: {
            number += 1;
            Name::from(format!("svc-{number}"))
        },
        addresses: addresses(rng, families),
        ports: some(rng, 2, |rng| ServicePort {
            name: Name::from(""),
            protocol: pick(rng, &[Protocol::TCP, Protocol::TCP, Protocol::UDP, Protocol::SCTP]),
            port: maybe(rng, 0.8, |rng| pick(rng, &PORTS)),
        }),
    })
}

fn host_endpoints(rng: &mut ChaCha8Rng, families: (bool, bool)) -> Vec<HostEndpoint> {
    let host = |rng: &mut ChaCha8Rng| HostEndpoint {
        name: Name::from("node-a"),
        node: Name::from("a"),
        interface_name: Some(Name::from("eth0")),
        labels: labels(rng),
        expected_ips: addresses(rng, families),
        profiles: some(rng, 2, |rng| {
            name(rng, &["projectcalico-default-allow", "custom", "gone", "kns.shop"])
        }),
        ports: some(rng, 1, named_port),
    };
    maybe(rng, 0.4, host).into_iter().collect()
}

fn profiles(rng: &mut ChaCha8Rng) -> Vec<Profile> {
    use flowstage::model::Action::{Allow, Deny, Pass};
    let rule = |rng: &mut ChaCha8Rng| {
        let mut rule = Rule::new(RuleAction::Terminal(pick(rng, &[Allow, Allow, Deny, Pass])));
        rule.protocol = maybe(rng, 0.7, |rng| pick(rng, &[Protocol::TCP, Protocol::UDP]));
        rule
    };
    let profile = |rng: &mut ChaCha8Rng| Profile {
        name: Name::from("custom"),
        labels_to_apply: labels(rng),
        ingress: some(rng, 2, rule),
        egress: some(rng, 2, rule),
    };
    maybe(rng, 0.5, profile).into_iter().collect()
}
