//! The methods of `storeplane.v1`: names for logs and metrics that do not come from the caller.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::SERVICES;

/// A method of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    /// The full name of the service.
    pub(super) service: &'static str,
    /// The method's name.
    pub(super) name: &'static str,
    /// Whether its answer is a stream.
    pub(super) streams: bool,
}

/// Any method that does not exist.
const UNKNOWN: Method = Method { service: "unknown", name: "unknown", streams: false };

static FILES: LazyLock<FileDescriptorSet> =
    LazyLock::new(|| FileDescriptorSet::decode(storeplane_proto::FILE_DESCRIPTOR_SET).unwrap_or_default());
/// The descriptors include health checks, which have no metrics.
static OURS: LazyLock<Vec<(String, &'static [prost_types::MethodDescriptorProto])>> = LazyLock::new(|| {
    let services = FILES.file.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)));
    let named = services.map(|(file, service)| (format!("{}.{}", file.package(), service.name()), &*service.method));
    named.filter(|(name, _)| SERVICES.contains(&name.as_str())).collect()
});
static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let methods = OURS.iter().flat_map(|(service, methods)| methods.iter().map(move |method| (service, method)));
    let methods = methods.map(|(service, method)| {
        let known = Method { service, name: method.name(), streams: method.server_streaming() };
        (format!("/{service}/{}", method.name()), known)
    });
    methods.collect()
});

/// All methods.
pub(super) fn all() -> impl Iterator<Item = Method> {
    METHODS.values().copied()
}

/// The method of a path.
pub(super) fn find(path: &str) -> Method {
    METHODS.get(path).copied().unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_names_a_known_method_or_unknown() {
        let get = find("/storeplane.v1.StoreService/GetStore");
        assert_eq!((get.service, get.name, get.streams), ("storeplane.v1.StoreService", "GetStore", false));
        assert!(find("/storeplane.v1.StoreService/WatchStore").streams);
        for path in ["", "/", "/storeplane.v1.StoreService/Nothing", "/a/b", "storeplane.v1.StoreService/GetStore"] {
            assert_eq!(find(path), UNKNOWN, "{path}");
        }
        assert!(all().any(|method| method == get));
    }

    #[test]
    fn health_and_reflection_are_not_among_the_methods() {
        assert!(SERVICES.iter().all(|name| all().any(|method| method.service == *name)));
        assert!(all().all(|method| SERVICES.contains(&method.service)));
        assert_eq!(find("/grpc.health.v1.Health/Check"), UNKNOWN);
    }
}
