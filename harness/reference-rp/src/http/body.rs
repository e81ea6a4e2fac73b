//! Bodies of requests, and refusals in the relying party's own shape.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A JSON body.
pub(super) struct Body(pub Value);

/// A body that is none.
pub(super) struct BadBody {
    pub status: StatusCode,
    pub message: String,
}

/// Makes an error in the relying party's own shape.
pub(super) fn error(status: StatusCode, reasons: &[String], message: &str) -> Response {
    (status, Json(error_body(reasons, message))).into_response()
}

pub(super) fn error_body(reasons: &[String], message: &str) -> Value {
    json!({ "error": { "reasons": reasons, "message": message } })
}

impl IntoResponse for BadBody {
    fn into_response(self) -> Response {
        error(self.status, &["parse".to_owned()], &self.message)
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = BadBody;

    async fn from_request(request: Request, state: &S) -> Result<Self, BadBody> {
        let bad = |status, message: String| BadBody { status, message };
        let kind = request.headers().get(header::CONTENT_TYPE);
        // A form of another site can post text, but not JSON.
        let is_json = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| {
                let essence = kind.split(';').next().unwrap_or_default();
                essence.trim().eq_ignore_ascii_case("application/json")
            });
        if !is_json {
            let message = "the content type is not application/json".to_owned();
            return Err(bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| bad(rejection.status(), rejection.body_text()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| bad(StatusCode::BAD_REQUEST, format!("the body: {error}")))
    }
}
