//! The commands of WebAuthn L3, section 11, and the credential-provider extension, against real drivers.
//!
//! A driver is looked for on PATH, or where CHROMEDRIVER or GECKODRIVER says. Without one its tests are left out, unless
//! PASSKEY_REQUIRED_LANES names its browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "webdriver/driver.rs"]
mod driver;
#[path = "webdriver/provider.rs"]
mod provider;
#[path = "webdriver/site.rs"]
mod site;

use driver::in_session;
use fantoccini::Client;
use p256::pkcs8::EncodePrivateKey as _;
use passkey_authenticators::{
    client::from_base64url,
    webdriver::{
        self, Bytes, CommandError, Credential, CredentialProperties, Protocol, Transport,
        VirtualAuthenticator, chromium,
    },
};
use passkey_model::lane::Browser;
use serde_json::{Value, json};
use site::{call, serve_pages};

/// The flags of authenticator data (WebAuthn L3, 6.1).
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;

fn platform_authenticator() -> VirtualAuthenticator {
    VirtualAuthenticator {
        has_resident_key: Some(true),
        has_user_verification: Some(true),
        is_user_verified: Some(true),
        ..VirtualAuthenticator::new(Protocol::Ctap2_1, Transport::Internal)
    }
}

fn credential_to_add() -> Credential {
    let key = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    Credential {
        credential_id: Bytes(b"added credential".to_vec()),
        is_resident_credential: true,
        rp_id: Some("localhost".to_owned()),
        private_key: Bytes(key.to_pkcs8_der().unwrap().as_bytes().to_vec()),
        user_handle: Some(Bytes(vec![0xff, 0xfe])),
        sign_count: 41,
        large_blob: None,
        backup_eligibility: None,
        backup_state: None,
        user_name: None,
        user_display_name: None,
    }
}

/// Returns the flags of a response's authenticator data.
fn flags(made: &Value) -> u8 {
    let data = made["response"]["authenticatorData"].as_str();
    let data = data.unwrap_or_else(|| panic!("no authenticator data in {made}"));
    from_base64url(data).unwrap()[32]
}

/// Does what both drivers have: 11.3 to 11.9. `unknown` is the driver's error for an authenticator that is not there.
async fn commands(client: &Client, unknown: &str) {
    let page = serve_pages().await;
    client.goto(&page).await.unwrap();
    let id = webdriver::add_virtual_authenticator(client, &platform_authenticator())
        .await
        .unwrap();

    let made = call(client, "create", json!([])).await;
    assert_eq!(flags(&made) & UV, UV);
    let listed = webdriver::get_credentials(client, &id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(made["id"], listed[0].credential_id.to_string());
    assert_eq!(listed[0].rp_id.as_deref(), Some("localhost"));
    assert!(listed[0].is_resident_credential);

    webdriver::remove_credential(client, &id, &listed[0].credential_id)
        .await
        .unwrap();
    assert_eq!(webdriver::get_credentials(client, &id).await.unwrap(), []);

    let added = credential_to_add();
    webdriver::add_credential(client, &id, &added)
        .await
        .unwrap();
    let listed = webdriver::get_credentials(client, &id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].private_key, added.private_key);
    assert_eq!(listed[0].user_handle, added.user_handle);
    assert_eq!(listed[0].sign_count, 41);
    let used = call(client, "get", json!([])).await;
    assert_eq!(used["id"], added.credential_id.to_string());
    assert_eq!(used["response"]["userHandle"], "__4");

    webdriver::set_user_verified(client, &id, false)
        .await
        .unwrap();
    let refused = call(
        client,
        "get",
        json!([{ "userVerification": "required", "timeout": 1000 }]),
    )
    .await;
    assert_eq!(refused["error"], "NotAllowedError");

    webdriver::remove_all_credentials(client, &id)
        .await
        .unwrap();
    assert_eq!(webdriver::get_credentials(client, &id).await.unwrap(), []);
    webdriver::remove_virtual_authenticator(client, &id)
        .await
        .unwrap();

    let gone = webdriver::get_credentials(client, &id).await.unwrap_err();
    let CommandError::Refused { command, code, .. } = &gone else {
        panic!("{gone}");
    };
    assert_eq!((*command, code.as_str()), ("Get Credentials", unknown));
}

#[tokio::test]
async fn chromium_carries_out_the_commands() {
    in_session(Browser::Chromium, None, |client| async move {
        let capabilities = client.capabilities().unwrap();
        assert_eq!(capabilities[webdriver::CAPABILITY], true);
        commands(&client, "invalid argument").await;
    })
    .await;
}

#[tokio::test]
async fn firefox_carries_out_the_commands() {
    in_session(Browser::Firefox, None, |client| async move {
        // Not the specification's "invalid argument".
        commands(&client, "unknown error").await;
    })
    .await;
}

