//! The mail server of a store: the chart's values, and the Secrets with its logins.

use serde_json::{Value, json};
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::operation::Step;
use storeplane_core::smtp::Smtp;

use crate::kube::{ClusterError, chart_value, login_secret};
use crate::secret::SecretText;
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// The chart's values `smtp`. Those that they leave out, such as the networks of mail servers, are the engine's.
pub(super) fn values(smtp: &Smtp) -> Value {
    json!({
        "enabled": true,
        "host": smtp.host,
        "port": smtp.port,
        "encryption": chart_value(smtp.encryption),
        "from": smtp.from_address,
        "fromName": smtp.from_name,
        "existingSecret": smtp.secret,
    })
}

/// After the loss of a namespace nobody has the password any more. The shop's pods need the Secret to start.
pub(super) async fn ensure_login(context: &mut OperationContext, step: Step) -> Result<(), StepError> {
    let Some(smtp) = context.store.spec.smtp.clone().filter(|smtp| smtp.has_password()) else { return Ok(()) };
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let names = [smtp.secret.clone()];
    if context.unless_stopped(cluster.missing_secrets(&namespace, &names)).await??.is_empty() {
        return Ok(());
    }
    let message = "The password of the mail server is lost: the shop sends no mail until UpdateStore sets it again";
    let event = NewEvent::new(EventType::SecretsRenewed, message).in_step(step).with("names", &smtp.secret);
    context.emit(vec![event], None).await?;
    let login = login_secret(&smtp.secret, &smtp.username, &SecretText::default());
    Ok(context.unless_stopped(cluster.ensure_secrets(&namespace, vec![login])).await??)
}

/// Removes logins that neither the store nor a revision names. One that remains is removed by a later update.
pub(super) async fn forget_unused(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let forgetting = async {
        let old = cluster.old_smtp_logins(&namespace, context.now()).await?;
        if old.is_empty() {
            return Ok(());
        }
        let Ok(mut named) = context.tools.queue.smtp_secrets(context.store.uid).await else { return Ok(()) };
        let before = context.operation.update.as_ref().and_then(|update| update.before.smtp.as_ref());
        named.extend(context.store.spec.smtp.iter().chain(before).map(|smtp| smtp.secret.clone()));
        for name in old.iter().filter(|name| !named.contains(name)) {
            cluster.remove_smtp_login(&namespace, name).await?;
        }
        Ok::<_, ClusterError>(())
    };
    if let Err(error) = context.unless_stopped(forgetting).await? {
        tracing::warn!(namespace, %error, "unused logins at mail servers are left");
    }
    Ok(())
}
