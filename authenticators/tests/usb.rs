//! USB keys behind our client, without hardware: what a page gets, and the care for the key.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

#[path = "usb/fake.rs"]
mod fake;
#[path = "usb/lock.rs"]
mod lock;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use passkey_authenticators::{
    Client, ClientError, Made, Values,
    client::from_base64url,
    ctap::Status,
    usb::{AllowedKeys, Person, SecurityKey, UsbError, keys},
};
use passkey_model::Aaguid;
use serde_json::{Value, json};

use self::fake::{Behaviour, Fake, LIMIT, Somebody, open};

const RIGHT: Behaviour = Behaviour::Pin {
    right: true,
    attempts: 8,
};
const WRONG: Behaviour = Behaviour::Pin {
    right: false,
    attempts: 8,
};

fn client() -> Client {
    Client {
        origin: "https://login.rp.test".to_owned(),
        top_origin: None,
        cross_platform: true,
        conditional: false,
    }
}

fn creation(verification: &str, resident: &str) -> Value {
    json!({
        "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "rp.test" }, "user": { "id": "AQID" },
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }], "attestation": "direct",
        "authenticatorSelection": { "residentKey": resident, "userVerification": verification },
        "extensions": { "credProps": true },
    })
}

fn request(verification: &str) -> Value {
    json!({
        "challenge": "AQEBAQEBAQEBAQEBAQEBAQ", "rpId": "rp.test", "userVerification": verification,
    })
}

fn create(key: &mut SecurityKey<Fake>, options: &Value) -> Result<Made, UsbError> {
    key.create(&client(), options, None, &Values::new())
}

fn get(key: &mut SecurityKey<Fake>, verification: &str) -> Result<Made, UsbError> {
    key.get(&client(), &request(verification), None, &Values::new())
}

fn flags(made: &Made) -> u8 {
    let data = made.response["response"]["authenticatorData"].as_str();
    from_base64url(data.unwrap()).unwrap()[32]
}

/// Opens a key that behaves in this way and makes a passkey; returns why it failed, with the key.
fn failure(aaguid: &str, behaviour: Behaviour) -> (UsbError, SecurityKey<Fake>) {
    let (key, _, _) = open(aaguid, behaviour, Some("1234"));
    let mut key = key.unwrap();
    let error = create(&mut key, &creation("required", "required")).unwrap_err();
    (error, key)
}

#[test]
fn a_passkey_is_made_and_used_with_the_id_from_authenticator_data() {
    let (key, seen, _) = open(
        "00000000-0000-0000-0000-000000000001",
        Behaviour::Honest,
        None,
    );
    let mut key = key.unwrap();
    let made = create(&mut key, &creation("required", "required")).unwrap();
    let model = seen.model.lock().unwrap().clone();
    let kept = model.credentials("rp.test").next().unwrap().clone();
    let observed = made.observed.clone().unwrap();
    assert_eq!(observed.credential_id, kept.id);
    assert!(kept.discoverable);
    assert_eq!(
        from_base64url(made.response["id"].as_str().unwrap()),
        Some(kept.id.clone())
    );
    assert_eq!(
        made.response["clientExtensionResults"]["credProps"]["rk"],
        true
    );
    assert_eq!(made.response["response"]["transports"], json!(["usb"]));
    assert_eq!(observed.format, "packed");
    assert_eq!(flags(&made), 0x45);

    let used = get(&mut key, "required").unwrap();
    assert_eq!(
        from_base64url(used.response["rawId"].as_str().unwrap()),
        Some(kept.id)
    );
    assert_eq!(used.response["response"]["userHandle"], "AQID");
    assert_eq!(flags(&used), 0x05);
}

#[test]
fn the_software_authenticator_sends_the_same_for_the_same_seed() {
    let (key, seen, _) = open(
        "00000000-0000-0000-0000-000000000002",
        Behaviour::Honest,
        None,
    );
    let mut software = seen.model.lock().unwrap().clone();
    let options = creation("required", "required");
    let usb = create(&mut key.unwrap(), &options).unwrap();
    let same = client().create(&mut software, &options, None, &Values::new());
    assert_eq!(usb.response, same.unwrap().response);
}

#[test]
fn a_discouraged_verification_is_not_done_at_sign_in_and_needs_no_pin() {
    let (key, seen, person) = open("00000000-0000-0000-0000-000000000003", RIGHT, Some("1234"));
    let mut key = key.unwrap();
    create(&mut key, &creation("preferred", "required")).unwrap();
    assert_eq!(seen.sent(6, Some(5)), 1);
    let used = get(&mut key, "discouraged").unwrap();
    assert_eq!(flags(&used), 0x01);
    assert_eq!(seen.sent(6, Some(5)), 1);
    let used = get(&mut key, "preferred").unwrap();
    assert_eq!(flags(&used), 0x05);
    assert_eq!(
        person.pins.load(Ordering::Relaxed),
        1,
        "asked once for many uses"
    );
}

