//! What the harness relies on in browsers, each a check of its own.

use passkey_authenticators::{
    Key, cbor::Cbor, client::from_base64url, native, webdriver, webdriver::chromium,
};
use passkey_model::{Aaguid, lane::Browser, provider::Transport};
use serde_json::{Value, json};

use super::{
    bench::{Bench, authenticator, creation, request},
    site::AAGUID,
    verify::{Check, Wrong},
};
use crate::browser::{Session, emulation, page};

/// With the browser's own authenticators.
pub(super) const NATIVE: &[Check] = &[
    everywhere("the proxy refuses hosts that are not the site's", |bench| {
        Box::pin(other_hosts(bench))
    }),
    everywhere(
        "an internal authenticator makes and uses a passkey",
        |bench| Box::pin(over(bench, Transport::Internal)),
    ),
    everywhere("a usb authenticator makes and uses a passkey", |bench| {
        Box::pin(over(bench, Transport::Usb))
    }),
    everywhere("a hybrid authenticator makes and uses a passkey", |bench| {
        Box::pin(over(bench, Transport::Hybrid))
    }),
    everywhere(
        "AAGUID, attestation and algorithm are the lane's",
        |bench| Box::pin(fixed(bench)),
    ),
    everywhere("BE and BS are as the lane has them", |bench| {
        Box::pin(backup_flags(bench))
    }),
    everywhere("a passkey is exported with its key and put back", |bench| {
        Box::pin(put_back(bench))
    }),
    everywhere("user verification that fails is NotAllowedError", |bench| {
        Box::pin(unverified(bench))
    }),
    everywhere("an excluded passkey is InvalidStateError", |bench| {
        Box::pin(excluded(bench))
    }),
    everywhere(
        "server and page see the user agent that is put on",
        |bench| Box::pin(user_agent(bench)),
    ),
    in_chromium("the batch certificate has the known key", |bench| {
        Box::pin(batch_certificate(bench))
    }),
    in_chromium(
        "without an authenticator a ceremony ends with its time",
        |bench| Box::pin(no_authenticator(bench)),
    ),
    in_chromium("a conditional sign-in is answered at once", |bench| {
        Box::pin(conditional(bench))
    }),
    in_chromium("the Signal API removes an unknown passkey", |bench| {
        Box::pin(signal(bench))
    }),
];

/// With the extension.
pub(super) const EXTENSION: &[Check] = &[everywhere(
    "the extension answers create and get with instances of PublicKeyCredential",
    |bench| Box::pin(extension(bench)),
)];

type Run = for<'a> fn(&'a Bench) -> super::verify::Checking<'a>;

const fn everywhere(title: &'static str, run: Run) -> Check {
    Check {
        title,
        only: None,
        run,
    }
}

const fn in_chromium(title: &'static str, run: Run) -> Check {
    Check {
        title,
        only: Some(Browser::Chromium),
        run,
    }
}

async fn other_hosts(bench: &Bench) -> Result<(), Wrong> {
    let title = title(&bench.session).await?;
    same("passkey-harness doctor", &title)?;
    let opened = page::open(&bench.session, "https://elsewhere.test/").await;
    match opened {
        Ok(()) => Err(Wrong::new("no page of another host", "one")),
        Err(_) => Ok(()),
    }
}

async fn title(session: &Session) -> Result<String, Wrong> {
    let title = session.client().title();
    let limit = std::time::Duration::from_secs(5);
    Ok(session.limited("reading the title", limit, title).await?)
}

async fn over(bench: &Bench, transport: Transport) -> Result<(), Wrong> {
    bench.attach(&authenticator(transport)).await?;
    let made = bench.create().await?;
    let used = bench.get(&request()).await?;
    same(&made["id"], &used["id"])?;
    let attachment = match transport {
        Transport::Internal => "platform",
        _ => "cross-platform",
    };
    same(&json!(attachment), &made["authenticatorAttachment"])?;
    // Firefox knows inside and outside only; Chromium says of hybrid that it may be near.
    let transports = match (bench.session.browser(), transport) {
        (_, Transport::Internal) => json!(["internal"]),
        (Browser::Chromium, Transport::Hybrid) => json!(["ble", "hybrid"]),
        _ => json!(["usb"]),
    };
    same(&transports, &made["response"]["transports"])
}

