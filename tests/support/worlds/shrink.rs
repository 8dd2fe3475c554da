//! Makes a failing case small.

use flowstage::policy::{EntityRule, Policy, Rule};

use super::{Case, Question, World};

/// Drops whatever can be dropped, as long as the case still fails.
pub fn shrink(mut case: Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    while let Some(simpler) = simpler_cases(&case).into_iter().find(|it| *it != case && fails(it)) {
        case = simpler;
    }
    case
}

/// Cases that are simpler by one thing, the biggest things first.
fn simpler_cases(case: &Case) -> Vec<Case> {
    let worlds =
        simpler_worlds(&case.world).into_iter().map(|world| Case { world, question: case.question.clone() });
    let questions = simpler_questions(&case.question)
        .into_iter()
        .map(|question| Case { world: case.world.clone(), question });
    worlds.chain(questions).collect()
}

fn simpler_worlds(world: &World) -> Vec<World> {
    let mut simpler = Vec::new();
    let mut add = |change: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        change(&mut world);
        simpler.push(world);
    };
    macro_rules! without_each {
        ($($list:ident).+) => {
            for idx in 0..world.$($list).+.len() {
                add(&|it| { it.$($list).+.remove(idx); });
            }
        };
    }
    without_each!(policies);
    without_each!(tiers);
    without_each!(cluster.workloads);
    without_each!(cluster.network_sets);
    without_each!(cluster.host_endpoints);
    without_each!(cluster.profiles);
    without_each!(cluster.services);
    without_each!(cluster.service_accounts);
    without_each!(cluster.namespaces);
    for (idx, policy) in world.policies.iter().enumerate() {
        for policy in simpler_policies(policy) {
            add(&|it| it.policies[idx] = policy.clone());
        }
    }
    for (idx, set) in world.cluster.network_sets.iter().enumerate() {
        for net in 0..set.nets.len() {
            add(&|it| {
                it.cluster.network_sets[idx].nets.remove(net);
            });
        }
        add(&|it| it.cluster.network_sets[idx].domains.clear());
        add(&|it| it.cluster.network_sets[idx].labels = Default::default());
    }
    for idx in 0..world.cluster.workloads.len() {
        add(&|it| it.cluster.workloads[idx].labels = Default::default());
        add(&|it| it.cluster.workloads[idx].ports.clear());
        add(&|it| it.cluster.workloads[idx].addresses.clear());
        add(&|it| it.cluster.workloads[idx].generate_name = None);
    }
    for idx in 0..world.cluster.host_endpoints.len() {
        add(&|it| it.cluster.host_endpoints[idx].labels = Default::default());
        add(&|it| it.cluster.host_endpoints[idx].ports.clear());
        add(&|it| it.cluster.host_endpoints[idx].profiles.clear());
        add(&|it| it.cluster.host_endpoints[idx].expected_ips.clear());
    }
    for idx in 0..world.cluster.profiles.len() {
        add(&|it| it.cluster.profiles[idx].labels_to_apply = Default::default());
        add(&|it| it.cluster.profiles[idx].ingress.clear());
        add(&|it| it.cluster.profiles[idx].egress.clear());
    }
    for idx in 0..world.cluster.namespaces.len() {
        add(&|it| it.cluster.namespaces[idx].labels = Default::default());
    }
    simpler
}

fn simpler_policies(policy: &Policy) -> Vec<Policy> {
    let mut simpler = Vec::new();
    let mut add = |change: &dyn Fn(&mut Policy)| {
        let mut policy = policy.clone();
        change(&mut policy);
        simpler.push(policy);
    };
    add(&|it| it.ingress.clear());
    add(&|it| it.egress.clear());
    for idx in 0..policy.ingress.len() {
        add(&|it| {
            it.ingress.remove(idx);
        });
    }
    for idx in 0..policy.egress.len() {
        add(&|it| {
            it.egress.remove(idx);
        });
    }
    add(&|it| it.selector = None);
    add(&|it| it.service_account_selector = None);
    add(&|it| it.global = Default::default());
    add(&|it| it.types.ingress = it.types.ingress && !it.types.egress);
    add(&|it| it.types.egress = it.types.egress && !it.types.ingress);
    for (idx, rule) in policy.ingress.iter().enumerate() {
        for rule in simpler_rules(rule) {
            add(&|it| it.ingress[idx] = rule.clone());
        }
    }
    for (idx, rule) in policy.egress.iter().enumerate() {
        for rule in simpler_rules(rule) {
            add(&|it| it.egress[idx] = rule.clone());
        }
    }
    simpler
}

fn simpler_rules(rule: &Rule) -> Vec<Rule> {
    let mut simpler = Vec::new();
    let mut add = |change: &dyn Fn(&mut Rule)| {
        let mut rule = rule.clone();
        change(&mut rule);
        simpler.push(rule);
    };
    add(&|it| *it = Rule::new(it.action));
    add(&|it| it.source = EntityRule::default());
    add(&|it| it.destination = EntityRule::default());
    add(&|it| it.ip_version = None);
    add(&|it| it.http = None);
    add(&|it| it.icmp = None);
    add(&|it| it.not_icmp = None);
    add(&|it| it.not_protocol = None);
    add(&|it| it.protocol = None);
    for entity in simpler_entities(&rule.source) {
        add(&|it| it.source = entity.clone());
    }
    for entity in simpler_entities(&rule.destination) {
        add(&|it| it.destination = entity.clone());
    }
    simpler
}

fn simpler_entities(entity: &EntityRule) -> Vec<EntityRule> {
    let mut simpler = Vec::new();
    let mut add = |change: &dyn Fn(&mut EntityRule)| {
        let mut entity = entity.clone();
        change(&mut entity);
        simpler.push(entity);
    };
    add(&|it| it.nets.clear());
    add(&|it| it.not_nets.clear());
    add(&|it| it.selector = None);
    add(&|it| it.not_selector = None);
    add(&|it| it.namespace_selector = None);
    add(&|it| it.service_accounts = None);
    add(&|it| it.services = None);
    add(&|it| it.ports.clear());
    add(&|it| it.not_ports.clear());
    add(&|it| it.domains.clear());
    for idx in 0..entity.nets.len() {
        add(&|it| {
            it.nets.remove(idx);
        });
    }
    for idx in 0..entity.not_nets.len() {
        add(&|it| {
            it.not_nets.remove(idx);
        });
    }
    simpler
}

fn simpler_questions(question: &Question) -> Vec<Question> {
    let mut simpler = Vec::new();
    let mut add = |change: &dyn Fn(&mut Question)| {
        let mut question = question.clone();
        change(&mut question);
        simpler.push(question);
    };
    add(&|it| it.source_port = None);
    add(&|it| it.icmp = None);
    add(&|it| it.source.labels = None);
    add(&|it| it.dest.labels = None);
    add(&|it| it.source.address = None);
    add(&|it| it.dest.address = None);
    simpler
}
