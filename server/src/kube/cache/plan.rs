//! Which watches should be open.

use std::collections::BTreeSet;

use super::parts::Parts;
use super::watches::{Kind, Part};
use crate::kube::access::WatchScope;
use crate::kube::namespace::OwnedNamespace;

/// The watches that should be open, given what is known. Inside a namespace a first one shows whether it may be watched; the others
/// follow.
pub(super) fn wanted<'a>(
    scope: WatchScope,
    instance: &str,
    parts: &Parts,
    namespaces: impl Iterator<Item = &'a OwnedNamespace>,
) -> BTreeSet<Part> {
    let mut wanted = BTreeSet::from([Part::everywhere(Kind::Namespaces)]);
    let everywhere = Kind::NAMESPACED.map(Part::everywhere).into_iter();
    let each: Vec<_> = match scope {
        WatchScope::Namespaced => Kind::NAMESPACED.to_vec(),
        WatchScope::Cluster => {
            wanted.extend(everywhere.clone());
            everywhere.filter(|part| parts.is_refused(part)).map(|part| part.kind).collect()
        }
    };
    let Some((first, others)) = each.split_first() else { return wanted };
    for namespace in namespaces.filter(|it| it.instance.as_deref() == Some(instance) && !it.terminating) {
        let first = Part::within(*first, &namespace.name);
        if parts.is_known(&first) {
            wanted.extend(others.iter().map(|kind| Part::within(*kind, &namespace.name)));
        }
        wanted.insert(first);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::error::{ClusterError, ClusterErrorKind};

    fn namespace(name: &str, instance: Option<&str>, terminating: bool) -> OwnedNamespace {
        OwnedNamespace { instance: instance.map(Into::into), terminating, ..OwnedNamespace::unlabelled(name) }
    }

    fn names(scope: WatchScope, parts: &Parts) -> Vec<String> {
        let namespaces = [
            namespace("kube-system", None, false),
            namespace("store-a", Some("prod"), false),
            namespace("store-b", Some("prod"), false),
            namespace("store-gone", Some("prod"), true),
            namespace("store-theirs", Some("staging"), false),
        ];
        wanted(scope, "prod", parts, namespaces.iter()).iter().map(ToString::to_string).collect()
    }

    fn refuse(parts: &mut Parts, part: &Part) {
        parts.lost(part, ClusterError::new(ClusterErrorKind::Forbidden, "no"));
    }

    #[test]
    fn namespaced_scope_watches_only_own_namespaces_and_only_those_it_may() {
        let mut parts = Parts::default();
        let first = ["namespaces", "release records (secrets) in store-a", "release records (secrets) in store-b"];
        assert_eq!(names(WatchScope::Namespaced, &parts), first);
        parts.listed(&Part::within(Kind::Records, "store-a"));
        refuse(&mut parts, &Part::within(Kind::Records, "store-b"));
        let all = names(WatchScope::Namespaced, &parts);
        let within = |namespace: &str| all.iter().filter(|name| name.ends_with(namespace)).count();
        assert_eq!((within("in store-a"), within("in store-b"), all.len()), (5, 1, 7));
    }

    #[test]
    fn cluster_scope_watches_inside_namespaces_only_what_is_refused_elsewhere() {
        let mut parts = Parts::default();
        assert_eq!(names(WatchScope::Cluster, &parts).len(), 6);
        let claims = Part::everywhere(Kind::Claims);
        refuse(&mut parts, &claims);
        let fallback = names(WatchScope::Cluster, &parts);
        assert_eq!(fallback.len(), 8, "the refused one is tried again");
        assert!(fallback.contains(&"persistentvolumeclaims in store-a".to_owned()), "{fallback:?}");
        parts.listed(&claims);
        assert_eq!(names(WatchScope::Cluster, &parts).len(), 6);
    }
}
