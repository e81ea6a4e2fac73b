//! Writes a target file of what was found: what was seen as members, what was guessed as members that say so, and what is not known
//! as comments that say what to fill in.

use std::fmt::{Arguments, Write as _};

use super::Found;

/// Returns the target file.
#[must_use]
pub fn write(found: &Found) -> String {
    let mut text = String::new();
    head(&mut text, found);
    place(&mut text, found);
    seen(&mut text, found);
    driver(&mut text, found);
    rest(&mut text, found);
    text
}

fn line(text: &mut String, arguments: Arguments<'_>) {
    // A String takes all that is written to it.
    let _ = writeln!(text, "{arguments}");
}

/// Keeps words of others in the line of their comment.
fn safe(words: &str) -> String {
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    words.chars().take(200).map(plain).collect()
}

fn head(text: &mut String, found: &Found) {
    line(
        text,
        format_args!(
            "# A target of passkey-harness, made by looking at {}",
            safe(found.url.as_str())
        ),
    );
    line(
        text,
        format_args!(
            "# Read every line: \"guessed\" has to be checked, and what is commented out may have to be filled in. Then"
        ),
    );
    line(
        text,
        format_args!(
            "#   passkey-harness check FILE              says what is wrong with the file,"
        ),
    );
    line(
        text,
        format_args!("#   passkey-harness smoke --target FILE     says what is missing, and"),
    );
    line(
        text,
        format_args!("#   passkey-harness run --target FILE --lane software conformance"),
    );
    for note in &found.notes {
        line(text, format_args!("# Note: {}", safe(note)));
    }
    let host = found.url.host_str().unwrap_or_default();
    let of_names = |it: char| {
        if it.is_ascii_alphanumeric() || it == '.' {
            it
        } else {
            '-'
        }
    };
    let name: String = host.chars().map(of_names).collect();
    line(text, format_args!("target: \"{name}\""));
    line(
        text,
        format_args!("# version: \"1.0\"      # of what is tested; verdicts are kept for each"),
    );
    line(
        text,
        format_args!(
            "# start:              # where passkey-harness has to start it; it is told PORT, RP_ID, ORIGIN and TRUST_ANCHORS"
        ),
    );
    line(text, format_args!("#   command: [./start]"));
}

fn place(text: &mut String, found: &Found) {
    match found.address {
        Some(address) => line(text, format_args!("address: \"{address}\"")),
        None => line(
            text,
            format_args!(
                "# To be filled in: where it listens over plain HTTP, behind its TLS.\naddress: \"127.0.0.1:80\""
            ),
        ),
    }
    let host = found.url.host_str().unwrap_or_default();
    let by_address = found
        .url
        .host()
        .is_some_and(|host| !matches!(host, url::Host::Domain(_)));
    let origin = found.url.origin().ascii_serialization();
    match &found.rp_id {
        Some(rp_id) => {
            line(text, format_args!("# Its options name this RP ID."));
            line(text, format_args!("rp-id: {}", quoted(rp_id)));
        }
        None if by_address => {
            line(
                text,
                format_args!(
                    "# Guessed: an RP ID is a domain, and {host} is none. Fill in what its options name in rp.id."
                ),
            );
            line(text, format_args!("rp-id: localhost"));
        }
        None => {
            line(
                text,
                format_args!(
                    "# Guessed from the address: correct it if its options name another domain in rp.id."
                ),
            );
            line(text, format_args!("rp-id: {}", quoted(host)));
        }
    }
    let port = found
        .url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let below = |rp_id: &str| host == rp_id || host.ends_with(&format!(".{rp_id}"));
    match &found.rp_id {
        Some(rp_id) if !below(rp_id) => {
            line(
                text,
                format_args!(
                    "# Guessed: pages of {} cannot use this RP ID. Fill in the origin that it expects, which client data names.",
                    safe(&origin)
                ),
            );
            line(
                text,
                format_args!("origin: {}", quoted(&format!("https://{rp_id}"))),
            );
        }
        None if by_address => {
            line(
                text,
                format_args!(
                    "# Guessed: fill in the origin that it expects, which client data names."
                ),
            );
            line(
                text,
                format_args!("origin: \"{}://localhost{port}\"", found.url.scheme()),
            );
        }
        _ => {
            line(
                text,
                format_args!(
                    "# Guessed from the address: the origin that it expects, which client data names."
                ),
            );
            line(text, format_args!("origin: {}", quoted(&origin)));
        }
    }
}

