//! The demonstration's policy set.

/// Name and text of each manifest: namespaces, accounts, pods, network sets, tiers, policies. They stand in the
/// order in which they read best; order carries no meaning.
pub const DEMO_MANIFESTS: [(&str, &str); 9] = [
    ("cluster.yaml", include_str!("../../config/demo/policies/cluster.yaml")),
    ("tiers.yaml", include_str!("../../config/demo/policies/tiers.yaml")),
    ("platform.yaml", include_str!("../../config/demo/policies/platform.yaml")),
    ("stars.yaml", include_str!("../../config/demo/policies/stars.yaml")),
    ("storefront.yaml", include_str!("../../config/demo/policies/storefront.yaml")),
    ("yaobank.yaml", include_str!("../../config/demo/policies/yaobank.yaml")),
    ("vote.yaml", include_str!("../../config/demo/policies/vote.yaml")),
    ("online-boutique.yaml", include_str!("../../config/demo/policies/online-boutique.yaml")),
    ("wordpress-bookinfo.yaml", include_str!("../../config/demo/policies/wordpress-bookinfo.yaml")),
];
