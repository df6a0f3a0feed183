//! Requests to a store's Service through the API server's service proxy, for a control plane that cannot reach shops directly.

use std::time::Duration;

use ::kube::Api;
use ::kube::client::Body;
use ::kube::core::Status;
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::Service;

use super::circuit::report;
use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};

/// The API server's error for a Service whose pods do not answer; all its other errors are about itself.
const ABOUT_THE_PODS: [&str; 2] = ["no endpoints available for service", "error trying to reach service"];

impl Cluster {
    /// Sends a request to the port `http` of a Service; the request's URI is the path there. Redirects are not followed.
    ///
    /// There is no time limit here: the caller has one, because the Service may be slow. The response may be the API
    /// server's own error: see [`api_server_error`] and [`Cluster::confirm_error`].
    pub(crate) async fn request_service(
        &self,
        namespace: &str,
        service: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, ClusterError> {
        let what = format!("send a request to the service {service} in {namespace}");
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri = format!("/api/v1/namespaces/{namespace}/services/http:{service}:http/proxy{path}");
        *request.uri_mut() =
            uri.parse().map_err(|error: http::uri::InvalidUri| build_error(&what, http::Error::from(error)))?;
        let call = self.begin(&what).await?;
        let sent = self.request(Duration::MAX, &what, |client| async move { client.send(request).await }).await;
        report(call, &what, &sent);
        sent
    }
}

impl Cluster {
    /// Whether a response that looks like the API server's own error is one: a shop can answer anything, so the API server is
    /// asked. `None` if the response is the Service's.
    pub(crate) async fn confirm_error(
        &self,
        namespace: &str,
        service: &str,
        method: &Method,
        answered: ClusterError,
    ) -> Option<ClusterError> {
        let verb = if method == Method::GET { "get" } else { "create" };
        let attributes = ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            verb: Some(verb.to_owned()),
            resource: Some("services".to_owned()),
            subresource: Some("proxy".to_owned()),
            name: Some(format!("http:{service}:http")),
            ..ResourceAttributes::default()
        };
        let what = format!("check the permission to reach the service {service} in {namespace}");
        match self.is_allowed(&what, attributes).await {
            Err(error) if error.kind() != ClusterErrorKind::Forbidden => return Some(error),
            Err(_) | Ok(false) => return Some(answered),
            Ok(true) => {}
        }
        if answered.kind() != ClusterErrorKind::NotFound {
            return None;
        }
        let what = format!("read the service {service} in {namespace}");
        let found = self
            .call(&what, |client| async move { Api::<Service>::namespaced(client, namespace).get_opt(service).await });
        match found.await {
            Ok(Some(_)) => None,
            Ok(None) | Err(_) => Some(answered),
        }
    }
}

fn build_error(what: &str, error: http::Error) -> ClusterError {
    ClusterError::from_client(what, &::kube::Error::HttpError(error))
}

/// The error that the API server returned instead of the Service, if the response looks like one. An error about unresponsive
/// pods is about the Service, not about the API server.
pub(crate) fn api_server_error(code: StatusCode, body: &[u8]) -> Option<ClusterError> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    if answer.get("kind")? != "Status" || answer.get("apiVersion")? != "v1" {
        return None;
    }
    let mut status: Status = serde_json::from_value(answer).ok()?;
    if ABOUT_THE_PODS.iter().any(|words| status.message.contains(words)) {
        return None;
    }
    status.code = code.as_u16();
    Some(ClusterError::from_client("reach the shop through the API server", &::kube::Error::Api(status.boxed())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind_of(code: u16, message: &str) -> Option<ClusterErrorKind> {
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": "x", "code": code});
        let code = StatusCode::from_u16(code).expect("a status");
        api_server_error(code, body.to_string().as_bytes()).map(|error| error.kind())
    }

    #[test]
    fn proxy_distinguishes_api_server_errors_from_shop_errors() {
        assert_eq!(kind_of(403, "services \"store\" is forbidden"), Some(ClusterErrorKind::Forbidden));
        assert_eq!(kind_of(429, "too many requests"), Some(ClusterErrorKind::Overloaded));
        assert_eq!(kind_of(404, "services \"store\" not found"), Some(ClusterErrorKind::NotFound));
        assert_eq!(kind_of(503, "no endpoints available for service \"store\""), None);
        assert_eq!(
            kind_of(503, "error trying to reach service: dial tcp 10.0.0.9:8080: connect: connection refused"),
            None
        );
        let shop = br#"{"code":"woocommerce_rest_cart_empty","message":"no","data":{"status":400}}"#;
        assert_eq!(api_server_error(StatusCode::BAD_REQUEST, shop), None);
        assert_eq!(api_server_error(StatusCode::BAD_GATEWAY, b"<html>"), None);
    }
}
