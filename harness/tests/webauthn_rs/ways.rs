//! One relying party reached in several ways: what it is asked through makes no difference to the verdicts.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
};
use passkey_model::{row::Row, target::Code, verdict::Verdict};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    ATTESTATION, NAMED, REASONS, WORDS,
    core::WithAttestation,
    list::Judged,
    rows, run,
    server::{self, cookie},
    target,
};

/// Sessions are tokens that answers give and requests have; who is there already is not let in again.
const BY_TOKEN: &str = "\
driver: json
json:
  let-in:
    - { request: POST /let-in, body: { username: $USER }, keep: { token: $ANSWER/token } }
  registration:
    options: { request: POST /registration/options, headers: { Authorization: 'Bearer {$KEPT/token}' }, body: { username: $USER }, keep: { token: $ANSWER/token } }
    result: { request: POST /registration, headers: { Authorization: 'Bearer {$KEPT/token}' }, body: $RESPONSE, keep: { token: $ANSWER/token } }
  authentication:
    options: { request: POST /authentication/options, body: { username: $REQUEST/username }, keep: { token: $ANSWER/token } }
    result: { request: POST /authentication, headers: { Authorization: 'Bearer {$KEPT/token}' }, body: $RESPONSE, keep: { token: $ANSWER/token } }
  session: { request: GET /session, headers: { Authorization: 'Bearer {$KEPT/token}' }, gives: $ANSWER/user }
  sign-out: { request: DELETE /session, headers: { Authorization: 'Bearer {$KEPT/token}' } }
";
const CSRF_COOKIE: &str = "  headers: { X-CSRFToken: $CSRF }\n  csrf: { cookie: csrftoken }\n";
const CSRF_PAGE: &str =
    "  headers: { X-CSRFToken: $CSRF }\n  csrf: { page: /form, pattern: 'value=\"([^\"]+)\"' }\n";
/// Options are JSON in a string, their bytes hexadecimal; a registration is a form, and a sign-in has lists of numbers.
const IN_OTHER_LETTERS: &str = "\
driver: json
json:
  registration:
    options: { request: POST /registration/options, body: { username: $USER }, gives: $ANSWER/text, binary: hex }
    result:
      request: POST /registration
      form: true
      body:
        id: $RESPONSE/id as hex
        rawId: $RESPONSE/rawId as base64
        type: $RESPONSE/type
        clientDataJSON: $RESPONSE/response/clientDataJSON as base64
        attestationObject: $RESPONSE/response/attestationObject as hex
        extensions: $RESPONSE/clientExtensionResults as json-text
  authentication:
    options: { request: POST /authentication/options, body: { username: $REQUEST/username }, gives: $ANSWER/text, binary: hex }
    result:
      request: POST /authentication
      body:
        id: $RESPONSE/id as numbers
        rawId: $RESPONSE/rawId as hex
        type: $RESPONSE/type
        clientDataJSON: $RESPONSE/response/clientDataJSON as text
        authenticatorData: $RESPONSE/response/authenticatorData as numbers
        signature: $RESPONSE/response/signature as base64
        userHandle: $RESPONSE/response/userHandle as hex
        extensions: $RESPONSE/clientExtensionResults as json-text
  session: { request: GET /session, gives: $ANSWER/user }
  sign-out: { request: DELETE /session }
";
/// Four lines stand before.
const BY_FIDO: &str = "\
driver: fido-api
declares:
  relying-party:
    algorithms: [ES256, ES384, RS256]
    counter: reject
  features: [username-flow, several-passkeys, uses-backup-state]
";

/// Runs every nth row against webauthn-rs-core behind a router.
async fn judged(name: &str, router: Router, more: &str, nth: usize) -> Vec<Judged> {
    let (library, rows) = rows();
    let rows: Vec<_> = rows.into_iter().step_by(nth).collect();
    let target = target(name, server::listen(router).await, more, 1).await;
    run(&library, &rows, &target, 1).await
}

