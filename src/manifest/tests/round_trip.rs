//! What is written reads as the same.

use expect_test::expect;
use proptest::prelude::*;

use super::super::{to_json, write, write_network_set, write_tier};
use super::generated::{calico_policy, cluster_policy, kubernetes_policy};
use super::*;
use crate::model::{LabelSet, Name};
use crate::policy::{DefaultAction, NetworkSet, Order, Tier};

/// Writes and reads back, as YAML and as JSON.
fn same(policy: &Policy) -> Result<(), TestCaseError> {
    let yaml = write(policy).map_err(|it| TestCaseError::fail(it.to_string()))?;
    let json = to_json(policy).map_err(|it| TestCaseError::fail(it.to_string()))?.to_string();
    for text in [&yaml, &json] {
        let objects = match read(text, "written") {
            Ok(objects) => objects,
            Err(errors) => return Err(TestCaseError::fail(format!("{}\n{text}", errors[0]))),
        };
        prop_assert_eq!(objects.len(), 1);
        prop_assert_eq!(&objects[0].item, &Item::Policy(Box::new(policy.clone())), "{}", text);
    }
    prop_assert_eq!(write(policy), Ok(yaml));
    Ok(())
}

proptest! {
    #[test]
    fn calico_policies_are_read_as_they_were_written(policy in calico_policy()) {
        same(&policy)?;
    }

    #[test]
    fn kubernetes_policies_are_read_as_they_were_written(policy in kubernetes_policy()) {
        same(&policy)?;
    }

    #[test]
    fn cluster_policies_are_read_as_they_were_written(policy in cluster_policy()) {
        same(&policy)?;
    }

    #[test]
    fn sets_are_read_as_they_were_written(
        nets in proptest::collection::vec(any::<std::net::IpAddr>(), 0..4),
        domain in proptest::option::of("[a-z]{1,5}\\.example"),
        global in any::<bool>(),
    ) {
        let set = NetworkSet {
            namespace: (!global).then(|| Name::from("shop")),
            name: Name::from("set"),
            labels: [("role", "db")].into_iter().collect(),
            nets: nets.into_iter().map(Into::into).collect(),
            domains: domain.into_iter().collect(),
        };
        let read = read(&write_network_set(&set), "written").unwrap();
        prop_assert_eq!(&read[0].item, &Item::NetworkSet(set));
    }
}

#[test]
fn tiers_are_read_as_they_were_written() {
    for (order, default_action) in [(100.0, DefaultAction::Deny), (0.5, DefaultAction::Pass)] {
        let tier = Tier { name: Name::from("security"), order: Order::new(order), default_action };
        assert_eq!(objects(&write_tier(&tier))[0].item, Item::Tier(tier));
    }
}

#[test]
fn a_staged_removal_is_read_as_it_was_written() {
    for kind in ["StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy"] {
        let (policy, _) = policy(&calico(kind, "stagedAction: Delete"));
        same(&policy).unwrap();
    }
}

#[test]
fn what_is_written_is_for_people() {
    let text = "apiVersion: projectcalico.org/v3\n\
        kind: StagedNetworkPolicy\n\
        metadata: {name: db, namespace: shop, labels: {app: '1', on: 'true'}}\n\
        spec:\n  tier: security\n  order: 10.5\n  selector: app == 'db' && !has(x)\n  types: [Ingress, Egress]\n  \
        ingress:\n  - action: Allow\n    protocol: 6\n    metadata: {annotations: {why: 'it is: needed'}}\n    \
        source: {nets: [10.0.0.0/8, 10.1.2.3/32], notSelector: '!has(y)'}\n    \
        destination: {ports: [5432, '8000:8010', web]}\n  - action: Log\n  \
        egress:\n  - action: Deny\n    destination: {nets: ['fd00::/8']}\n";
    expect![[r#"
        apiVersion: projectcalico.org/v3
        kind: StagedNetworkPolicy
        metadata:
          name: db
          namespace: shop
          labels:
            app: '1'
            'on': 'true'
        spec:
          stagedAction: Set
          tier: security
          order: 10.5
          selector: (app == "db" && !has(x))
          types:
          - Ingress
          - Egress
          ingress:
          - action: Allow
            protocol: TCP
            metadata:
              annotations:
                why: 'it is: needed'
            source:
              nets:
              - 10.0.0.0/8
              - 10.1.2.3/32
              notSelector: '!has(y)'
            destination:
              ports:
              - 5432
              - '8000:8010'
              - web
          - action: Log
          egress:
          - action: Deny
            destination:
              nets:
              - 'fd00::/8'
    "#]]
    .assert_eq(&write(&policy(text).0).unwrap());
}

#[test]
fn what_a_kind_cannot_say_is_not_written() {
    let (mut policy, _) = policy(&kubernetes("podSelector: {}, ingress: [{}]"));
    policy.ingress[0].ip_version = Some(4);
    assert_eq!(
        write(&policy).unwrap_err().to_string(),
        "policy `knp:shop/db` asks for what its kind cannot say: ingress rule 0"
    );
    policy.ingress.clear();
    policy.tier = Name::from("security");
    assert!(write(&policy).is_err());
    policy.tier = Name::from("default");
    policy.selector = None;
    assert!(write(&policy).is_err());
    assert_eq!(policy.labels, LabelSet::default());
}
