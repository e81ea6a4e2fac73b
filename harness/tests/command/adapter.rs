//! An adapter of the reference relying party's verification, and what else an adapter may do when it ought to refuse.

use std::io::{BufRead as _, Write as _, stdin, stdout};

use crate::reference;
use passkey_authenticators::client::from_base64url;
use passkey_reference_rp::{
    Defects, Expected, Record, Refusal,
    policy::Subject,
    verify::{Authentication, Registration, Situation, verify_authentication, verify_registration},
};
use serde_json::{Map, Value, json};

/// Answers until it is told to stop; `mode` is what it does in the place of a refusal.
pub fn serve(mode: &str) {
    if mode == "dies-at-once" {
        eprintln!("no library here");
        std::process::exit(3);
    }
    for line in stdin().lock().lines() {
        let ask: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let mut answer = match ask["do"].as_str().unwrap() {
            "start" => json!({
                "name": "reference", "version": "1", "features": ["challenge", "clock", "user-binding"],
            }),
            "options" => json!({ "options": options(&ask), "state": ask["ceremony"] }),
            "verify" => verify(&ask).unwrap_or_else(|refusal| instead(mode, &refusal)),
            _ => return,
        };
        let id = ask["id"].as_u64().unwrap();
        answer["id"] = json!(if answer.get("wrong-id").is_some() {
            id + 1
        } else {
            id
        });
        say(&answer.to_string());
    }
}

fn say(line: &str) {
    let mut out = stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// What a refusal becomes.
fn instead(mode: &str, refusal: &Refusal) -> Value {
    match mode {
        "dies" => {
            eprintln!("out of cheese");
            std::process::exit(7)
        }
        "hangs" => loop {
            std::thread::park();
        },
        "chats" => say("Traceback (most recent call last):"),
        "repeats" => say(r#"{"id":0}"#),
        "never-ends" => loop {
            if stdout().write_all(&[b'x'; 65536]).is_err() {
                std::process::exit(1);
            }
        },
        "wrong-id" => return json!({ "wrong-id": true }),
        "fails" => return json!({ "failed": { "message": "index out of range" } }),
        "skips" => {
            return json!({ "skip": { "why": "challenges are not compared", "link": "https://docs.example/limits" } });
        }
        "lenient" => return json!({ "accepted": true, "record": { "id": "AQID" } }),
        _ => {}
    }
    json!({ "rejected": { "code": refusal.reasons[0], "message": refusal.message } })
}

fn options(ask: &Value) -> Value {
    let uv = &ask["settings"]["user-verification"];
    let given = ask["challenge"].as_str();
    let challenge = given.unwrap_or("dGhlIHNhbWUgY2hhbGxlbmdlIGV2ZXJ5IHRpbWUgaXMgbm8gbWF0dGVy");
    if ask["ceremony"] == "authentication" {
        return json!({ "challenge": challenge, "rpId": ask["rp"]["id"], "userVerification": uv });
    }
    json!({
        "rp": ask["rp"], "user": ask["user"], "challenge": challenge,
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }],
        "attestation": ask["settings"]["attestation"],
        "authenticatorSelection": { "residentKey": "required", "userVerification": uv },
    })
}

fn verify(ask: &Value) -> Result<Value, Refusal> {
    let expected = expected(ask);
    let bytes = |value: &Value| from_base64url(value.as_str().unwrap()).unwrap();
    let challenge = bytes(&ask["expected"]["challenge"]);
    if ask["ceremony"] == "registration" {
        let record = register(&ask["response"], challenge, &expected, &ask["now"])?;
        let id = passkey_authenticators::client::base64url(&record.id);
        // The key of a record is the reference relying party's own: the registration stands for it.
        return Ok(json!({ "accepted": true, "record": {
            "id": id, "made": ask["response"], "challenge": ask["expected"]["challenge"],
            "counter": record.sign_count, "backed-up": record.backup_state,
        }}));
    }
    let kept = &ask["record"];
    let mut record = register(
        &kept["made"],
        bytes(&kept["challenge"]),
        &expected,
        &ask["now"],
    )?;
    record.sign_count = u32::try_from(kept["counter"].as_u64().unwrap()).unwrap();
    record.backup_state = kept["backed-up"] == true;
    let exchange = Authentication {
        extensions: Map::new(),
        response: ask["response"].clone(),
        challenge: Some(challenge),
        allowed: vec![record.id.clone()],
        identified: None,
        record: Some((record, bytes(&ask["expected"]["user-handle"]))),
        situation: situation(&ask["now"]),
    };
    let signed = verify_authentication(&exchange, &expected, &Defects::NONE)?;
    let mut kept = kept.clone();
    kept["counter"] = json!(signed.sign_count);
    kept["backed-up"] = json!(signed.backup_state);
    Ok(json!({ "accepted": true, "record": kept }))
}

fn register(
    response: &Value,
    challenge: Vec<u8>,
    expected: &Expected,
    now: &Value,
) -> Result<Record, Refusal> {
    let exchange = Registration {
        extensions: Map::new(),
        response: response.clone(),
        challenge: Some(challenge),
        conditional: false,
        user: "alice".to_owned(),
        registered: Vec::new(),
        situation: situation(now),
    };
    verify_registration(&exchange, expected, &Defects::NONE)
}

fn situation(now: &Value) -> Situation {
    Situation {
        subject: Subject::default(),
        now: now.as_u64().unwrap(),
    }
}

fn expected(ask: &Value) -> Expected {
    let expected = &ask["expected"];
    let text = |name: &str| expected[name].as_str().unwrap().to_owned();
    let tops = expected["top-origins"].as_array().unwrap();
    Expected {
        rp_id: text("rp-id"),
        origins: vec![text("origin")],
        cross_origin: expected["cross-origin"] == true,
        top_origins: tops
            .iter()
            .map(|top| top.as_str().unwrap().to_owned())
            .collect(),
        user_verification: text("user-verification"),
        algorithms: vec![-7, -35, -36, -8, -257],
        attestation: text("attestation"),
        ..reference::expected()
    }
}
