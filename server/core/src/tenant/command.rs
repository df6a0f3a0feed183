//! Changes of tenants: requests as they arrive, and the same after validation.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{QuotasInput, TenantDetails, TenantState};
use crate::command::{Idempotency, check_etag};
use crate::error::DomainError;
use crate::ids::Tenant;
use crate::quota::TenantQuotas;
use crate::validate::Check;

/// CreateTenant as received.
#[derive(Debug, Clone, Default)]
pub struct CreateTenantInput {
    /// The id.
    pub tenant_id: String,
    /// The name for people; empty for the id.
    pub display_name: String,
    /// The quotas.
    pub quotas: QuotasInput,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// CreateTenant after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTenant {
    /// The id.
    pub id: Tenant,
    /// The name for people.
    pub display_name: String,
    /// The quotas.
    pub quotas: TenantQuotas,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CreateTenant {
    /// The new tenant.
    pub fn details(&self, uid: Uuid, created_by: &str, now: OffsetDateTime) -> TenantDetails {
        TenantDetails {
            id: self.id.clone(),
            uid,
            display_name: self.display_name.clone(),
            state: TenantState::Active,
            quotas: self.quotas.clone(),
            revision: 1,
            created_at: now,
            created_by: created_by.to_owned(),
            updated_at: now,
            suspended_at: None,
        }
    }
}

impl CreateTenantInput {
    /// Validates everything and reports all violations.
    pub fn check(self) -> Result<CreateTenant, DomainError> {
        let mut check = Check::default();
        let id: Option<Tenant> = check.required("tenant_id", &self.tenant_id);
        let display_name =
            if self.display_name.is_empty() { self.tenant_id.clone() } else { self.display_name.clone() };
        if !self.display_name.is_empty() {
            check.display_name("tenant.display_name", &display_name);
        }
        let quotas = self.quotas.check(&mut check);
        let request = check.optional("request_id", &self.request_id);
        let mut fields = vec![self.tenant_id, self.display_name];
        fields.extend(self.quotas.texts());
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let idempotency = Idempotency::of(request, "CreateTenant", &fields);
        check.finish(id.map(|id| CreateTenant { id, display_name, quotas, idempotency }))
    }
}

/// UpdateTenant as received.
#[derive(Debug, Clone, Default)]
pub struct UpdateTenantInput {
    /// The id.
    pub tenant_id: String,
    /// The new name for people.
    pub display_name: String,
    /// The new quotas.
    pub quotas: QuotasInput,
    /// Paths of the fields to change; empty for those that are set.
    pub mask: Vec<String>,
    /// The etag that the tenant must have; empty for any.
    pub etag: String,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// UpdateTenant after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateTenant {
    /// Which tenant.
    pub target: TenantCommand,
    fields: Vec<Field>,
    display_name: String,
    quotas: TenantQuotas,
}

/// A field that UpdateTenant can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    DisplayName,
    Stores,
    Plans,
    Cpu,
    Memory,
    Storage,
    Creations,
    Deletions,
    Backups,
}

