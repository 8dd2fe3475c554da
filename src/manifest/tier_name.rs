//! What the name of a policy says of its tier, before Calico 3.32.

use super::reader::{Context, Field, shown};
use super::values::is_dns_label;
use crate::model::CalicoVersion;

/// The tier of policies that name none.
const DEFAULT: &str = "default";

/// Checks a good name of one of the four kinds of Calico against the policy's tier.
///
/// Up to 3.31 a name that begins with a tier begins with the policy's own; from 3.29 on it has to where the tier is not
/// `default`. Earlier releases are not asked: their tiers were Calico Enterprise's.
pub(super) fn check(cx: &mut Context, at: &Field<'_>, name: &str, tier: Option<&str>) {
    let version = cx.version;
    if !version.has_tier_in_names() {
        return;
    }
    let tier = tier.filter(|it| !it.is_empty()).unwrap_or(DEFAULT);
    let (prefix, rest) = match name.split_once('.') {
        Some((prefix, rest)) => (Some(prefix), rest),
        None => (None, name),
    };
    // A wrong name of a tier is reported where it stands.
    if prefix == Some(tier) || !is_dns_label(tier) {
        return;
    }
    match prefix {
        Some(prefix) if tier == DEFAULT => cx.error_hint(
            at,
            format!(
                "`{}` begins with another tier than the policy's, `default`, which Calico {version} refuses",
                shown(name)
            ),
            format!("did you mean `{}`, or `tier: {}`?", shown(rest), shown(prefix)),
        ),
        Some(_) | None if tier != DEFAULT && version >= CalicoVersion::V3_29 => cx.error_hint(
            at,
            format!("`{}` does not begin with the policy's tier, as Calico {version} wants it", shown(name)),
            format!("did you mean `{tier}.{}`?", shown(rest)),
        ),
        Some(_) | None => {}
    }
}