async fn fixed(bench: &Bench) -> Result<(), Wrong> {
    bench.attach(&authenticator(Transport::Internal)).await?;
    let made = bench.create().await?;
    let fixed = &bench.fixed;
    if let Some(aaguid) = fixed.aaguid {
        let observed = native::observed(&made);
        let observed = observed.map_err(|error| Wrong::new("an attestation object", error))?;
        same(&aaguid, &observed.aaguid)?;
    }
    if let Some(attestation) = fixed.attestation {
        same(&json!(attestation), &json!(attestation_of(&made)))?;
    }
    if let Some(algorithm) = fixed.algorithm {
        same(
            &json!(algorithm.cose()),
            &made["response"]["publicKeyAlgorithm"],
        )?;
    }
    Ok(())
}

/// Returns the kind of attestation as lanes spell it: the format, and whether `packed` came without a certificate.
fn attestation_of(made: &Value) -> String {
    let object = attestation_object(made).and_then(|bytes| Cbor::decode(&bytes));
    let member = |name| object.as_ref().and_then(|object| object.get(name));
    let format = member("fmt").and_then(Cbor::as_text).unwrap_or("no format");
    let certificates = member("attStmt").and_then(|statement| statement.get("x5c"));
    match (format, certificates) {
        ("packed", None) => "packed-self".to_owned(),
        _ => format.to_owned(),
    }
}

fn attestation_object(made: &Value) -> Option<Vec<u8>> {
    from_base64url(made["response"]["attestationObject"].as_str()?)
}

async fn backup_flags(bench: &Bench) -> Result<(), Wrong> {
    for (eligible, state) in [(false, false), (true, false), (true, true)] {
        let mut wanted = authenticator(Transport::Internal);
        wanted.default_backup_eligibility = Some(eligible);
        wanted.default_backup_state = Some(state);
        bench.attach(&wanted).await?;
        let expected = match bench.fixed.backup_eligible {
            Some(always) => (always, always),
            None => (eligible, state),
        };
        let made = bench.create().await?;
        same(&flags(expected), &flags(backup(&made)?))?;
        let used = bench.get(&request()).await?;
        same(&flags(expected), &flags(backup(&used)?))?;
        bench.detach_all().await?;
    }
    Ok(())
}

fn flags((eligible, state): (bool, bool)) -> String {
    format!("BE={} BS={}", u8::from(eligible), u8::from(state))
}

/// Reads BE and BS out of a response's authenticator data (WebAuthn L3, 6.1: the flags are byte 32; bits 3 and 4).
fn backup(response: &Value) -> Result<(bool, bool), Wrong> {
    let data = response["response"]["authenticatorData"].as_str();
    let data = data.and_then(from_base64url).unwrap_or_default();
    let flags = data.get(32);
    let flags = flags.ok_or_else(|| Wrong::new("authenticator data", response))?;
    Ok((flags & 0x08 != 0, flags & 0x10 != 0))
}

async fn put_back(bench: &Bench) -> Result<(), Wrong> {
    let wanted = authenticator(Transport::Internal);
    let first = bench.attach(&wanted).await?;
    let made = bench.create().await?;
    let kept = bench.kept(&first).await?;
    let [credential] = kept.as_slice() else {
        return Err(Wrong::new(
            "one passkey",
            format!("{} passkeys", kept.len()),
        ));
    };
    if let Err(error) = Key::from_pkcs8(&credential.private_key.0) {
        return Err(Wrong::new("a private key in PKCS#8", error));
    }
    bench.detach_all().await?;
    let second = bench.attach(&wanted).await?;
    webdriver::add_credential(bench.session.client(), &second, credential).await?;
    let used = bench.get(&request()).await?;
    same(&made["id"], &used["id"])
}

async fn unverified(bench: &Bench) -> Result<(), Wrong> {
    let mut wanted = authenticator(Transport::Internal);
    wanted.is_user_verified = Some(false);
    bench.attach(&wanted).await?;
    refused(bench, "create", &creation(), "NotAllowedError").await
}

async fn excluded(bench: &Bench) -> Result<(), Wrong> {
    bench.attach(&authenticator(Transport::Internal)).await?;
    let made = bench.create().await?;
    let mut again = creation();
    again["excludeCredentials"] = json!([{ "type": "public-key", "id": made["id"] }]);
    refused(bench, "create", &again, "InvalidStateError").await
}

