use std::collections::BTreeSet;

use prost_types::FileDescriptorSet;
use storeplane_core::identity::{PERMISSIONS, Role};
use storeplane_proto::{FILE_DESCRIPTOR_SET, v1};

use super::*;

/// Every RPC of storeplane.v1, as `(path, request type)`.
fn rpcs() -> Vec<(String, String)> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the descriptors of this build");
    let mut rpcs = Vec::new();
    for file in files.file.iter().filter(|file| file.package() == "storeplane.v1") {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/storeplane.v1.{}/{}", service.name(), method.name());
                rpcs.push((path, method.input_type().to_owned()));
            }
        }
    }
    rpcs
}

#[test]
fn permission_table_lists_exactly_all_rpcs() {
    let there: BTreeSet<String> = rpcs().into_iter().map(|(path, _)| path).collect();
    let named: BTreeSet<String> = PERMISSIONS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(there, named);
}

#[test]
fn every_rpc_above_viewer_is_audited() {
    // They change nothing and return no secret.
    let unaudited = [
        "/storeplane.v1.AuditService/ListAuditEvents",
        "/storeplane.v1.AuditService/VerifyAuditLog",
        "/storeplane.v1.PlatformService/ListReleases",
        "/storeplane.v1.SessionService/ListSessions",
        "/storeplane.v1.TenantService/GetTenant",
        "/storeplane.v1.TenantService/ListTenants",
        "/storeplane.v1.TokenService/GetToken",
        "/storeplane.v1.TokenService/ListTokens",
    ];
    for (path, needed) in PERMISSIONS {
        assert_eq!(action(path).is_some(), !Role::Viewer.allows(*needed) && !unaudited.contains(path), "{path}");
    }
}

#[tokio::test]
async fn denied_request_target_is_its_first_field() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the descriptors of this build");
    let has_target = |path: &str| action(path).is_some_and(|action| action != Action::CreateRollout);
    for (_, input) in rpcs().into_iter().filter(|(path, _)| has_target(path)) {
        let wanted = input.trim_start_matches(".storeplane.v1.");
        let message = files.file.iter().flat_map(|file| &file.message_type).find(|message| message.name() == wanted);
        let first =
            message.and_then(|message| message.field.iter().find(|field| field.number() == 1)).expect("a field");
        assert!(
            matches!(
                first.name(),
                "backup_id"
                    | "store_id"
                    | "source_store_id"
                    | "operation_id"
                    | "rollout_id"
                    | "session_id"
                    | "tenant_id"
                    | "token_id"
                    | "name"
            ),
            "{wanted}"
        );
    }
    let message = v1::DeleteStoreRequest { store_id: "demo".into(), etag: "x".into(), ..Default::default() };
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).expect("short").to_be_bytes());
    frame.extend(message.encode_to_vec());
    assert_eq!(target(Body::new(http_body_util::Full::from(frame))).await, "demo");
    for garbage in [&b""[..], b"\x01\0\0\0\x01x", b"\0\0\0\0\x05\xff\xff\xff\xff\xff"] {
        assert_eq!(target(Body::new(http_body_util::Full::from(garbage))).await, "");
    }
}

#[test]
fn tenant_is_named_once_and_well_formed() {
    let with = |values: &[&[u8]]| {
        let values = values.iter().map(|value| (TENANT, http::HeaderValue::from_bytes(value).expect("a header")));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        tenant(&headers)
    };
    assert_eq!(with(&[]).expect("none"), None);
    assert_eq!(with(&[b"acme"]).expect("good").expect("one").as_str(), "acme");
    for bad in [
        &[&b""[..]][..],
        &[b"ACME"],
        &[b"acme, default"],
        &[b"acme", b"acme"],
        &[b"\xff"],
        &[b"a-tenant-that-is-too-long"],
    ] {
        let status = with(bad).expect_err("malformed");
        assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
        assert!(status.message().starts_with("the metadata `storeplane-tenant` must"), "{}", status.message());
    }
}