#[tokio::test]
async fn chromium_makes_credentials_with_the_chosen_backup_flags_and_changes_them() {
    in_session(Browser::Chromium, None, |client| async move {
        client.goto(&serve_pages().await).await.unwrap();
        let authenticator = VirtualAuthenticator {
            default_backup_eligibility: Some(true),
            default_backup_state: Some(false),
            ..platform_authenticator()
        };
        let id = webdriver::add_virtual_authenticator(&client, &authenticator)
            .await
            .unwrap();
        let made = call(&client, "create", json!([])).await;
        assert_eq!(flags(&made) & (BE | BS), BE);

        let listed = webdriver::get_credentials(&client, &id).await.unwrap();
        let credential = &listed[0];
        assert_eq!(
            (credential.backup_eligibility, credential.backup_state),
            (Some(true), Some(false))
        );
        assert_eq!(credential.user_name.as_deref(), Some("ada"));
        assert_eq!(credential.user_display_name.as_deref(), Some("Ada"));

        let properties = CredentialProperties {
            backup_state: Some(true),
            ..CredentialProperties::default()
        };
        webdriver::set_credential_properties(&client, &id, &credential.credential_id, &properties)
            .await
            .unwrap();
        let used = call(&client, "get", json!([])).await;
        assert_eq!(flags(&used) & (BE | BS), BE | BS);
    })
    .await;
}

#[tokio::test]
async fn firefox_says_that_it_cannot_change_the_properties_of_a_credential() {
    in_session(Browser::Firefox, None, |client| async move {
        let id = webdriver::add_virtual_authenticator(&client, &platform_authenticator())
            .await
            .unwrap();
        let unchanged = CredentialProperties::default();
        let refusal =
            webdriver::set_credential_properties(&client, &id, &Bytes(vec![1]), &unchanged)
                .await
                .unwrap_err();
        let CommandError::NotUnderstood { command, message } = &refusal else {
            panic!("{refusal}");
        };
        assert_eq!(
            (*command, message.as_str()),
            ("Set Credential Properties", "HTTP method not allowed")
        );
    })
    .await;
}

#[tokio::test]
async fn chromium_takes_devtools_commands_for_the_same_authenticator() {
    in_session(Browser::Chromium, None, |client| async move {
        client.goto(&serve_pages().await).await.unwrap();
        chromium::enable_virtual_authenticators(&client)
            .await
            .unwrap();
        let none = call(&client, "create", json!([{ "timeout": 500 }])).await;
        assert_eq!(none["error"], "NotAllowedError");

        let id = webdriver::add_virtual_authenticator(&client, &platform_authenticator())
            .await
            .unwrap();
        call(&client, "create", json!([])).await;

        let bits = chromium::ResponseOverrideBits {
            is_bad_uv: true,
            ..Default::default()
        };
        chromium::set_response_override_bits(&client, &id, bits)
            .await
            .unwrap();
        let used = call(&client, "get", json!([])).await;
        assert_eq!(flags(&used) & UV, 0);
        chromium::set_response_override_bits(&client, &id, Default::default())
            .await
            .unwrap();

        chromium::set_automatic_presence_simulation(&client, &id, false)
            .await
            .unwrap();
        let waited = call(&client, "get", json!([{ "timeout": 500 }])).await;
        assert_eq!(waited["error"], "NotAllowedError");
        chromium::set_automatic_presence_simulation(&client, &id, true)
            .await
            .unwrap();
        let used = call(&client, "get", json!([])).await;
        assert_eq!(flags(&used) & UV, UV);
    })
    .await;
}

#[tokio::test]
async fn chromium_claims_to_be_another_browser() {
    in_session(Browser::Chromium, None, |client| async move {
        let user_agent = chromium::UserAgent {
            user_agent: "Mozilla/5.0 (tests)".to_owned(),
            platform: "Win32".to_owned(),
            metadata: Some(chromium::UserAgentMetadata {
                brands: vec![chromium::Brand {
                    brand: "Google Chrome".to_owned(),
                    version: "156".to_owned(),
                }],
                platform: "Windows".to_owned(),
                platform_version: "15.0.0".to_owned(),
                architecture: "x86".to_owned(),
                ..Default::default()
            }),
        };
        chromium::set_user_agent_override(&client, &user_agent)
            .await
            .unwrap();
        client.goto(&serve_pages().await).await.unwrap();
        let script = "const { brands, platform, mobile } = navigator.userAgentData;
            return [navigator.userAgent, navigator.platform, brands, platform, mobile];";
        let claimed = client.execute(script, vec![]).await.unwrap();
        let brands = json!([{ "brand": "Google Chrome", "version": "156" }]);
        assert_eq!(
            claimed,
            json!(["Mozilla/5.0 (tests)", "Win32", brands, "Windows", false])
        );
    })
    .await;
}
