//! Requests for domains, after validation.

use crate::command::{Idempotency, StoreRef};
use crate::error::DomainError;
use crate::host_name::HostName;
use crate::ids::StoreUid;
use crate::validate::Check;

/// A request for one domain of a store, as received.
#[derive(Debug, Clone, Default)]
pub struct DomainInput {
    /// The store's id.
    pub store_id: String,
    /// Its uid; empty if any.
    pub store_uid: String,
    /// The host name.
    pub domain: String,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// The same after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainCommand {
    /// Which store.
    pub store: StoreRef,
    /// The host name.
    pub name: HostName,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl DomainInput {
    /// Validates everything and reports all violations.
    pub fn check(&self, method: &str) -> Result<DomainCommand, DomainError> {
        self.check_with(method, |_, _| ())
    }

    /// The same for a new domain, which must not be one of the platform's own names.
    pub fn check_new(&self, platform: &str) -> Result<DomainCommand, DomainError> {
        self.check_with("CreateDomain", |check, name| {
            if name.is_within(platform) {
                check.fail("domain", format!("must not be {platform} or below it, where the platform names its shops"));
            }
        })
    }

    fn check_with(&self, method: &str, rule: impl FnOnce(&mut Check, &HostName)) -> Result<DomainCommand, DomainError> {
        let mut check = Check::default();
        let id = check.required("store_id", &self.store_id);
        let uid = check.optional("store_uid", &self.store_uid);
        let name: Option<HostName> = check.required("domain", &self.domain);
        if let Some(name) = &name {
            rule(&mut check, name);
        }
        let request = check.optional("request_id", &self.request_id);
        let uid_text = uid.map_or(String::new(), |uid: StoreUid| uid.to_string());
        let idempotency = Idempotency::of(request, method, &[&self.store_id, &uid_text, &self.domain]);
        let command = id.zip(name).map(|(id, name)| DomainCommand { store: StoreRef { id, uid }, name, idempotency });
        check.finish(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_of_a_request_are_reported_together() {
        let input = DomainInput {
            store_id: "-".into(),
            store_uid: "7".into(),
            domain: "*.example.com".into(),
            request_id: "7".into(),
        };
        let Err(DomainError::Invalid(violations)) = input.check("DeleteDomain") else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["store_id", "store_uid", "domain", "request_id"]);
    }

    #[test]
    fn names_of_the_platform_are_refused() {
        let add = |domain: &str| {
            let input = DomainInput { store_id: "tea".into(), domain: domain.into(), ..DomainInput::default() };
            input.check_new("shops.example.net")
        };
        assert!(add("shop.example.net").is_ok() && add("myshops.example.net").is_ok());
        for domain in ["shops.example.net", "store-tea.shops.example.net"] {
            let error = add(domain).expect_err("refused").to_string();
            assert!(error.contains("domain must not be shops.example.net"), "{error}");
        }
    }
}
