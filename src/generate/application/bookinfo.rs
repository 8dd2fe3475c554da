//! Bookinfo: three versions behind one label, a service account each.
//!
//! Facts: `tigera-cs/quickstart-self-service`, `manifests/apps/bookinfo.yaml`; the call from ratings back to the
//! product page is in its public captures.

use super::shape::{Application, Call, Party, Service, Workload};
use crate::model::Protocol;

const NAMESPACE: &str = "bookinfo";
const PAGE: (&str, &str) = (NAMESPACE, "productpage-v1");
const DETAILS: (&str, &str) = (NAMESPACE, "details-v1");
const RATINGS: (&str, &str) = (NAMESPACE, "ratings-v1");
const REVIEWS: [(&str, &str); 3] =
    [(NAMESPACE, "reviews-v1"), (NAMESPACE, "reviews-v2"), (NAMESPACE, "reviews-v3")];

/// Makes a call through a Service that is named after the label `app`, not after the workload.
const fn call(
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    app: &'static str,
) -> Call {
    Call {
        from: Party::Pods(from.0, from.1),
        to: Party::Pods(to.0, to.1),
        protocol: Protocol::TCP,
        port: Some(9080),
        service: Some(Service { namespace: NAMESPACE, name: app, port_name: "http", port: 9080 }),
    }
}

/// The book shop.
pub(super) const BOOKINFO: Application = Application {
    name: "bookinfo",
    workloads: &[
        Workload::deployment(PAGE.0, PAGE.1, &[("app", "productpage"), ("version", "v1")])
            .account("bookinfo-productpage")
            .scraped(9080),
        Workload::deployment(DETAILS.0, DETAILS.1, &[("app", "details"), ("version", "v1")])
            .account("bookinfo-details")
            .scraped(9080),
        Workload::deployment(RATINGS.0, RATINGS.1, &[("app", "ratings"), ("version", "v1")])
            .account("bookinfo-ratings")
            .scraped(9080),
        Workload::deployment(REVIEWS[0].0, REVIEWS[0].1, &[("app", "reviews"), ("version", "v1")])
            .account("bookinfo-reviews")
            .scraped(9080),
        Workload::deployment(REVIEWS[1].0, REVIEWS[1].1, &[("app", "reviews"), ("version", "v2")])
            .account("bookinfo-reviews")
            .scraped(9080),
        Workload::deployment(REVIEWS[2].0, REVIEWS[2].1, &[("app", "reviews"), ("version", "v3")])
            .account("bookinfo-reviews")
            .scraped(9080),
    ],
    calls: &[
        call(PAGE, DETAILS, "details"),
        call(PAGE, REVIEWS[0], "reviews"),
        call(PAGE, REVIEWS[1], "reviews"),
        call(PAGE, REVIEWS[2], "reviews"),
        call(REVIEWS[1], RATINGS, "ratings"),
        call(REVIEWS[2], RATINGS, "ratings"),
        call(RATINGS, PAGE, "productpage"),
    ],
};
