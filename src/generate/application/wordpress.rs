//! WordPress and its database, which share the label `app`.
//!
//! Facts: the Kubernetes documentation's example, as in `np-guard/cluster-topology-analyzer`,
//! `tests/k8s_wordpress_example/`.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, Party, Workload};

const WEB: (&str, &str) = ("wordpress", "wordpress");
const MYSQL: (&str, &str) = ("wordpress", "wordpress-mysql");

/// The blog.
pub(super) const WORDPRESS: Application = Application {
    name: "wordpress",
    workloads: &[
        Workload::deployment(WEB.0, WEB.1, &[("app", "wordpress"), ("tier", "frontend")])
            .replicas(2)
            .probed(80),
        Workload::deployment(MYSQL.0, MYSQL.1, &[("app", "wordpress"), ("tier", "mysql")]).probed(3306),
    ],
    calls: &[
        // The database's Service is headless: no translation happens and no record names it.
        Call::direct(Party::Pods(WEB.0, WEB.1), Party::Pods(MYSQL.0, MYSQL.1), 3306),
        Call::direct(Party::Address(Ipv4Addr::new(203, 0, 113, 201), &[]), Party::Pods(WEB.0, WEB.1), 80),
        Call::direct(
            Party::Pods(WEB.0, WEB.1),
            Party::Address(Ipv4Addr::new(198, 143, 164, 251), &["api.wordpress.org"]),
            443,
        ),
    ],
};
