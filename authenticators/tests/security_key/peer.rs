//! webauthn-authenticator-rs as the platform that speaks to the key: clientPIN and credential management are its own code.

use async_trait::async_trait;
use futures::executor::block_on;
use passkey_authenticators::ctaphid::Application as _;
use passkey_authenticators::{
    crate_stack::{Additions, Interposed},
    ctap::{KeySettings, PinProtocol, SecurityKey},
};
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use webauthn_authenticator_rs::{
    AuthenticatorBackendHashedClientData as _,
    ctap2::{CtapAuthenticator, commands::UserCM},
    error::{CtapError, WebauthnCError},
    transport::Token,
    types::{CableRequestType, CableState, EnrollSampleStatus},
    ui::UiCallback,
};
use webauthn_rs_proto::AuthenticatorTransport;

use crate::kit::*;

/// The key as a token of the crate.
#[derive(Debug)]
struct KeyToken<'a>(&'a mut SecurityKey);

#[async_trait]
impl Token for KeyToken<'_> {
    type Id = ();

    fn get_transport(&self) -> AuthenticatorTransport {
        AuthenticatorTransport::Usb
    }

    async fn transmit_raw<U>(&mut self, cbor: &[u8], _ui: &U) -> Result<Vec<u8>, WebauthnCError>
    where
        U: UiCallback,
    {
        let answer = self.0.cbor(cbor);
        match answer.split_first() {
            Some((0, body)) => Ok(body.to_vec()),
            Some((status, _)) => Err(CtapError::from(*status).into()),
            None => panic!("no answer"),
        }
    }

    async fn cancel(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }

    async fn init(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }
}

/// Somebody who knows a PIN.
#[derive(Debug)]
struct Person(String);

impl UiCallback for Person {
    fn request_pin(&self) -> Option<String> {
        Some(self.0.clone())
    }

    fn request_touch(&self) {}

    fn processing(&self) {}

    fn fingerprint_enrollment_feedback(&self, _: u32, _: Option<EnrollSampleStatus>) {}

    fn cable_qr_code(&self, _: CableRequestType, _: String) {}

    fn dismiss_qr_code(&self) {}

    fn cable_status_update(&self, _: CableState) {}
}

type Platform<'a> = CtapAuthenticator<'a, Interposed<KeyToken<'a>>, Person>;

/// A platform that makes discoverable credentials.
fn platform<'a>(key: &'a mut SecurityKey, person: &'a Person) -> Platform<'a> {
    let additions = Additions {
        discoverable: true,
        user_verification: true,
        protection: None,
    };
    let (token, _) = Interposed::new(KeyToken(key), additions);
    block_on(CtapAuthenticator::new(token, person)).expect("getInfo is read")
}

/// Registers a user; returns the credential ID and the flags.
fn register(platform: &mut Platform<'_>, user: &str) -> Result<(Vec<u8>, u8), WebauthnCError> {
    let options = json!({
        "rp": { "id": RP_ID, "name": "RP" },
        "user": { "id": "YWxpY2U", "name": user, "displayName": user },
        "challenge": "AAAA",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
        "authenticatorSelection": { "requireResidentKey": false, "userVerification": "required" },
    });
    let mut options: webauthn_rs_proto::PublicKeyCredentialCreationOptions =
        serde_json::from_value(options).unwrap();
    options.user.id = user.as_bytes().to_vec();
    let made = platform.perform_register(HASH.to_vec(), options, 0)?;
    let object = made.response.attestation_object;
    let object = passkey_authenticators::cbor::Cbor::decode(&object).unwrap();
    let data = object.get("authData").unwrap().as_bytes().unwrap();
    Ok((data[55..87].to_vec(), data[32]))
}

/// Signs in; returns the credential ID and the flags.
fn sign_in(platform: &mut Platform<'_>) -> Result<(Vec<u8>, u8), WebauthnCError> {
    let options = json!({
        "challenge": "AAAA", "rpId": RP_ID, "allowCredentials": [], "userVerification": "required",
    });
    let options = serde_json::from_value(options).unwrap();
    let asserted = platform.perform_auth(HASH.to_vec(), options, 0)?;
    Ok((asserted.raw_id, asserted.response.authenticator_data[32]))
}

