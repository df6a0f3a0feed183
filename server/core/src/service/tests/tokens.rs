//! Who may change which tokens.

use super::*;
use crate::query::TokenQuery;
use crate::token::{
    Author, CreateToken, CreateTokenInput, IssuedToken, RevokeToken, RotateToken, RotateTokenInput, Token,
};

/// One token of each role, whose id is the role's number. Only permissions are tested here.
#[async_trait::async_trait]
impl Tokens for Memory {
    async fn create(&self, _: &Tenant, token: CreateToken, _: &Author) -> Result<IssuedToken, PortError> {
        Ok(IssuedToken { token: token_of(token.role), secret: "a secret".into() })
    }

    async fn get(&self, _: &Tenant, id: TokenId) -> Result<Option<Token>, PortError> {
        Ok(Role::ALL.into_iter().map(token_of).find(|token| token.id == id))
    }

    async fn list(&self, _: &TokenQuery) -> Result<Page<Token>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn revoke(&self, _: &Tenant, command: RevokeToken, _: &Author) -> Result<Token, PortError> {
        Ok(Role::ALL.into_iter().map(token_of).find(|token| token.id == command.token).expect("a token"))
    }

    async fn rotate(&self, _: &Tenant, command: RotateToken, _: &Author) -> Result<IssuedToken, PortError> {
        let token = Role::ALL.into_iter().map(token_of).find(|token| token.id == command.token).expect("a token");
        Ok(IssuedToken { token, secret: "a secret".into() })
    }
}

fn token_of(role: Role) -> Token {
    let number = Role::ALL.iter().position(|each| *each == role).expect("a role");
    Token {
        id: TokenId(uuid::Uuid::from_u128(number as u128)),
        name: role.as_str().into(),
        tenant: Tenant::default(),
        role,
        scope: Scope::All,
        created_at: OffsetDateTime::UNIX_EPOCH,
        created_by: "test".into(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        revoked_by: None,
        rotated_at: None,
        previous_expires_at: None,
    }
}

#[test]
fn nobody_gets_or_ends_a_token_above_its_own_role() {
    for own in Role::ALL {
        for wanted in Role::ALL {
            let memory = Arc::new(Memory::default());
            let (service, caller) = (service(&memory), Caller { role: own, ..caller() });
            let id = token_of(wanted).id.to_string();
            let (name, role) = ("new".into(), wanted.as_str().into());
            let create = CreateTokenInput { name, role, ..CreateTokenInput::default() };
            let rotate = RotateTokenInput { token_id: id.clone(), ..RotateTokenInput::default() };
            let results = [
                now(service.create_token(&caller, create)).map(|issued| issued.token.role),
                now(service.rotate_token(&caller, rotate)).map(|issued| issued.token.role),
                now(service.revoke_token(&caller, &id, "")).map(|token| token.role),
            ];
            for result in results {
                if own.may_grant(wanted) {
                    assert_eq!(result.expect("permitted"), wanted);
                } else {
                    let refused = matches!(result, Err(PortError::Refused(DomainError::PermissionDenied { .. })));
                    assert!(refused, "{own:?} {wanted:?}");
                }
            }
            let denied =
                ["CREATE_TOKEN", "ROTATE_TOKEN", "REVOKE_TOKEN"].map(|it| format!("{it} DENIED PERMISSION_DENIED"));
            let expected = if own.may_grant(wanted) { Vec::new() } else { denied.to_vec() };
            assert_eq!(audit(&memory), expected, "accepted ones are recorded with the change");
        }
    }
    assert!(Role::Admin.may_grant(Role::Admin) && !Role::Operator.may_grant(Role::Viewer));
}