impl Field {
    /// Each with its path; the quotas first.
    const ALL: [(&'static str, Self); 9] = [
        ("quotas.stores", Self::Stores),
        ("quotas.plans", Self::Plans),
        ("quotas.cpu", Self::Cpu),
        ("quotas.memory", Self::Memory),
        ("quotas.storage", Self::Storage),
        ("quotas.creations", Self::Creations),
        ("quotas.deletions", Self::Deletions),
        ("quotas.backups", Self::Backups),
        ("display_name", Self::DisplayName),
    ];

    /// The fields of a path; none if it is unknown.
    fn of(wanted: &str) -> Vec<Self> {
        let matches =
            |path: &str| path == wanted || wanted == "*" || (wanted == "quotas" && path.starts_with("quotas."));
        Self::ALL.into_iter().filter(|(path, _)| matches(path)).map(|(_, field)| field).collect()
    }

    /// Those with a value.
    fn set(display_name: &str, quotas: &TenantQuotas) -> Vec<Self> {
        let is_set = |field| match field {
            Self::DisplayName => !display_name.is_empty(),
            Self::Stores => quotas.stores.is_some(),
            Self::Plans => !quotas.plans.is_empty(),
            Self::Cpu => quotas.cpu.is_some(),
            Self::Memory => quotas.memory.is_some(),
            Self::Storage => quotas.storage.is_some(),
            Self::Creations => quotas.creations.is_some(),
            Self::Deletions => quotas.deletions.is_some(),
            Self::Backups => quotas.backups.is_some(),
        };
        Self::ALL.into_iter().map(|(_, field)| field).filter(|field| is_set(*field)).collect()
    }
}

impl UpdateTenantInput {
    /// Validates everything and reports all violations.
    pub fn check(self) -> Result<UpdateTenant, DomainError> {
        let mut check = Check::default();
        let quotas = self.quotas.check(&mut check);
        let mut fields = Vec::new();
        for path in &self.mask {
            let named = Field::of(path);
            if named.is_empty() {
                let paths: Vec<_> = Field::ALL.iter().map(|(path, _)| *path).collect();
                let rule = format!("must name {}, quotas or *", paths.join(", "));
                check.fail("update_mask", rule);
            }
            fields.extend(named);
        }
        if self.mask.is_empty() {
            fields = Field::set(&self.display_name, &quotas);
        }
        if fields.contains(&Field::DisplayName) {
            check.display_name("tenant.display_name", &self.display_name);
        }
        let mut parts = vec![self.display_name.clone(), self.mask.join(",")];
        parts.extend(self.quotas.texts());
        let target =
            TenantCommand::read(&mut check, "UpdateTenant", &self.tenant_id, &self.etag, &self.request_id, &parts);
        check.finish(target.map(|target| UpdateTenant { target, fields, display_name: self.display_name, quotas }))
    }
}

impl UpdateTenant {
    /// The tenant with the new values.
    pub fn apply(&self, before: TenantDetails) -> TenantDetails {
        let mut after = before;
        let quotas = &self.quotas;
        for field in &self.fields {
            match field {
                Field::DisplayName => after.display_name.clone_from(&self.display_name),
                Field::Stores => after.quotas.stores = quotas.stores,
                Field::Plans => after.quotas.plans.clone_from(&quotas.plans),
                Field::Cpu => after.quotas.cpu = quotas.cpu,
                Field::Memory => after.quotas.memory = quotas.memory,
                Field::Storage => after.quotas.storage = quotas.storage,
                Field::Creations => after.quotas.creations = quotas.creations,
                Field::Deletions => after.quotas.deletions = quotas.deletions,
                Field::Backups => after.quotas.backups = quotas.backups,
            }
        }
        after
    }
}

/// A validated change of an existing tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantCommand {
    /// Which tenant.
    pub id: Tenant,
    /// The etag that it must have.
    pub etag: Option<String>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl TenantCommand {
    /// Validates the fields of SuspendTenant, ResumeTenant or DeleteTenant; `method` distinguishes their request ids.
    pub fn check(method: &str, tenant_id: &str, etag: &str, request_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let command = Self::read(&mut check, method, tenant_id, etag, request_id, &[]);
        check.finish(command)
    }

    fn read(
        check: &mut Check,
        method: &str,
        tenant_id: &str,
        etag: &str,
        request_id: &str,
        parts: &[String],
    ) -> Option<Self> {
        let id = check.required("tenant_id", tenant_id);
        let request = check.optional("request_id", request_id);
        let fields: Vec<_> = [tenant_id, etag].into_iter().chain(parts.iter().map(String::as_str)).collect();
        let idempotency = Idempotency::of(request, method, &fields);
        let etag = check_etag(check, etag);
        id.map(|id| Self { id, etag, idempotency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Limit;
    use crate::tenant::quotas_input::path;
    use crate::tenant::tests::details;

    fn fields<T>(result: Result<T, DomainError>) -> Vec<String> {
        match result {
            Ok(_) => Vec::new(),
            Err(DomainError::Invalid(violations)) => violations.into_iter().map(|it| it.field).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    fn bad_quotas() -> QuotasInput {
        QuotasInput {
            stores: Some(-2),
            plans: vec!["*".into(), "small".into()],
            cpu: "lots".into(),
            memory: "-1".into(),
            storage: "1 Gi".into(),
            creations: Some(i64::MIN),
            deletions: Some(-7),
            backups: Some(-3),
        }
    }

    #[test]
    fn all_violations_are_reported_together() {
        let quotas = ["stores", "creations", "deletions", "backups", "cpu", "memory", "storage", "plans"].map(path);
        let input = CreateTenantInput {
            tenant_id: "ACME".into(),
            display_name: " ".into(),
            quotas: bad_quotas(),
            request_id: "7".into(),
        };
        let mut expected = vec!["tenant_id".to_owned(), "tenant.display_name".to_owned()];
        expected.extend(quotas.clone());
        expected.push("request_id".to_owned());
        assert_eq!(fields(input.check()), expected);
        let input = UpdateTenantInput {
            mask: vec!["state".into(), "display_name".into()],
            quotas: bad_quotas(),
            etag: "x".repeat(65),
            request_id: "7".into(),
            ..UpdateTenantInput::default()
        };
        let mut expected = quotas.to_vec();
        expected.extend(["update_mask", "tenant.display_name", "tenant_id", "request_id", "etag"].map(String::from));
        assert_eq!(fields(input.check()), expected);
    }

    #[test]
    fn display_name_defaults_to_the_id() {
        let input = CreateTenantInput { tenant_id: "acme".into(), ..CreateTenantInput::default() };
        let create = input.check().expect("good");
        assert_eq!((create.display_name.as_str(), create.quotas), ("acme", TenantQuotas::default()));
    }

    #[test]
    fn update_changes_the_fields_of_its_mask_only() {
        let mut before = details("acme");
        before.quotas.stores = Some(Limit::AtMost(1));
        before.quotas.cpu = Some(Limit::AtMost(1000));
        let update = |mask: &[&str], display_name: &str, quotas: QuotasInput| {
            let input = UpdateTenantInput {
                tenant_id: "acme".into(),
                display_name: display_name.into(),
                quotas,
                mask: mask.iter().map(ToString::to_string).collect(),
                ..UpdateTenantInput::default()
            };
            let after = input.check().expect("good").apply(before.clone());
            (after.display_name.clone(), after.quotas.stores, after.quotas.cpu, after.quotas.memory)
        };
        let (one, two) = (Some(Limit::AtMost(1)), Some(Limit::AtMost(2)));
        let cores = Some(Limit::AtMost(1000));
        let new = || QuotasInput { stores: Some(2), memory: "unlimited".into(), ..QuotasInput::default() };
        let unlimited = Some(Limit::Unlimited);
        assert_eq!(update(&[], "", new()), ("acme".into(), two, cores, unlimited), "only what is set");
        assert_eq!(update(&["quotas.stores"], "Acme", new()), ("acme".into(), two, cores, None));
        assert_eq!(update(&["quotas"], "Acme", new()), ("acme".into(), two, None, unlimited), "absent is the default");
        assert_eq!(update(&["display_name"], "Acme", new()), ("Acme".into(), one, cores, None));
        assert_eq!(update(&["*"], "Acme", QuotasInput::default()), ("Acme".into(), None, None, None));
        assert_eq!(update(&[], "", QuotasInput::default()), ("acme".into(), one, cores, None));
    }

    #[test]
    fn request_id_is_bound_to_all_fields() {
        let key = |input: UpdateTenantInput| {
            let request_id = "0192f0c1-0000-7000-8000-000000000001".into();
            let input = UpdateTenantInput { tenant_id: "acme".into(), request_id, ..input };
            input.check().expect("good").target.idempotency.expect("a key").fingerprint
        };
        let base = UpdateTenantInput::default;
        let quotas = |cpu: &str| QuotasInput { cpu: cpu.into(), ..QuotasInput::default() };
        assert_eq!(key(base()), key(base()));
        for other in [
            UpdateTenantInput { display_name: "Acme".into(), ..base() },
            UpdateTenantInput { mask: vec!["quotas".into()], ..base() },
            UpdateTenantInput { quotas: quotas("1"), ..base() },
            UpdateTenantInput { etag: "x".into(), ..base() },
        ] {
            assert_ne!(key(base()), key(other));
        }
    }
}
