//! Errors of the Connect protocol.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// HTTP has no status for it: the caller disconnected.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Every code's name in JSON, and its HTTP status.
pub(in crate::http) fn wire(code: Code) -> (&'static str, StatusCode) {
    let client_closed = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST);
    match code {
        Code::Ok => ("ok", StatusCode::OK),
        Code::Cancelled => ("canceled", client_closed),
        Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

/// `{code, message, details}`; `debug` of a detail is its JSON.
pub(super) fn body(status: &Status, types: &DescriptorPool) -> Value {
    let details = tonic_types::pb::Status::decode(status.details()).map(|status| status.details).unwrap_or_default();
    let details: Vec<_> = details.iter().map(|detail| self::detail(detail, types)).collect();
    json!({"code": wire(status.code()).0, "message": status.message(), "details": details})
}

fn detail(detail: &prost_types::Any, types: &DescriptorPool) -> Value {
    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
    let message = types.get_message_by_name(name);
    let message = message.and_then(|message| DynamicMessage::decode(message, detail.value.as_slice()).ok());
    let mut json = json!({"type": name, "value": STANDARD_NO_PAD.encode(&detail.value)});
    if let (Some(debug), Value::Object(fields)) = (message.and_then(|m| serde_json::to_value(m).ok()), &mut json) {
        fields.insert("debug".to_owned(), debug);
    }
    json
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    #[test]
    fn codes_have_connect_names_and_http_statuses() {
        let all: Vec<_> =
            (1..=16).map(|code| wire(Code::from_i32(code))).map(|(name, http)| (name, http.as_u16())).collect();
        let expected = [
            ("canceled", 499),
            ("unknown", 500),
            ("invalid_argument", 400),
            ("deadline_exceeded", 504),
            ("not_found", 404),
            ("already_exists", 409),
            ("permission_denied", 403),
            ("resource_exhausted", 429),
            ("failed_precondition", 400),
            ("aborted", 409),
            ("out_of_range", 400),
            ("unimplemented", 501),
            ("internal", 500),
            ("unavailable", 503),
            ("data_loss", 500),
            ("unauthenticated", 401),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn error_details_are_machine_and_human_readable() {
        let mut details = ErrorDetails::with_error_info("WRONG", "storeplane", HashMap::new());
        details.add_bad_request_violation("store_id", "must be short");
        let status = Status::with_error_details(Code::InvalidArgument, "wrong", details);
        let types = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).expect("descriptors");
        insta::assert_snapshot!(format!("{:#}", body(&status, &types)));
    }
}
