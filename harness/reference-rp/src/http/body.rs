//! Bodies of requests, and refusals in the relying party's own shape.

use std::{future::poll_fn, pin::Pin};

use axum::{
    Json,
    body::HttpBody,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// The largest body that is looked at, in bytes.
pub(super) const LARGEST_BODY: usize = 1024 * 1024;
/// The largest body that is read to its end before it is refused, in bytes.
const LARGEST_READ: usize = 32 * 1024 * 1024;

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

    async fn from_request(request: Request, _: &S) -> Result<Self, BadBody> {
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
        let bytes = read(request.into_body()).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| bad(StatusCode::BAD_REQUEST, format!("the body: {error}")))
    }
}

/// Reads a body that is not too large.
///
/// What is over the limit is read and dropped: a client that is cut off while it still sends does not see why.
async fn read(mut body: axum::body::Body) -> Result<Vec<u8>, BadBody> {
    let bad = |status, message: String| BadBody { status, message };
    let mut kept = Vec::new();
    let mut length = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| bad(StatusCode::BAD_REQUEST, error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length > LARGEST_READ {
            break;
        }
        if length <= LARGEST_BODY {
            kept.extend_from_slice(&data);
        }
    }
    if length > LARGEST_BODY {
        let message = format!("the body has more than {LARGEST_BODY} bytes");
        return Err(bad(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(kept)
}
