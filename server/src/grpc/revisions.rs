//! Revisions of stores, and previews of changes, as messages.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use storeplane_core::command::StoreRef;
use storeplane_core::error::DomainError;
use storeplane_core::identity::{Caller, Role};
use storeplane_core::query::RevisionQuery;
use storeplane_core::revision::{ImageDigest, Revision};
use storeplane_core::store::Store;
use storeplane_core::transition::preview::{Preview, PreviewedChange};
use storeplane_proto::v1;
use storeplane_proto::v1::{ListStoreRevisionsRequest, ListStoreRevisionsResponse};
use tonic::{Request, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::{convert, pages, smtp, status};

/// The answer to UpdateStore and RollbackStore.
pub(super) fn updated(handler: &ApiHandler, (store, preview): (Store, Option<Preview>)) -> v1::Store {
    v1::Store { update_preview: preview.map(|it| Box::new(preview_message(it))), ..handler.store_message(store) }
}

/// The answer to `ListStoreRevisions`.
pub(super) async fn list(
    handler: &ApiHandler,
    request: Request<ListStoreRevisionsRequest>,
) -> Result<ListStoreRevisionsResponse, Status> {
    let Caller { access, role, .. } = caller(&request)?;
    // Values files describe the platform, too.
    let shows_values = role.allows(Role::Admin);
    let seal = handler.seal(&access).await?;
    let ListStoreRevisionsRequest { store_id, uid, page_size, page_token } = request.into_inner();
    note_store(&store_id);
    let wanted = StoreRef::check(&store_id, &uid).map_err(|refusal| status::refusal(&refusal))?;
    let found = handler.service.stores().find(&access, &wanted).await.map_err(|error| status::port(&error))?;
    let missing = || status::refusal(&DomainError::NotFound { kind: "store", name: wanted.id.to_string() });
    let store = found.ok_or_else(missing)?;
    let query = RevisionQuery::check(store.uid, page_size, seal.page_start(&page_token))
        .map_err(|refusal| status::refusal(&refusal))?;
    let page = handler.service.revisions(&query).await.map_err(|error| status::port(&error))?;
    let (revisions, next) = pages::fill(&query, page, |found| revision(found, shows_values));
    Ok(ListStoreRevisionsResponse { next_page_token: seal.page_token(next.as_ref()), revisions })
}

fn revision(revision: Revision, shows_values: bool) -> v1::StoreRevision {
    let settings = revision.settings;
    v1::StoreRevision {
        revision: revision.number.cast_signed(),
        versions: Some(convert::versions(settings.versions)),
        display_name: settings.display_name,
        plan: settings.plan,
        admin_email: settings.admin_email,
        environment: convert::environment_message(settings.environment).into(),
        values: match value(revision.values).kind {
            Some(Kind::StructValue(values)) if shows_values => Some(values),
            _ => None,
        },
        images: revision.images,
        smtp: settings.smtp.map(|it| smtp::message(*it)),
        plugins: convert::plugins(settings.plugins),
        operation_id: revision.operation.to_string(),
        create_time: Some(convert::timestamp(revision.created_at)),
        image_digests: revision.image_digests.into_iter().map(image_digest).collect(),
    }
}

fn image_digest(ImageDigest { workload, container, image, digest }: ImageDigest) -> v1::ImageDigest {
    v1::ImageDigest { workload, container, image, digest }
}

fn preview_message(preview: Preview) -> v1::UpdatePreview {
    let Preview { changes, steps, restarts_pods, maintenance_page, restores, notes } = preview;
    let change = |PreviewedChange { field, before, after }| v1::SettingChange { field, before, after };
    v1::UpdatePreview {
        changes: changes.into_iter().map(change).collect(),
        steps: steps.into_iter().map(|step| step.as_str().to_owned()).collect(),
        restarts_pods,
        maintenance_page,
        restored_backup_id: restores.map(|(backup, _)| backup.to_string()).unwrap_or_default(),
        lost_since: restores.map(|(_, since)| convert::timestamp(since)),
        notes,
    }
}

/// JSON as a message. A number becomes a double, as in JSON itself.
fn value(json: serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(it) => Kind::BoolValue(it),
        serde_json::Value::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or_default()),
        serde_json::Value::String(it) => Kind::StringValue(it),
        serde_json::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(value).collect() })
        }
        serde_json::Value::Object(fields) => {
            Kind::StructValue(Struct { fields: fields.into_iter().map(|(name, it)| (name, value(it))).collect() })
        }
    };
    Value { kind: Some(kind) }
}