fn settings(pin: &str, protocol: PinProtocol) -> KeySettings {
    KeySettings {
        pin_protocols: vec![protocol],
        ..with_pin(pin)
    }
}

fn ctap(error: WebauthnCError) -> CtapError {
    match error {
        WebauthnCError::Ctap(error) => error,
        other => panic!("not the key's: {other:?}"),
    }
}

fn any_protocol() -> impl Strategy<Value = PinProtocol> {
    prop::sample::select(vec![PinProtocol::One, PinProtocol::Two])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whoever_knows_the_pin_is_verified(pin in "[ -~äß字]{4,20}", protocol in any_protocol()) {
        let (mut key, person) = (key(settings(&pin, protocol)), Person(pin));
        let mut platform = platform(&mut key, &person);
        let (id, flags) = register(&mut platform, "alice").unwrap();
        prop_assert_eq!(flags, 0x45, "UP, UV and AT");
        prop_assert_eq!(sign_in(&mut platform).unwrap(), (id, 0x05));
    }

    #[test]
    fn whoever_does_not_is_told_so(
        pin in "[0-9]{4,8}",
        wrong in "[a-z]{4,8}",
        protocol in any_protocol(),
    ) {
        let (mut key, person) = (key(settings(&pin, protocol)), Person(wrong));
        let mut platform = platform(&mut key, &person);
        let refused = register(&mut platform, "alice").unwrap_err();
        prop_assert_eq!(ctap(refused), CtapError::Ctap2PinInvalid);
        drop(platform);
        prop_assert_eq!(key.authenticator().credentials(RP_ID).count(), 0);
    }

    #[test]
    fn a_pin_is_set_and_changed_as_the_platform_does(
        first in "[ -~]{4,30}",
        second in "[ -~]{4,63}",
        protocol in any_protocol(),
    ) {
        prop_assume!(first != second);
        let fresh = KeySettings { pin: None, ..settings("", protocol) };
        let mut key = key(fresh);
        let person = Person(second.clone());
        let mut platform = platform(&mut key, &person);
        block_on(platform.set_new_pin(&first)).unwrap();
        prop_assert_eq!(platform.get_info().get_option("clientPin"), Some(true));
        let early = register(&mut platform, "alice").unwrap_err();
        prop_assert_eq!(ctap(early), CtapError::Ctap2PinInvalid);
        block_on(platform.change_pin(&first, &second)).unwrap();
        prop_assert_eq!(register(&mut platform, "alice").unwrap().1, 0x45);
        let again = block_on(platform.set_new_pin(&first)).unwrap_err();
        prop_assert_eq!(ctap(again), CtapError::Ctap2PinAuthInvalid);
    }
}

#[test]
fn three_wrong_pins_block_until_a_power_cycle_and_eight_for_good() {
    for protocol in [PinProtocol::One, PinProtocol::Two] {
        let mut key = key(settings("1234", protocol));
        let (wrong, right) = (Person("4321".to_owned()), Person("1234".to_owned()));
        let attempt = |key: &mut SecurityKey, person| {
            let refused = register(&mut platform(key, person), "alice").err();
            refused.map(ctap)
        };
        use CtapError::{Ctap2PinAuthBlocked as AuthBlocked, Ctap2PinInvalid as Invalid};
        for expected in [Invalid, Invalid, AuthBlocked, AuthBlocked] {
            assert_eq!(attempt(&mut key, &wrong), Some(expected));
        }
        assert_eq!(
            attempt(&mut key, &right),
            Some(AuthBlocked),
            "nor the right one"
        );
        let retries = command(
            0x06,
            &map(vec![(2, passkey_authenticators::cbor::Cbor::Int(1))]),
        );
        let left = answer(&mut key, &retries);
        assert_eq!(
            left.get("3").unwrap().as_int(),
            Some(5),
            "what was blocked costs nothing"
        );
        key.power_cycle();
        assert_eq!(attempt(&mut key, &wrong), Some(Invalid));
        assert_eq!(attempt(&mut key, &right), None);
        let left = answer(&mut key, &retries);
        assert_eq!(
            left.get("3").unwrap().as_int(),
            Some(8),
            "the right one restores them"
        );
        for _ in 0..8 {
            attempt(&mut key, &wrong);
            key.power_cycle();
        }
        assert_eq!(attempt(&mut key, &right), Some(CtapError::Ctap2PinBlocked));
    }
}