async fn refused(bench: &Bench, what: &str, options: &Value, name: &str) -> Result<(), Wrong> {
    match bench.ask(what, options).await? {
        Err(error) => same(name, error.as_str()),
        Ok(made) => Err(Wrong::new(name, made)),
    }
}

async fn user_agent(bench: &Bench) -> Result<(), Wrong> {
    let Some(wanted) = &bench.user_agent else {
        return Err(Wrong::new("a platform with a user agent", "none"));
    };
    let (client, browser) = (bench.session.client(), bench.session.browser());
    let own = bench.site.user_agent();
    wear(client, browser, Some(wanted)).await?;
    bench.open().await?;
    let page = bench.ask("userAgent", &Value::Null).await?;
    let server = bench.site.user_agent();
    wear(client, browser, None).await?;
    same(&Ok(json!(wanted.user_agent)), &page)?;
    same(&wanted.user_agent, &server)?;
    bench.open().await?;
    same(&own, &bench.site.user_agent())
}

async fn wear(
    client: &fantoccini::Client,
    browser: Browser,
    wanted: Option<&passkey_model::platform::UserAgent>,
) -> Result<(), Wrong> {
    let worn = emulation::wear(client, browser, wanted).await;
    worn.map_err(|error| Wrong::new("a browser that takes a user agent", error))
}

async fn batch_certificate(bench: &Bench) -> Result<(), Wrong> {
    bench.attach(&authenticator(Transport::Internal)).await?;
    let made = bench.create().await?;
    let object = attestation_object(&made).unwrap_or_default();
    let key = |bytes| public_key(bytes).map_or_else(|| "none".to_owned(), hex);
    same(&key(chromium::BATCH_CERTIFICATE), &key(&object))
}

/// Finds the public key on P-256 in a certificate (RFC 5480, 2), wherever that stands; COSE keys look otherwise.
fn public_key(bytes: &[u8]) -> Option<&[u8]> {
    const BEFORE: &[u8] =
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    const LENGTH: usize = 65;
    let mut places = bytes.windows(BEFORE.len());
    let start = places.position(|window| window == BEFORE)? + BEFORE.len();
    bytes.get(start..start + LENGTH)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn no_authenticator(bench: &Bench) -> Result<(), Wrong> {
    let mut options = request();
    options["timeout"] = json!(300);
    refused(bench, "get", &options, "NotAllowedError").await
}

async fn conditional(bench: &Bench) -> Result<(), Wrong> {
    bench.attach(&authenticator(Transport::Internal)).await?;
    let made = bench.create().await?;
    let mut options = request();
    options["mediation"] = json!("conditional");
    let used = bench.get(&options).await?;
    same(&made["id"], &used["id"])
}

async fn signal(bench: &Bench) -> Result<(), Wrong> {
    let id = bench.attach(&authenticator(Transport::Internal)).await?;
    let made = bench.create().await?;
    let which = json!({ "rpId": super::site::RP_ID, "credentialId": made["id"] });
    let told = bench.ask("signalUnknownCredential", &which).await?;
    told.map_err(|error| Wrong::new("signalUnknownCredential", error))?;
    same(&0, &bench.kept(&id).await?.len())
}

async fn extension(bench: &Bench) -> Result<(), Wrong> {
    let made = bench.ask("create", &creation()).await?;
    let made = made.map_err(|error| Wrong::new("the provider's passkey", error))?;
    let used = bench.ask("get", &request()).await?;
    let used = used.map_err(|error| Wrong::new("the provider's assertion", error))?;
    let observed = native::observed(&made["credential"]);
    let observed = observed.map_err(|error| Wrong::new("an attestation object", error))?;
    same(&Aaguid::from(AAGUID), &observed.aaguid)?;
    same(&made["credential"]["id"], &used["credential"]["id"])?;
    let instances = json!([made["isInstance"], used["isInstance"]]);
    same(&json!([true, true]), &instances)
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(expected: &T, seen: &T) -> Result<(), Wrong> {
    if expected == seen {
        return Ok(());
    }
    Err(Wrong::new(format!("{expected:?}"), format!("{seen:?}")))
}