/// Runs them as its own words have it, with cookies.
async fn in_its_own_words(name: &str, nth: usize) -> Vec<Judged> {
    let more = format!("{WORDS}{ATTESTATION}{NAMED}{REASONS}");
    judged(name, server::router(WithAttestation::new()), &more, nth).await
}

/// Compares the verdicts of rows that ran both ways; returns how many did.
fn compare(one: &[Judged], other: &[Judged]) -> usize {
    let both = one.iter().zip(other);
    let both = both.filter(|(one, other)| one.verdict.has_run() && other.verdict.has_run());
    let mut compared = 0;
    for (one, other) in both {
        assert_ne!(one.verdict, Verdict::HarnessError, "{one:?}");
        assert_eq!(one.verdict, other.verdict, "{one:?}\n{other:?}");
        compared += 1;
    }
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_lines_are_enough_where_a_relying_party_has_fidos_api() {
    assert!(4 + BY_FIDO.lines().count() <= 10, "with the four before");
    let router = server::router(WithAttestation::new());
    let by_fido = judged("by-fidos-api", router, BY_FIDO, 1).await;
    let compared = compare(&by_fido, &in_its_own_words("beside-fidos-api", 1).await);
    assert!(compared > 300, "{compared} rows ran both ways");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_a_token_is_a_session() {
    let users = Arc::new(Mutex::new(HashSet::new()));
    let router = server::router(WithAttestation::new());
    let router = router.layer(from_fn_with_state(users, by_token));
    let more = format!("{BY_TOKEN}{ATTESTATION}{NAMED}{REASONS}");
    let by_token = judged("by-token", router, &more, 4).await;
    let compared = compare(&by_token, &in_its_own_words("by-cookie", 4).await);
    assert!(compared > 100, "{compared} rows ran both ways");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_against_cross_site_requests_is_found_in_a_cookie_and_on_a_page() {
    let without = in_its_own_words("unguarded", 4).await;
    for (name, csrf) in [("csrf-cookie", CSRF_COOKIE), ("csrf-page", CSRF_PAGE)] {
        let router = server::router(WithAttestation::new()).layer(from_fn(guarded));
        let more = format!("{WORDS}{csrf}{ATTESTATION}{NAMED}{REASONS}");
        let guarded = judged(name, router, &more, 4).await;
        let compared = compare(&guarded, &without);
        assert!(compared > 100, "{name}: {compared} rows ran both ways");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_may_be_written_in_any_letters() {
    let (library, rows) = rows();
    // How bytes are spelled is what other groups are about.
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| {
            ["ad.", "be.", "sig."]
                .iter()
                .any(|group| row.scenario.starts_with(group))
        })
        .collect();
    let router = || server::router(WithAttestation::new());
    let other = router().layer(from_fn(in_other_letters));
    let mut ways = Vec::new();
    for (name, words, router) in [
        ("in-other-letters", IN_OTHER_LETTERS, other),
        ("in-its-letters", WORDS, router()),
    ] {
        let more = format!("{words}{ATTESTATION}{NAMED}{REASONS}");
        let target = target(name, server::listen(router).await, &more, 1).await;
        ways.push(run(&library, &rows, &target, 1).await);
    }
    let compared = compare(&ways[0], &ways[1]);
    assert!(compared > 60, "{compared} rows ran both ways");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beside_one_that_stalls_the_relying_party_are_not_blamed() {
    let (library, rows) = rows();
    let registers = |row: &&Row| row.name.to_string().contains("::registration::");
    let stalls = |row: &&Row| row.scenario == "ad.credid-1024";
    let others = rows
        .iter()
        .filter(|row| row.scenario.starts_with("cd."))
        .filter(registers);
    let mut chosen: Vec<_> = rows
        .iter()
        .filter(stalls)
        .filter(registers)
        .cloned()
        .collect();
    // More than run at once, so that some always run beside it.
    chosen.extend(others.take(30).cloned());
    let one_at_a_time = Arc::new(tokio::sync::Mutex::new(()));
    let router = server::router(WithAttestation::new());
    let router = router.layer(from_fn_with_state(one_at_a_time, stalled));
    let pacing = "pacing: { answers-within-seconds: 1 }\n";
    let more = format!("{pacing}{WORDS}{ATTESTATION}{NAMED}{REASONS}");
    let target = target("stalls", server::listen(router).await, &more, 1).await;
    let judged = run(&library, &chosen, &target, 1).await;
    let [stalls, others @ ..] = judged.as_slice() else {
        panic!("no rows");
    };
    assert_eq!(stalls.verdict, Verdict::Deviates, "{stalls:?}");
    assert!(stalls.because.contains("hung"), "{stalls:?}");
    let router = server::router(WithAttestation::new());
    let more = format!("{WORDS}{ATTESTATION}{NAMED}{REASONS}");
    let target = self::target("does-not-stall", server::listen(router).await, &more, 1).await;
    let undisturbed = run(&library, &chosen[1..], &target, 1).await;
    for (it, undisturbed) in others.iter().zip(&undisturbed) {
        assert_eq!(it.verdict, undisturbed.verdict, "{it:?}\n{undisturbed:?}");
    }
    let beside = others
        .iter()
        .filter(|it| it.because.contains("run alone, since"));
    assert!(beside.count() > 0, "{others:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_before_a_changed_response_was_shown_proves_nothing() {
    let (library, rows) = rows();
    let name = "conformance::cd.chal-other::registration::software";
    let row: Vec<_> = rows
        .into_iter()
        .filter(|row| row.name.to_string() == name)
        .collect();
    let users = Arc::new(Mutex::new(HashSet::new()));
    let router = server::router(WithAttestation::new());
    let router = router.layer(from_fn_with_state(users, one_passkey_each));
    let more = format!("{WORDS}{ATTESTATION}{NAMED}{REASONS}");
    let target = target("one-each", server::listen(router).await, &more, 1).await;
    let judged = run(&library, &row, &target, 1).await;
    assert_eq!(judged[0].verdict, Verdict::Inconclusive, "{judged:?}");
    let why = "refused before the response was shown: Enough: no more passkeys";
    assert!(judged[0].because.contains(why), "{judged:?}");
}

/// Gives each user the options of one registration.
async fn one_passkey_each(
    State(users): State<Arc<Mutex<HashSet<String>>>>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() != "/registration/options" {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let user: Value = serde_json::from_slice(&body).unwrap();
    if users.lock().unwrap().insert(user["username"].to_string()) {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    }
    let refused = json!({ "error": { "code": "Enough", "message": "no more passkeys" } });
    (StatusCode::BAD_REQUEST, Json(refused)).into_response()
}

/// Answers one request after the other, and takes its time with one that has a long credential ID.
async fn stalled(
    State(one_at_a_time): State<Arc<tokio::sync::Mutex<()>>>,
    request: Request,
    next: Next,
) -> Response {
    let _turn = one_at_a_time.lock().await;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let posted: Value = serde_json::from_slice(&body).unwrap_or_default();
    if posted["id"].as_str().is_some_and(|id| id.len() > 1000) {
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// Makes a bearer token of the session's cookie.
async fn by_token(
    State(users): State<Arc<Mutex<HashSet<String>>>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path() == "/let-in" {
        let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
        let user: Value = serde_json::from_slice(&body).unwrap();
        let is_new = users.lock().unwrap().insert(user.to_string());
        let status = if is_new {
            StatusCode::OK
        } else {
            StatusCode::CONFLICT
        };
        return (status, Json(json!({ "token": "nobody" }))).into_response();
    }
    let headers = request.headers_mut();
    if let Some(token) = headers.remove(header::AUTHORIZATION) {
        let token = token.to_str().unwrap().replace("Bearer ", "session=");
        headers.insert(header::COOKIE, token.parse().unwrap());
    }
    let mut answer = next.run(request).await;
    let Some(set) = answer.headers_mut().remove(header::SET_COOKIE) else {
        return answer;
    };
    let token = set
        .to_str()
        .unwrap()
        .split(['=', ';'])
        .nth(1)
        .unwrap()
        .to_owned();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body["token"] = json!(token);
    (parts.status, Json(body)).into_response()
}

/// Reads responses in other letters than the library's, and writes options so.
async fn in_other_letters(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let read = match path.as_str() {
        "/registration" => {
            let kind = parts.headers[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(kind, "application/x-www-form-urlencoded");
            let fields = url::form_urlencoded::parse(&body).into_owned();
            in_its_letters(&fields.map(|(name, value)| (name, json!(value))).collect())
        }
        "/authentication" => in_its_letters(&serde_json::from_slice(&body).unwrap()),
        _ => serde_json::from_slice(&body).unwrap_or_default(),
    };
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    parts.headers.remove(header::CONTENT_LENGTH);
    let answer = next
        .run(Request::from_parts(parts, Body::from(read.to_string())))
        .await;
    if !path.ends_with("/options") || !answer.status().is_success() {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut options: Value = serde_json::from_slice(&body).unwrap();
    for pointer in ["/challenge", "/user/id"] {
        options.pointer_mut(pointer).map(to_hex);
    }
    for list in ["excludeCredentials", "allowCredentials"] {
        let listed = options.get_mut(list).and_then(Value::as_array_mut);
        listed
            .into_iter()
            .flatten()
            .for_each(|known| to_hex(&mut known["id"]));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts, Json(json!({ "text": options.to_string() }))).into_response()
}

fn to_hex(value: &mut Value) {
    let bytes = Code::Base64url.read(value).unwrap();
    *value = Code::Hex.write(&bytes);
}

/// Makes a response of WebAuthn's JSON of what was posted; what is in no such letters stays as it is.
fn in_its_letters(posted: &Map<String, Value>) -> Value {
    let registers = posted.contains_key("attestationObject");
    let letters = [
        ("id", if registers { Code::Hex } else { Code::Numbers }),
        ("rawId", if registers { Code::Base64 } else { Code::Hex }),
        (
            "clientDataJSON",
            if registers { Code::Base64 } else { Code::Text },
        ),
        ("attestationObject", Code::Hex),
        ("authenticatorData", Code::Numbers),
        ("signature", Code::Base64),
        ("userHandle", Code::Hex),
    ];
    let mut read = Map::new();
    for (name, code) in letters {
        if let Some(value) = posted.get(name) {
            let bytes = code.read(value);
            let value = bytes.map_or(value.clone(), |bytes| Code::Base64url.write(&bytes));
            read.insert(name.to_owned(), value);
        }
    }
    let mut response = json!({ "type": posted["type"] });
    for name in ["id", "rawId"] {
        response[name] = read.remove(name).unwrap_or_default();
    }
    let extensions = posted["extensions"].as_str().unwrap();
    response["clientExtensionResults"] = serde_json::from_str(extensions).unwrap();
    response["response"] = Value::Object(read);
    response
}

/// Asks for the token of a cookie in a header with all that changes something; who signs in gets another one.
async fn guarded(request: Request, next: Next) -> Response {
    let fresh = || format!("{}%3D", Uuid::new_v4().simple());
    let token = cookie(request.headers(), "csrftoken").map(str::to_owned);
    let read = |token: &str| token.replace("%3D", "=");
    if request.method() == Method::GET && request.uri().path() != "/session" {
        let token = token.unwrap_or_else(fresh);
        let page = Html(format!("<input name=\"csrf\" value=\"{}\">", read(&token)));
        return with_token(page.into_response(), &token);
    }
    let shown = request.headers().get("x-csrftoken");
    let shown = shown.and_then(|shown| shown.to_str().ok());
    if shown != token.as_deref().map(read).as_deref() {
        return (StatusCode::FORBIDDEN, "cross-site request").into_response();
    }
    let signs_in = ["/registration", "/authentication"].contains(&request.uri().path());
    let answer = next.run(request).await;
    if signs_in {
        with_token(answer, &fresh())
    } else {
        answer
    }
}

fn with_token(mut answer: Response<Body>, token: &str) -> Response {
    let set = HeaderValue::from_str(&format!("csrftoken={token}; Path=/")).unwrap();
    answer.headers_mut().append(header::SET_COOKIE, set);
    answer
}
