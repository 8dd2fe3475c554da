//! What the release of Calico decides: names, tiers, kinds, and the order of policies that tie.

use super::super::{assemble_for, read_for};
use super::*;
use crate::model::CalicoVersion;

/// The releases on both sides of every change.
const RELEASES: [&str; 4] = ["3.28", "3.29", "3.31", "3.32"];

fn version(text: &str) -> CalicoVersion {
    text.parse().unwrap()
}

/// A policy of Calico; global kinds have no namespace.
fn named(kind: &str, name: &str, tier: &str) -> String {
    calico(kind, &format!("tier: {tier}, types: [Ingress]")).replace("name: db", &format!("name: {name}"))
}

/// Reads for a release, and prints names or errors, joined by `; `.
fn said(text: &str, release: &str) -> String {
    let printed: Vec<String> = match read_for(text, "test.yaml", version(release)) {
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
        Ok(objects) => objects.iter().map(|it| it.item.identity().name.to_string()).collect(),
    };
    printed.join("; ")
}

/// Expects what each of [`RELEASES`] makes of a text: the begin of it, or of an error behind the field.
#[track_caller]
fn check(text: &str, expect: [&str; 4]) {
    for (release, expect) in RELEASES.into_iter().zip(expect) {
        let said = said(text, release);
        match expect.strip_prefix("refused: ") {
            Some(cause) => assert!(said.contains(&format!(": metadata.name: {cause}")), "{release}: {said}"),
            None => assert_eq!(said, expect, "{release}"),
        }
    }
}

/// The warnings, or else the errors, of one or several texts that are assembled for a release.
fn assembled(text: &str, release: &str) -> Result<(PolicySet, Vec<String>), Vec<String>> {
    let printed = |it: &dyn ToString| it.to_string();
    let objects = read_for(text, "test.yaml", version(release)).unwrap();
    match assemble_for(objects, version(release)) {
        Ok(it) => Ok((it.set, it.warnings.iter().map(|it| printed(it)).collect())),
        Err(errors) => Err(errors.iter().map(|it| printed(it)).collect()),
    }
}

#[test]
fn a_name_in_another_tier_begins_with_it_from_3_29_to_3_31() {
    const WANTED: &str = "refused: `block` does not begin with the policy's tier, as Calico 3.";
    for kind in ["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"] {
        check(&named(kind, "block", "security"), ["security.block", WANTED, WANTED, "block"]);
        check(&named(kind, "security.block", "security"), ["security.block"; 4]);
    }
    assert_eq!(
        said(&named("GlobalNetworkPolicy", "block", "security"), "3.31"),
        "test.yaml:3:18: GlobalNetworkPolicy block: metadata.name: `block` does not begin with the policy's tier, as \
         Calico 3.31 wants it; did you mean `security.block`?"
    );
    let other = said(&named("NetworkPolicy", "platform.block", "security"), "3.31");
    assert!(other.ends_with("did you mean `security.block`?"), "{other}");
    // The kinds of Kubernetes are in no tier of their author's.
    check(&kubernetes("podSelector: {}").replace("name: db", "name: a.b.c"), ["a.b.c"; 4]);
}

#[test]
fn a_name_in_the_tier_default_begins_with_no_other() {
    const REFUSED: &str =
        "refused: `security.web` begins with another tier than the policy's, `default`, which Calico 3.";
    let foreign = named("NetworkPolicy", "security.web", "default");
    check(&foreign, [REFUSED, REFUSED, REFUSED, "security.web"]);
    let said = said(&foreign, "3.31");
    assert!(said.ends_with("did you mean `web`, or `tier: security`?"), "{said}");
    check(&named("NetworkPolicy", "web", "default"), ["web"; 4]);
    // The tier that is left out is `default`.
    let left_out = calico("NetworkPolicy", "types: [Ingress]").replace("name: db", "name: security.web");
    check(&left_out, [REFUSED, REFUSED, REFUSED, "security.web"]);
    // Names that Calico reserves, and makes itself.
    check(&named("NetworkPolicy", "knp.default.a.b", "default"), ["knp.default.a.b"; 4]);
}

#[test]
fn the_alphabet_of_names_is_every_releases() {
    for release in RELEASES {
        for name in ["a.b.c", "Db", "default.a.b", "a_b"] {
            let said = said(&named("NetworkPolicy", name, "default"), release);
            assert!(said.contains("is no name for this kind"), "{release}: {said}");
        }
    }
}

