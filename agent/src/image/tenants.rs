//! For whom the rules of a policy count: a tenant is the scope of a rule. Its key
//! hangs on what the scope says, so that its counters go on across policies.

use std::collections::BTreeMap;

use aegisbpf_abi::{
    Tenant,
    counter::{TENANT_NAME, TENANTS},
};
use sha2::{Digest as _, Sha256};

use super::{Image, ImageError, Result};
use crate::{hex, policy::model::Subject};

/// For what no rule decides: too deep, unreadable, or found out by the agent.
const NO_RULE: u64 = 0;
/// For the agent's tests of itself. Hashes are never so small.
pub(super) const CANARY: u64 = 1;
/// Scopes of one policy.
pub(super) const MOST: usize = TENANTS as usize - 2;

/// Those of every policy.
pub(super) fn without_rule() -> BTreeMap<u64, Tenant> {
    BTreeMap::from([
        (NO_RULE, tenant("no rule", NO_RULE)),
        (CANARY, tenant("canary", CANARY)),
    ])
}

impl Image {
    /// The key of a tenant.
    pub(super) fn tenant(&mut self, name: &str, rule: &str) -> Result<u64> {
        let digest = Sha256::digest(name);
        let (first, _) = digest.split_at(8);
        let hash = u64::from_le_bytes(first.try_into().unwrap_or_default());
        let key = hash.max(CANARY + 1);
        self.tenants.entry(key).or_insert_with(|| tenant(name, key));
        if self.tenants.len() > MOST + 2 {
            return Err(ImageError::Tenants { rule: rule.into() });
        }
        Ok(key)
    }
}

/// A scope in words; the same for the same subjects in any order.
pub(super) fn name(scope: &[Subject]) -> String {
    let mut names: Vec<String> = scope.iter().map(subject).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return "everyone".into();
    }
    names.join(" or ")
}

fn subject(subject: &Subject) -> String {
    let path = |kind, path: &Option<crate::policy::AbsolutePath>| {
        let path = path.as_ref()?.as_path().display();
        Some(format!("{kind} {path}"))
    };
    let uid = subject.uid.map(|(first, last)| {
        if first == last {
            format!("uid {first}")
        } else {
            format!("uid {first}-{last}")
        }
    });
    let namespace = subject.mount_namespace;
    let parts = [
        path("program", &subject.program),
        path("cgroup", &subject.cgroup),
        uid,
        namespace.map(|number| format!("mount-namespace {number}")),
    ];
    parts
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
}

/// One of which nothing was counted yet. A name that is too long ends with the
/// key instead.
fn tenant(name: &str, key: u64) -> Tenant {
    let mut bytes = [0; TENANT_NAME];
    let mut name = name.to_owned();
    if name.len() > TENANT_NAME {
        let end = format!("…{}", hex::encode(&key.to_be_bytes()));
        name.truncate(name.floor_char_boundary(TENANT_NAME - end.len()));
        name += &end;
    }
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Tenant {
        denied: 0,
        killed: 0,
        audited: 0,
        name: bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{policy::parse, record::text};
    use std::path::Path;

    fn scope(text: &str) -> String {
        let rule = format!("{{ id: a, scope: {text}, exec: {{ path: /a }} }}");
        let policy = parse(Path::new("p"), &format!("version: 1\nrules: [{rule}]\n"));
        name(&policy.unwrap().rules[0].scope)
    }

    #[test]
    fn a_tenant_is_what_a_scope_says_in_any_order() {
        assert_eq!(name(&[]), "everyone");
        assert_eq!(scope("[{ cgroup: /a }]"), "cgroup /a");
        let several = "cgroup /a and uid 1000-1999 or program /bin/x";
        assert_eq!(
            scope("[{ cgroup: /a, uid: 1000-1999 }, { program: /bin/x }]"),
            several
        );
        assert_eq!(
            scope("[{ program: /bin/x }, { uid: 1000-1999, cgroup: /a }]"),
            several
        );
        assert_eq!(scope("[{ uid: 7 }]"), "uid 7");
    }

    #[test]
    fn a_long_name_is_cut_and_ends_with_its_key() {
        let cut = tenant(&"ä".repeat(100), 0xabc);
        let name = text(&cut.name);
        assert!(name.ends_with("ä…0000000000000abc"), "{name}");
        assert_eq!(text(&tenant("cgroup /a", 7).name), "cgroup /a");
    }
}