/// Writes a text as YAML: JSON's strings are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn seen(text: &mut String, found: &Found) {
    let page = &found.page;
    line(
        text,
        format_args!("\n# Seen on the page and in its scripts:"),
    );
    if page.mentions.is_empty() {
        line(
            text,
            format_args!("#   nothing that uses WebAuthn; is it the page where people sign in?"),
        );
    }
    for it in &page.mentions {
        line(text, format_args!("#   {}", safe(it)));
    }
    for (method, path) in &page.endpoints {
        line(text, format_args!("#   a path: {method} {}", safe(path)));
    }
    for it in &page.forms {
        line(text, format_args!("#   a form: {}", safe(it)));
    }
    for (selector, words) in &page.buttons {
        line(
            text,
            format_args!("#   a button: {}  ({})", safe(selector), safe(words)),
        );
    }
    for origin in &found.related_origins {
        line(
            text,
            format_args!(
                "#   a related origin (/.well-known/webauthn): {}",
                safe(origin)
            ),
        );
    }
}

fn driver(text: &mut String, found: &Found) {
    if found.fido_api {
        line(
            text,
            format_args!(
                "\n# It answers POST /attestation/options as FIDO's conformance tests expect."
            ),
        );
        line(text, format_args!("driver: fido-api"));
        return;
    }
    let endpoints = found.page.endpoints();
    if let Some(all) = endpoints.all() {
        line(
            text,
            format_args!(
                "\n# Guessed from the scripts: which request is which, its method, and what is sent and answered."
            ),
        );
        line(text, format_args!("driver: json"));
        dialect(text, "", all);
        return;
    }
    line(
        text,
        format_args!(
            "\n# How it is spoken to was not found out. fido-api stands here only because something has to; the requests that"
        ),
    );
    line(
        text,
        format_args!(
            "# were not found are to be filled in below, in the place of driver: fido-api."
        ),
    );
    line(text, format_args!("driver: fido-api"));
    line(text, format_args!("# driver: json"));
    let or =
        |found: &Option<String>, missing: &str| found.clone().unwrap_or_else(|| missing.to_owned());
    let (registration, authentication) = (&endpoints.registration, &endpoints.authentication);
    let all = [
        or(&registration.options, "POST /FILL-IN/register/options"),
        or(&registration.result, "POST /FILL-IN/register"),
        or(&authentication.options, "POST /FILL-IN/sign-in/options"),
        or(&authentication.result, "POST /FILL-IN/sign-in"),
    ];
    dialect(text, "# ", [&all[0], &all[1], &all[2], &all[3]]);
}

fn dialect(text: &mut String, comment: &str, [create, register, get, sign_in]: [&str; 4]) {
    let asks = |request: &str, name: &str| {
        let way = if request.starts_with("GET ") {
            "query"
        } else {
            "body"
        };
        format!("{{ request: {request}, {way}: {{ username: {name} }} }}")
    };
    let create = asks(create, "$USER");
    let get = asks(get, "$REQUEST/username");
    line(text, format_args!("{comment}json:"));
    line(text, format_args!("{comment}  registration:"));
    line(
        text,
        format_args!(
            "{comment}    options: {create}   # gives: $ANSWER/publicKey, where options are not the whole answer"
        ),
    );
    line(
        text,
        format_args!(
            "{comment}    result: {{ request: {register}, body: $RESPONSE }}   # accepted: {{ at: /verified, is: true }}, where 200 may say no"
        ),
    );
    line(text, format_args!("{comment}  authentication:"));
    line(text, format_args!("{comment}    options: {get}"));
    line(
        text,
        format_args!("{comment}    result: {{ request: {sign_in}, body: $RESPONSE }}"),
    );
    text.push_str(BESIDE_CEREMONIES);
}

/// The requests beside the two ceremonies.
const BESIDE_CEREMONIES: &str = r##"#   let-in: [{ request: POST /signup, body: { name: $USER } }]   # what a user needs before the first passkey
#   session: { request: GET /me, gives: $ANSWER/username }
#   sign-out: { request: POST /sign-out }
#   delete: { request: "DELETE /passkeys/{$CREDENTIAL_ID}" }
"##;
/// What it is like, up to its features.
const DECLARES: &str = "
# What it is like. What is not declared is presumed as scenarios do, or its rows do not run.
# declares:
#   relying-party: { user-verification: preferred, attestation: none, algorithms: [ES256, RS256] }
";
/// How it refuses, and what its words mean.
const REFUSALS: &str = "
# How it refuses; learned before the rows run when left out. Then what its words mean.
# refusal: { statuses: [400], content-types: [application/json], members: [error] }
# message-at: /error
# reasons:
#   - { text: challenge, is: [reg.8, auth.11] }
#   - { text: signature, is: [auth.21] }
";

fn rest(text: &mut String, found: &Found) {
    let related = if found.related_origins.is_empty() {
        ""
    } else {
        "   # and whether it means its related origins"
    };
    text.push_str(DECLARES);
    line(
        text,
        format_args!("#   features: [usernameless, username-flow, several-passkeys]{related}"),
    );
    text.push_str(REFUSALS);
}