#[test]
fn a_pin_that_is_too_short_is_against_the_policy() {
    let mut key = key(KeySettings::default());
    let person = Person(String::new());
    // The platform's own check is by what getInfo said before.
    let mut platform = platform(&mut key, &person);
    assert!(matches!(
        block_on(platform.set_new_pin("123")),
        Err(WebauthnCError::PinTooShort)
    ));
    assert_eq!(platform.get_info().min_pin_length, Some(4));
}

#[test]
fn get_info_is_read_by_the_platform() {
    let mut key = key(with_pin("1234"));
    let person = Person("1234".to_owned());
    let platform = platform(&mut key, &person);
    assert!(matches!(platform, CtapAuthenticator::Fido21(_)));
    let info = platform.get_info();
    assert_eq!(info.pin_protocols, Some(vec![2, 1]));
    assert_eq!(info.remaining_discoverable_credentials, Some(25));
    assert!(info.make_cred_uv_not_required());
    assert_eq!(
        info.get_transports(),
        Some(vec![
            AuthenticatorTransport::Usb,
            AuthenticatorTransport::Nfc
        ])
    );
    assert!(platform.supports_credential_management());
}

#[test]
fn credentials_are_listed_renamed_and_deleted() {
    for protocol in [PinProtocol::One, PinProtocol::Two] {
        let mut key = key(settings("1234", protocol));
        let person = Person("1234".to_owned());
        let mut platform = platform(&mut key, &person);
        let users = ["alice", "bobby", "carol"];
        let made = users.map(|user| register(&mut platform, user).unwrap().0);
        let CtapAuthenticator::Fido21(mut platform) = platform else {
            panic!("not CTAP 2.1")
        };
        use webauthn_authenticator_rs::ctap2::CredentialManagementAuthenticator as _;

        let metadata = block_on(platform.get_credentials_metadata()).unwrap();
        assert_eq!(metadata.existing_resident_credentials_count, 3);
        assert_eq!(
            metadata.max_possible_remaining_resident_credentials_count,
            22
        );
        let rps = block_on(platform.enumerate_rps()).unwrap();
        assert_eq!(rps.len(), 1);
        assert_eq!(rps[0].id.as_deref(), Some(RP_ID));
        assert_eq!(rps[0].hash.unwrap()[..], Sha256::digest(RP_ID)[..]);

        let renamed = UserCM {
            id: b"bobby".to_vec(),
            name: Some("robert".to_owned()),
            // The platform sends null for what is not there, which is no text; what is empty is removed.
            display_name: Some(String::new()),
        };
        block_on(platform.update_credential_user(made[1].clone().into(), renamed)).unwrap();
        block_on(platform.delete_credential(made[0].clone().into())).unwrap();
        let left = block_on(platform.enumerate_credentials_by_rpid(RP_ID)).unwrap();
        let users: Vec<_> = left
            .iter()
            .map(|credential| credential.user.clone())
            .collect();
        let robert = users[0].as_ref().unwrap();
        assert_eq!(robert.name.as_deref(), Some("robert"));
        assert_eq!(robert.display_name, None);
        assert_eq!(users[1].as_ref().unwrap().name.as_deref(), Some("carol"));
        assert_eq!(left.len(), 2);
        assert_eq!(left[0].credential_id.as_ref().unwrap().id, made[1]);
        assert!(left[0].public_key.is_some());

        let elsewhere = block_on(platform.enumerate_credentials_by_rpid("other.test")).unwrap();
        assert!(elsewhere.is_empty());
        let gone = block_on(platform.delete_credential(made[0].clone().into())).unwrap_err();
        assert_eq!(ctap(gone), CtapError::Ctap2NoCredentials);
    }
}