#[test]
fn with_and_without_default_a_name_is_one_policys_up_to_3_31() {
    let both = format!(
        "{}---\n{}",
        named("NetworkPolicy", "web", "default"),
        named("NetworkPolicy", "default.web", "default")
    );
    check(&both, ["web; web", "web; web", "web; web", "web; default.web"]);
    for release in ["3.28", "3.29", "3.31"] {
        let errors = assembled(&both, release).unwrap_err();
        assert_eq!(
            errors,
            [format!(
                "test.yaml:6:1: NetworkPolicy shop/web: `web` and `default.web` are one policy in Calico {release}, \
                 which stands twice, first in test.yaml:1:1"
            )]
        );
    }
    let (set, warnings) = assembled(&both, "3.32").unwrap();
    assert_eq!((set.policies().len(), warnings.len()), (2, 0));
    // One name that stands twice is told as ever.
    let twice = format!("{0}---\n{0}", named("NetworkPolicy", "default.web", "default"));
    assert!(
        assembled(&twice, "3.31").unwrap_err()[0]
            .ends_with("the object stands twice, first in test.yaml:1:1")
    );
    // A staged policy is none with its enforced namesake.
    let staged = both.replacen("NetworkPolicy", "StagedNetworkPolicy", 1);
    assert_eq!(assembled(&staged, "3.31").unwrap().0.policies().len(), 2);
}

