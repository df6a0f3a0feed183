//! An example request for each method.

use serde_json::{Value, json};

/// The example for a method.
pub(super) fn request(method: &str) -> Option<Value> {
    let example = match method {
        "CreateStore" => json!({
            "storeId": "tea",
            "store": {"displayName": "Tea & Co", "adminEmail": "owner@example.com"},
            "requestId": "0b0c1f5e-6f0a-4c67-9d55-0e6a6f0f7f11",
        }),
        "GetStore" | "GetStoreCredentials" | "GetStoreResources" | "ListDomains" => json!({"storeId": "tea"}),
        "ListStores" => json!({"filter": "state = READY", "orderBy": "create_time desc", "pageSize": 20}),
        "DeleteStore" | "RetryStore" | "RotateStoreCredentials" | "UndeleteStore" => {
            json!({"storeId": "tea", "requestId": "5d8f7a1c-3c44-4c0e-8a53-6a2b8f1f2e90"})
        }
        "CreateBackup" => json!({
            "storeId": "tea",
            "description": "before the sale",
            "requestId": "5d8f7a1c-3c44-4c0e-8a53-6a2b8f1f2e90",
        }),
        "GetBackup" | "DeleteBackup" => json!({"backupId": "0192f0c1-5b1e-7a30-9d5c-0f5a3c2e1b7d"}),
        "ListBackups" => json!({"storeId": "tea", "filter": "state = COMPLETE", "pageSize": 20}),
        "CreateDomain" => json!({
            "storeId": "tea",
            "domain": "shop.example.com",
            "requestId": "5d8f7a1c-3c44-4c0e-8a53-6a2b8f1f2e90",
        }),
        "GetDomain" | "VerifyDomain" | "DeleteDomain" => json!({"storeId": "tea", "domain": "shop.example.com"}),
        "RestoreStore" => json!({"storeId": "tea", "backupId": "0192f0c1-5b1e-7a30-9d5c-0f5a3c2e1b7d"}),
        "CopyStore" => json!({
            "sourceStoreId": "tea",
            "storeId": "tea-test",
            "store": {"environment": "STORE_ENVIRONMENT_STAGING"},
            "requestId": "5d8f7a1c-3c44-4c0e-8a53-6a2b8f1f2e90",
        }),
        "UpdateStore" => json!({
            "storeId": "tea",
            "store": {"deletionProtection": true},
            "updateMask": "deletionProtection",
        }),
        "RollbackStore" => json!({"storeId": "tea", "revision": 1, "validateOnly": true}),
        "GetStoreLogs" => json!({"storeId": "tea", "tailLines": 50}),
        "GetOperation" | "CancelOperation" => json!({"operationId": "0197a5b0-7c1e-7d2a-9f00-5a1f6b2c3d4e"}),
        "WaitOperation" => json!({"operationId": "0197a5b0-7c1e-7d2a-9f00-5a1f6b2c3d4e", "timeout": "60s"}),
        "ListOperations" | "ListStoreRevisions" => json!({"storeId": "tea", "pageSize": 20}),
        "ListAuditEvents" => json!({"filter": "outcome = DENIED", "pageSize": 20}),
        "GetOverview" => json!({"window": "86400s"}),
        "ListEngines" | "VerifyAuditLog" => json!({}),
        "ListReleases" => json!({"filter": "ownership = ORPHAN", "pageSize": 20}),
        "CreateTenant" => json!({"tenantId": "acme", "tenant": {"displayName": "Acme", "quotas": {"stores": "20"}}}),
        "GetTenant" | "SuspendTenant" | "ResumeTenant" | "DeleteTenant" => json!({"tenantId": "acme"}),
        "ListTenants" | "ListSessions" | "ListRollouts" => json!({"pageSize": 20}),
        "UpdateTenant" => {
            json!({"tenantId": "acme", "tenant": {"quotas": {"stores": "30"}}, "updateMask": "quotas.stores"})
        }
        "RevokeSessions" => json!({"credentialId": "https://id.example.com#248289761001"}),
        "CreateToken" => json!({"name": "ci", "role": "operator", "ttl": "2592000s"}),
        "GetToken" | "RevokeToken" => json!({"tokenId": "0197a5b0-7c1e-7d2a-9f00-5a1f6b2c3d4e"}),
        "ListTokens" => json!({"pageSize": 20, "showInactive": true}),
        "RotateToken" => json!({"tokenId": "0197a5b0-7c1e-7d2a-9f00-5a1f6b2c3d4e", "overlap": "3600s"}),
        _ => return rollout(method),
    };
    Some(example)
}

fn rollout(method: &str) -> Option<Value> {
    let example = match method {
        "CreateRollout" => json!({
            "rollout": {
                "filter": "labels.tier = test",
                "target": {"store": {"plan": "standard"}, "updateMask": "plan"},
            },
            "validateOnly": true,
        }),
        "GetRollout" | "PauseRollout" | "ResumeRollout" | "AbortRollout" | "ListRolloutStores" => {
            json!({"rolloutId": "0197a5b0-7c1e-7d2a-9f00-5a1f6b2c3d4e"})
        }
        _ => return None,
    };
    Some(example)
}