#[test]
fn a_credential_that_is_not_discoverable_has_no_user_handle() {
    let (key, _, _) = open(
        "00000000-0000-0000-0000-000000000004",
        Behaviour::Honest,
        None,
    );
    let mut key = key.unwrap();
    let made = create(&mut key, &creation("discouraged", "discouraged")).unwrap();
    assert_eq!(flags(&made), 0x41);
    let mut options = request("discouraged");
    options["allowCredentials"] = json!([{ "type": "public-key", "id": made.response["id"] }]);
    let used = key.get(&client(), &options, None, &Values::new()).unwrap();
    assert_eq!(used.response["response"].get("userHandle"), None);
}

#[test]
fn without_attestation_neither_statement_nor_aaguid_is_conveyed() {
    let (key, _, _) = open(
        "00000000-0000-0000-0000-000000000005",
        Behaviour::Honest,
        None,
    );
    let mut options = creation("required", "required");
    options["attestation"] = json!("none");
    let made = create(&mut key.unwrap(), &options).unwrap();
    let observed = made.observed.unwrap();
    assert_eq!(
        (observed.format.as_str(), observed.aaguid),
        ("none", Aaguid::ZERO)
    );
}

#[test]
fn the_client_refuses_as_with_any_authenticator() {
    let (key, _, _) = open(
        "00000000-0000-0000-0000-000000000006",
        Behaviour::Honest,
        None,
    );
    let mut key = key.unwrap();
    let refused = |name| UsbError::Client(ClientError::Refused(name));
    let mut options = creation("required", "required");
    let made = create(&mut key, &options).unwrap();
    options["excludeCredentials"] = json!([{ "type": "public-key", "id": made.response["id"] }]);
    assert_eq!(
        create(&mut key, &options).unwrap_err(),
        refused("InvalidStateError")
    );
    options["rp"]["id"] = json!("other.test");
    assert_eq!(
        create(&mut key, &options).unwrap_err(),
        refused("SecurityError")
    );
    let mut options = creation("required", "required");
    options["pubKeyCredParams"] = json!([{ "type": "public-key", "alg": -257 }]);
    assert_eq!(
        create(&mut key, &options).unwrap_err(),
        refused("NotSupportedError")
    );
    let mut options = request("required");
    options["allowCredentials"] = json!([{ "type": "public-key", "id": "AAAA" }]);
    let error = key.get(&client(), &options, None, &Values::new());
    assert_eq!(error.unwrap_err(), refused("NotAllowedError"));
}

#[test]
fn a_wrong_pin_is_tried_once_in_the_process() {
    let aaguid = "00000000-0000-0000-0000-000000000007";
    let (key, seen, person) = open(aaguid, WRONG, Some("1234"));
    let mut key = key.unwrap();
    let options = creation("required", "required");
    assert_eq!(create(&mut key, &options).unwrap_err(), UsbError::PinWrong);
    let again = create(&mut key, &options).unwrap_err();
    assert!(matches!(again, UsbError::SetAside(_)), "{again}");
    assert!(again.to_string().contains("PIN was wrong"), "{again}");
    assert_eq!(seen.sent(6, Some(5)), 1);
    assert_eq!(person.pins.load(Ordering::Relaxed), 1);
    let (reopened, seen, _) = open(aaguid, WRONG, Some("1234"));
    assert!(matches!(reopened, Err(UsbError::SetAside(_))));
    assert_eq!(seen.sent(6, None), 0);
}

#[test]
fn no_pin_is_tried_when_none_is_given_or_few_attempts_are_left() {
    let (key, seen, _) = open("00000000-0000-0000-0000-000000000008", RIGHT, None);
    let error = create(&mut key.unwrap(), &creation("required", "required"));
    assert_eq!(error.unwrap_err(), UsbError::PinNeeded);
    assert_eq!(seen.sent(6, Some(5)), 0);
    for (attempts, told) in [(3, UsbError::FewAttempts(3)), (0, UsbError::PinBlocked)] {
        let aaguid = format!("00000000-0000-0000-0009-00000000000{attempts}");
        let behaviour = Behaviour::Pin {
            right: true,
            attempts,
        };
        let (key, seen, _) = open(&aaguid, behaviour, Some("1234"));
        let error = create(&mut key.unwrap(), &creation("required", "required"));
        assert_eq!(error.unwrap_err(), told);
        assert_eq!(seen.sent(6, Some(5)), 0);
    }
}

#[test]
fn a_panic_is_an_error_and_the_key_is_left_alone() {
    let (error, mut key) = failure("00000000-0000-0000-0000-000000000010", Behaviour::Panics);
    assert_eq!(error, UsbError::Panicked("the nonce is wrong".to_owned()));
    let again = get(&mut key, "required").unwrap_err();
    assert!(matches!(again, UsbError::SetAside(_)), "{again}");
}

#[test]
fn a_hang_is_bounded_and_the_key_is_left_alone() {
    let began = Instant::now();
    let (error, mut key) = failure("00000000-0000-0000-0000-000000000011", Behaviour::Hangs);
    assert_eq!(error, UsbError::Hung);
    assert!(began.elapsed() < LIMIT);
    let again = get(&mut key, "required").unwrap_err();
    assert!(matches!(again, UsbError::SetAside(_)), "{again}");
}