#[test]
fn a_stored_name_is_taken_back_to_the_users() {
    let stored = |name: &str, annotation: &str, tier: &str| {
        named("NetworkPolicy", name, tier)
            .replace("projectcalico.org/v3", "crd.projectcalico.org/v1")
            .replace("namespace: shop", &format!("namespace: shop{annotation}"))
    };
    let annotated = |json: &str| format!(", annotations: {{projectcalico.org/metadata: '{json}'}}");
    // Without the annotation the stored name is the user's, of which older releases do not count `default.`.
    check(&stored("default.web", "", "default"), ["web", "web", "web", "default.web"]);
    // Written by 3.29 or earlier.
    check(&stored("default.web", &annotated("{}"), "default"), ["web"; 4]);
    check(&stored("security.web", &annotated("{}"), "security"), ["security.web"; 4]);
    // Written later: the name in the annotation is the user's, with all that a release asks of it.
    let own = annotated(r#"{"name":"default.web"}"#);
    check(&stored("default.web", &own, "default"), ["web", "web", "web", "default.web"]);
    const WANTED: &str = "refused: `web` does not begin with the policy's tier, as Calico 3.";
    let bare = annotated(r#"{"name":"web"}"#);
    check(&stored("security.web", &bare, "security"), ["security.web", WANTED, WANTED, "web"]);
    // A policy that stands in both forms.
    let both =
        format!("{}---\n{}", stored("default.web", "", "default"), named("NetworkPolicy", "web", "default"));
    assert!(assembled(&both, "3.31").unwrap_err()[0].contains("`default.web` and `web` are one policy"));
    assert_eq!(assembled(&both, "3.32").unwrap().0.policies().len(), 2);
}

#[test]
fn each_release_has_its_tiers_and_watches_them() {
    let tier = |name: &str, order: u32| {
        calico("Tier", &format!("order: {order}")).replace("name: db", &format!("name: {name}"))
    };
    let wrong = "the tier `kube-admin` has the order 1000 and the default action Pass";
    for (release, is_watched) in [("3.28", false), ("3.31", false), ("3.32", true)] {
        let said = said(&tier("kube-admin", 5), release);
        assert_eq!(said.contains(wrong), is_watched, "{release}: {said}");
    }
    for release in RELEASES {
        assert!(said(&tier("default", 5), release).contains("the tier `default` has"), "{release}");
        assert_eq!(said(&tier("adminnetworkpolicy", 5), release), "adminnetworkpolicy");
    }
    // A policy in a tier that its release does not have.
    let missing = |tier: &str, release: &str| {
        let text = named("NetworkPolicy", &format!("{tier}.web"), tier);
        let (set, warnings) = assembled(&text, release).unwrap();
        let exists = set.tiers().iter().any(|it| it.name == tier);
        assert_eq!(exists, warnings.is_empty(), "{warnings:?}");
        !exists
    };
    let of = |tier: &str| RELEASES.map(|release| missing(tier, release));
    assert_eq!(of("kube-admin"), [true, true, true, false]);
    assert_eq!(of("adminnetworkpolicy"), [true, false, false, false]);
}

#[test]
fn a_kind_that_came_later_has_no_say_and_one_that_went_warns() {
    let admin = |version: &str, kind: &str| {
        format!(
            "apiVersion: policy.networking.k8s.io/{version}\nkind: {kind}\nmetadata: {{name: a}}\n\
             spec: {{tier: Admin, priority: 3, subject: {{namespaces: {{}}}}, egress: [{{action: Deny, to: [{{namespaces: {{}}}}]}}]}}\n"
        )
    };
    let cluster = admin("v1alpha2", "ClusterNetworkPolicy");
    let older = admin("v1alpha1", "AdminNetworkPolicy").replace("tier: Admin, ", "");
    let count = |text: &str| {
        RELEASES.map(|release| {
            let (set, warnings) = assembled(text, release).unwrap();
            (set.policies().len(), warnings.len())
        })
    };
    assert_eq!(count(&cluster), [(0, 1), (0, 1), (0, 1), (1, 0)]);
    assert_eq!(count(&older), [(0, 1), (1, 0), (1, 0), (1, 1)]);
    let (_, warnings) = assembled(&cluster, "3.31").unwrap();
    assert_eq!(
        warnings,
        [
            "test.yaml:1:1: ClusterNetworkPolicy a: Calico 3.31 does not read this kind, which came with 3.32: the \
             policy has no say"
        ]
    );
    // What a later Calico reads no more is evaluated all the same.
    for kind in ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"] {
        let text = older.replace("kind: AdminNetworkPolicy", &format!("kind: {kind}"));
        let text = if kind.starts_with('B') { text.replace("priority: 3, ", "") } else { text };
        let (_, warnings) = assembled(&text, "3.33").unwrap();
        assert_eq!(
            warnings,
            [format!(
                "test.yaml:1:1: {kind} a: Calico 3.32 and later do not read this kind: there the policy has no say, while \
                 here it is evaluated as before 3.32"
            )]
        );
    }
}

/// Prints the names of a set in the order of evaluation.
#[track_caller]
fn in_order(text: &str, release: &str, expect: &[&str]) {
    let (set, _) = assembled(text, release).unwrap();
    let names: Vec<String> = set.policies().iter().map(|it| it.id.to_string()).collect();
    assert_eq!(names, expect, "{release}");
}

#[test]
fn a_tie_is_broken_by_the_name_or_by_the_older_key() {
    let two = |[one, other]: [(&str, &str); 2], tier: &str| {
        format!("{}---\n{}", named(one.0, one.1, tier), named(other.0, other.1, tier))
    };
    let dashed = two([("GlobalNetworkPolicy", "a"), ("GlobalNetworkPolicy", "a-b")], "default");
    in_order(&dashed, "3.31", &["gnp:a", "gnp:a-b"]);
    in_order(&dashed, "3.32", &["gnp:a-b", "gnp:a"]);
    // In the older key the namespace comes first, and `staged:` stands before the tier.
    let staged = two([("GlobalNetworkPolicy", "zone.a"), ("StagedGlobalNetworkPolicy", "zone.b")], "zone");
    in_order(&staged, "3.31", &["sgnp:zone.b", "gnp:zone.a"]);
    in_order(&staged, "3.32", &["gnp:zone.a", "sgnp:zone.b"]);
    let spread = two([("GlobalNetworkPolicy", "b"), ("NetworkPolicy", "a")], "default");
    in_order(&spread, "3.31", &["gnp:b", "np:shop/a"]);
    in_order(&spread, "3.32", &["np:shop/a", "gnp:b"]);
}

#[test]
fn a_set_of_an_older_release_has_a_revision_of_its_own() {
    let text = named("NetworkPolicy", "web", "default");
    let of = |release: &str| assembled(&text, release).unwrap().0.revision();
    assert_ne!(of("3.31"), of("3.32"));
    assert_eq!(of("3.32"), of("3.33"));
    assert_eq!(of("3.33"), set(&text).revision());
}
