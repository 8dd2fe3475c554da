//! The digest of everything that was read.

use sha2::{Digest, Sha256};

use super::object::Item;
use crate::model::CalicoVersion;
use crate::policy::Revision;

/// Returns the first 64 bits of a SHA-256 over the items, which come in the order of their identities.
///
/// Two sets have one revision if, and only if, every object of them has the same value; places, comments, and the
/// form in which an object was written make no difference. A release of Calico that sorts policies otherwise than the
/// newest makes one.
pub(super) fn of<'a>(items: impl Iterator<Item = &'a Item>, version: CalicoVersion) -> Revision {
    let mut hasher = Sha256::new();
    if version.has_tier_in_names() {
        hasher.update(version.to_string().as_bytes());
        hasher.update([0]);
    }
    for item in items {
        // The debug form names every field of every value and quotes every text, so it tells any two values apart.
        // It is the same on every process of one version; another version may judge otherwise, and says so by another
        // revision.
        let text = match item {
            Item::Unused(_) => continue,
            Item::Tier(it) => format!("{it:?}"),
            Item::Policy(it) => format!("{it:?}"),
            Item::NetworkSet(it) => format!("{it:?}"),
            Item::HostEndpoint(it) => format!("{it:?}"),
            Item::Profile(it) => format!("{it:?}"),
            Item::Namespace(it) => format!("{it:?}"),
            Item::ServiceAccount(it) => format!("{it:?}"),
            Item::Workload(it) => format!("{it:?}"),
            Item::Service(it) => format!("{it:?}"),
        };
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let (first, _) = digest.split_at(8);
    Revision(first.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
}
