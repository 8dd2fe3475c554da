//! The little cluster of the manual's worked examples, and the one way to check them.

use std::sync::Arc;

use flowstage::evaluate::{self, Answer, Connection, EndOfTier, Options, Programs, Switches, Verdict};
use flowstage::model::{
    Direction, Endpoint, EndpointKind, IcmpMessage, IpAddr, Name, NameScope, Protocol, Trace,
};
use flowstage::policy::PolicySet;

use super::manifests;
use super::reference::{Charge, Mode, Reference, Scope};

const CLUSTER: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ops, labels: {env: mgmt}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: web-sa, labels: {team: a}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: default}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: ops, name: default}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web, tier: front}}
spec: {nodeName: node-1, serviceAccountName: web-sa, containers: [{name: main}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.10}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db, labels: {app: db}}
spec: {nodeName: node-1, serviceAccountName: default, containers: [{name: main, ports: [{name: pg, containerPort: 5432}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.20}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: ops, name: job, labels: {app: job}}
spec: {nodeName: node-1, serviceAccountName: default, containers: [{name: main}]}
status: {phase: Running, podIPs: [{ip: 10.0.2.30}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: corp, labels: {zone: corp}}
spec: {nets: [203.0.113.0/24]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {namespace: shop, name: partners, labels: {kind: partner}}
spec: {nets: [198.51.100.0/24]}
---
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}, spec: {order: 100, defaultAction: Deny}}
---
{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: platform}, spec: {order: 200, defaultAction: Pass}}
";

/// The cluster with policies.
#[derive(Debug)]
pub struct Example {
    set: Arc<PolicySet>,
    slow: Mode,
    data_plane: Programs,
    checker: Programs,
}

/// A document of an object whose spec is written in one line.
pub fn object(kind: &str, id: &str, spec: &str) -> String {
    let version = match kind {
        "NetworkPolicy.k8s" => "networking.k8s.io/v1",
        "ClusterNetworkPolicy" => "policy.networking.k8s.io/v1alpha2",
        "EndpointSlice" => "discovery.k8s.io/v1",
        _ => "projectcalico.org/v3",
    };
    let kind = kind.trim_end_matches(".k8s");
    let meta = match id.split_once('/') {
        Some((namespace, name)) => format!("{{namespace: {namespace}, name: {name}}}"),
        None => format!("{{name: {id}}}"),
    };
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {meta}\nspec: {spec}\n")
}

pub fn np(id: &str, spec: &str) -> String {
    object("NetworkPolicy", id, spec)
}

pub fn gnp(id: &str, spec: &str) -> String {
    object("GlobalNetworkPolicy", id, spec)
}

pub fn snp(id: &str, spec: &str) -> String {
    object("StagedNetworkPolicy", id, spec)
}

pub fn sgnp(id: &str, spec: &str) -> String {
    object("StagedGlobalNetworkPolicy", id, spec)
}

/// Puts documents beside the cluster.
#[track_caller]
pub fn example(documents: &[String]) -> Example {
    let mut text = CLUSTER.to_owned();
    for document in documents {
        text += "---\n";
        text += document;
    }
    let set = Arc::new(manifests::assemble_text(&text));
    let compile = |mode, end_of_tier| {
        let options = Options { mode, end_of_tier, ..Options::default() };
        Programs::compile_with(Arc::clone(&set), options)
    };
    Example {
        data_plane: compile(evaluate::Mode::Strict, EndOfTier::Last),
        checker: compile(evaluate::Mode::Conformance, EndOfTier::First),
        slow: Mode::Strict,
        set,
    }
}

impl Example {
    /// Follows the data plane to the letter, where it does not render exceptions of the other IP version.
    pub fn when_rendered(mut self) -> Self {
        let switches = Switches { not_nets_of_other_version_hold: false, ..Switches::DATA_PLANE };
        let options =
            Options { switches: Some(switches), end_of_tier: EndOfTier::Last, ..Options::default() };
        self.data_plane = Programs::compile_with(Arc::clone(&self.set), options);
        self.slow = Mode::Rendered;
        self
    }

    /// Checks both traces of the called end.
    #[track_caller]
    pub fn dst(&self, flow: &str, enforced: &str, pending: &str) -> &Self {
        self.check(Direction::Ingress, flow, enforced, pending)
    }

    /// Checks both traces of the calling end.
    #[track_caller]
    pub fn src(&self, flow: &str, enforced: &str, pending: &str) -> &Self {
        self.check(Direction::Egress, flow, enforced, pending)
    }

    /// Checks that both traces of the called end are this.
    #[track_caller]
    pub fn dst_both(&self, flow: &str, trace: &str) -> &Self {
        self.dst(flow, trace, trace)
    }

    /// Checks that both traces of the calling end are this.
    #[track_caller]
    pub fn src_both(&self, flow: &str, trace: &str) -> &Self {
        self.src(flow, trace, trace)
    }

    /// Checks that an end is open before all policy and profiles, so that nothing leaves a hit.
    #[track_caller]
    pub fn opens(&self, direction: Direction, flow: &str) -> &Self {
        let call = Call::read(flow);
        let fast = self.data_plane.judge(direction, &call.connection()).enforced;
        let slow = Reference::new(&self.set, self.slow);
        let slow = slow.verdict(Scope::Enforced, Charge::Last, direction, &call.connection());
        let open = Verdict { answer: Answer::Allow, trace: Trace::default() };
        assert_eq!([fast, slow], [open.clone(), open], "{flow}, {direction}");
        self
    }

    /// Checks what a host endpoint does to traffic that comes in and goes through it, on its way to another end.
    #[track_caller]
    pub fn through(&self, host: &str, flow: &str, answer: &str, trace: &str) -> &Self {
        let call = Call::read(flow);
        let (connection, host) = (call.connection(), Name::from(host));
        let fast = self.data_plane.judge_forwarded(&host, Direction::Ingress, &connection).enforced;
        let slow = Reference::new(&self.set, self.slow);
        let slow = slow.forwarded(&host, Scope::Enforced, Direction::Ingress, &connection);
        for (who, verdict) in [("fast", fast), ("slow", slow)] {
            assert_eq!(verdict.answer.as_str(), answer, "{flow} through {host}, {who}");
            assert_eq!(text(&verdict), trace, "{flow} through {host}, {who}");
        }
        self
    }

    #[track_caller]
    fn check(&self, direction: Direction, flow: &str, enforced: &str, pending: &str) -> &Self {
        let call = Call::read(flow);
        let connection = call.connection();
        let slow = |mode| Reference::new(&self.set, mode);
        let by_data_plane = slow(self.slow);
        let by_checker = slow(Mode::Conformance);
        let answers = [
            ("fast, enforced", enforced, self.data_plane.judge(direction, &connection).enforced),
            ("fast, pending", pending, self.checker.judge(direction, &connection).pending),
            (
                "slow, enforced",
                enforced,
                by_data_plane.verdict(Scope::Enforced, Charge::Last, direction, &connection),
            ),
            (
                "slow, pending",
                pending,
                by_checker.verdict(Scope::Pending, Charge::First, direction, &connection),
            ),
        ];
        for (who, expected, verdict) in answers {
            assert_eq!(text(&verdict), expected, "{flow}, {direction}, {who}");
            let last = verdict.trace.0.last().map(|it| it.action.as_str());
            assert_eq!(verdict.answer.as_str(), last.unwrap_or("deny"), "{flow}, {direction}, {who}");
        }
        self
    }
}

fn text(verdict: &Verdict) -> String {
    if let Answer::Undetermined(missing) = verdict.answer {
        return format!("undetermined for want of {missing}");
    }
    verdict.trace.lines().collect::<Vec<_>>().join(", ")
}

/// A connection as the examples write it: `web -> db:5432`, `udp web -> 8.8.8.8:53`, `icmp(13) web -> db`.
struct Call {
    source: Endpoint,
    dest: Endpoint,
    protocol: Protocol,
    port: Option<u16>,
    icmp: Option<IcmpMessage>,
}

impl Call {
    fn read(flow: &str) -> Self {
        let (source, dest) = flow.split_once(" -> ").expect("two ends");
        let (protocol, source) = source.split_once(' ').unwrap_or(("tcp", source));
        let (protocol, icmp_type) = match protocol.strip_suffix(')').and_then(|it| it.split_once('(')) {
            Some((protocol, number)) => (protocol, Some(number.parse().expect("an ICMP type"))),
            None => (protocol, None),
        };
        let (dest, port) = match dest.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
            Some((dest, port)) => (dest, Some(port.parse().expect("a port"))),
            None => (dest, None),
        };
        Self {
            source: end(source),
            dest: end(dest),
            protocol: protocol.parse().expect("a protocol"),
            port,
            icmp: icmp_type.map(|icmp_type| IcmpMessage { icmp_type, code: 0 }),
        }
    }

    fn connection(&self) -> Connection<'_> {
        Connection {
            source: &self.source,
            dest: &self.dest,
            protocol: self.protocol,
            source_port: self.port.map(|_| 40_000),
            dest_port: self.port,
            icmp: self.icmp,
        }
    }
}

fn end(name: &str) -> Endpoint {
    if let Some(host) = name.strip_prefix("hep:") {
        return Endpoint {
            kind: EndpointKind::Host,
            namespace: None,
            name: Name::from(host),
            name_scope: NameScope::Exact,
            address: None,
            labels: None,
        };
    }
    let pod = match name {
        "web" => Some(("shop", "10.0.1.10")),
        "db" => Some(("shop", "10.0.1.20")),
        "job" => Some(("ops", "10.0.2.30")),
        _ => None,
    };
    let address: IpAddr = pod.map_or(name, |it| it.1).parse().expect("a pod or an address");
    Endpoint {
        kind: if pod.is_some() { EndpointKind::Workload } else { EndpointKind::Network },
        namespace: pod.map(|it| Name::from(it.0)),
        name: Name::from(if pod.is_some() { name } else { "pub" }),
        name_scope: if pod.is_some() { NameScope::Exact } else { NameScope::Aggregated },
        address: Some(address),
        labels: None,
    }
}