#[test]
fn a_touch_is_told_once_and_cancelled_at_the_limit() {
    let aaguid = "00000000-0000-0000-0000-000000000012";
    let (key, seen, person) = open(aaguid, Behaviour::WaitsForTouch, None);
    let error = create(&mut key.unwrap(), &creation("required", "required"));
    assert_eq!(error.unwrap_err(), UsbError::NotTouched);
    assert_eq!(seen.cancelled.load(Ordering::Relaxed), 1);
    assert_eq!(person.touches.load(Ordering::Relaxed), 1);
    let (reopened, _, _) = open(aaguid, Behaviour::Honest, None);
    assert!(
        reopened.is_ok(),
        "a slow person is no reason to leave a key alone"
    );
}

#[test]
fn what_a_key_fails_with_is_told_apart() {
    let (error, _) = failure("00000000-0000-0000-0000-000000000013", Behaviour::IsRemoved);
    assert!(matches!(error, UsbError::Removed(_)), "{error}");
    let aaguid = "00000000-0000-0000-0000-000000000014";
    let (error, _) = failure(aaguid, Behaviour::SaysByte(0x28));
    assert_eq!(error, UsbError::StoreFull);
    let (error, _) = failure(aaguid, Behaviour::Says(Status::Other));
    assert!(matches!(error, UsbError::Unexpected(_)), "{error}");
    let (error, _) = failure(aaguid, Behaviour::SaysByte(0x2f));
    assert_eq!(error, UsbError::NotTouched);
    let (key, _, _) = open(aaguid, Behaviour::SpeaksU2f, None);
    assert_eq!(key.unwrap_err(), UsbError::NotCtap2);
}

#[test]
fn only_allowed_keys_are_written_to() {
    let own = "00000000-0000-0000-0000-000000000015";
    let (fake, seen) = Fake::new(own, Behaviour::Honest);
    let allowed: AllowedKeys = "00000000-0000-0000-0000-000000000016".parse().unwrap();
    let person: Arc<dyn Person> = Arc::new(Somebody::default());
    let error = SecurityKey::open(fake, &allowed, person, LIMIT).unwrap_err();
    assert!(error.to_string().contains(own), "{error}");
    assert_eq!(
        *seen.commands.lock().unwrap(),
        [[4]],
        "it was asked what it is, no more"
    );
}

#[test]
fn the_list_of_allowed_keys_is_aaguids_with_commas() {
    let list: AllowedKeys =
        " CB69481E-8FF7-4039-93EC-0A2729A154A8 ,00000000-0000-0000-0000-000000000017,"
            .parse()
            .unwrap();
    assert!(list.allows("cb69481e-8ff7-4039-93ec-0a2729a154a8".parse().unwrap()));
    assert!(!list.allows(Aaguid::ZERO));
    assert_eq!("".parse::<AllowedKeys>().unwrap(), AllowedKeys::default());
    let error = "yubikey".parse::<AllowedKeys>().unwrap_err();
    assert!(error.to_string().contains("yubikey"), "{error}");
}

#[test]
fn only_what_was_made_is_deleted_afterwards() {
    let (key, seen, person) = open("00000000-0000-0000-0000-000000000018", RIGHT, Some("1234"));
    // Somebody's own passkey at the same relying party.
    let mut options = creation("required", "required");
    options["user"]["id"] = json!("CQkJ");
    let mut own = seen.model.lock().unwrap().clone();
    client()
        .create(&mut own, &options, None, &Values::new())
        .unwrap();
    *seen.model.lock().unwrap() = own;

    let mut key = key.unwrap();
    assert_eq!(key.info().remaining, Some(25));
    assert_eq!(key.info().plan(26).fits, Some(false));
    assert_eq!(key.info().plan(2).left, 0);
    let made = create(&mut key, &creation("required", "required")).unwrap();
    assert_eq!(key.delete_made().unwrap(), 1);
    let made = made.observed.unwrap().credential_id;
    assert_eq!(*seen.deleted.lock().unwrap(), [made]);
    assert_eq!(key.delete_made().unwrap(), 0);
    assert_eq!(person.pins.load(Ordering::Relaxed), 1);
}

#[test]
fn what_stays_on_a_key_without_management_is_planned() {
    let (key, _, _) = open(
        "00000000-0000-0000-0000-000000000019",
        Behaviour::Honest,
        None,
    );
    let mut key = key.unwrap();
    let plan = key.info().plan(3);
    assert_eq!((plan.left, plan.fits), (3, None));
    create(&mut key, &creation("required", "required")).unwrap();
    assert_eq!(key.delete_made().unwrap(), 0);
}

#[test]
fn listing_keys_is_no_panic_on_any_machine() {
    match keys(Duration::from_secs(2)) {
        Ok(found) => assert!(
            found
                .iter()
                .all(|key| key.path.is_some() || key.info.is_ok())
        ),
        Err(error) => assert!(matches!(error, UsbError::NoHidraw(_)), "{error}"),
    }
}
