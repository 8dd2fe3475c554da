//! The demonstration applications as data: pods, labels, accounts, ports, calls.
//!
//! Ports are the pods' own, as a flow record and a policy see them; the port of the Service stands with the call
//! where there is one.

mod shape;

mod bookinfo;
mod boutique;
mod platform;
mod stars;
mod storefront;
mod vote;
mod wordpress;
mod yaobank;

pub use platform::PLATFORM;
pub(super) use platform::{calls_around, scrape_of_node};
pub use shape::{Application, Call, Controller, OutsideSet, Party, Service, Workload};

/// Every application, the platform first.
pub const APPLICATIONS: [&Application; 8] = [
    &PLATFORM,
    &stars::STARS,
    &yaobank::YAOBANK,
    &vote::VOTE_APP,
    &boutique::BOUTIQUE,
    &storefront::STOREFRONT,
    &wordpress::WORDPRESS,
    &bookinfo::BOOKINFO,
];

/// Every global network set that takes part.
pub const OUTSIDE_SETS: [&OutsideSet; 3] =
    [&storefront::TWILIO, &storefront::TOR, &storefront::TRUSTED_CLIENTS];

#[cfg(test)]
mod tests {
    use super::*;

    fn workloads() -> impl Iterator<Item = &'static Workload> {
        APPLICATIONS.into_iter().flat_map(|it| it.workloads)
    }

    #[test]
    fn every_call_has_ends_that_exist_and_one_of_them_is_a_workload() {
        let exists = |party: &Party| match *party {
            Party::Pods(namespace, name) => {
                assert!(
                    workloads().any(|it| it.namespace == namespace && it.name == name),
                    "{namespace}/{name}"
                );
                true
            }
            Party::Set(set) => {
                assert!(OUTSIDE_SETS.contains(&set), "{}", set.name);
                false
            }
            Party::Node(_) | Party::Address(..) => false,
        };
        for call in APPLICATIONS.into_iter().flat_map(|it| it.calls) {
            assert!(exists(&call.from) | exists(&call.to), "{call:?} is seen by nobody");
        }
    }

    #[test]
    fn workload_names_are_unique_and_every_one_has_a_pod() {
        let mut names: Vec<_> = workloads().map(|it| (it.namespace, it.name)).collect();
        assert!(workloads().all(|it| it.replicas > 0));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
