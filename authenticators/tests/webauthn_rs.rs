//! A relying party of other people, webauthn-rs-core, takes what every route makes, and refuses it once it is tampered with.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};

use passkey_authenticators::{Client, SoftwareAuthenticator, Values, ca, seed::Seed};
use passkey_model::provider::AuthenticatorModel;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_authenticator_rs::AuthenticatorBackend;
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    proto::{
        AttestationCaList, AttestationCaListBuilder, AttestationConveyancePreference,
        AuthenticationResult, COSEAlgorithm, Credential, PublicKeyCredential,
        RegisterPublicKeyCredential, UserVerificationPolicy,
    },
};

const ORIGIN: &str = "https://login.rp.test";
const AAGUID: &str = "70617373-6b65-7900-0000-0000000000ff";
const USER: &[u8] = b"alice's handle";

/// Who asks the authenticator: our client (over an engine), or the crate's own client layer over its backend trait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Route {
    Ours(&'static str),
    Backend,
}

const MODEL: Route = Route::Ours("model");
const CTAP: Route = Route::Ours("ctap");
const SOFT_TOKEN: Route = Route::Ours("soft-token");

struct Bench {
    route: Route,
    authenticator: SoftwareAuthenticator,
    relying_party: WebauthnCore,
}

impl Bench {
    fn new(route: Route, algorithm: &str, attestation: &str) -> Self {
        let engine = match route {
            Route::Ours(engine) => engine,
            Route::Backend => "model",
        };
        let model: AuthenticatorModel = serde_json::from_value(json!({
            "aaguid": AAGUID, "backup-eligible": false, "backup-state": false,
            "attestation": attestation, "transports": ["usb"], "user-verification": "verifies",
            "algorithms": [algorithm], "sign-counter": "increments", "engine": engine,
        }))
        .unwrap();
        let relying_party = WebauthnCore::new_unsafe_experts_only(
            "Test",
            "rp.test",
            vec![Url::parse(ORIGIN).unwrap()],
            Duration::from_secs(60),
            Some(true),
            None,
        );
        Self {
            route,
            authenticator: SoftwareAuthenticator::new(model, Seed::new(0, "webauthn-rs")),
            relying_party,
        }
    }

    fn client() -> Client {
        Client {
            origin: ORIGIN.to_owned(),
            top_origin: None,
            cross_platform: true,
            conditional: false,
        }
    }

    fn register(&mut self, roots: Option<&AttestationCaList>) -> Result<Credential, WebauthnError> {
        let asked = self
            .relying_party
            .new_challenge_register_builder(USER, "alice", "Alice")
            .unwrap()
            .attestation(AttestationConveyancePreference::Direct)
            .user_verification_policy(UserVerificationPolicy::Required)
            .require_resident_key(true)
            .credential_algorithms(vec![
                COSEAlgorithm::ES256,
                COSEAlgorithm::ES384,
                COSEAlgorithm::RS256,
            ]);
        let (options, state) = self
            .relying_party
            .generate_challenge_register(asked)
            .unwrap();
        let key = &mut self.authenticator;
        let response: RegisterPublicKeyCredential = match self.route {
            Route::Backend => {
                let origin = Url::parse(ORIGIN).unwrap();
                key.perform_register(origin, options.public_key, 1000)
                    .unwrap()
            }
            Route::Ours(_) => {
                let mut options = serde_json::to_value(options.public_key).unwrap();
                options["extensions"]["credProps"] = json!(true);
                let made = Self::client().create(key, &options, None, &Values::new());
                let made = made.unwrap();
                assert_conformant(&made.response);
                serde_json::from_value(made.response).unwrap()
            }
        };
        self.relying_party
            .register_credential(&response, &state, roots)
    }

    fn sign_in(
        &mut self,
        credential: &Credential,
        tampered: bool,
    ) -> Result<AuthenticationResult, WebauthnError> {
        let asked = self
            .relying_party
            .new_challenge_authenticate_builder(vec![credential.clone()], None)
            .unwrap();
        let (options, state) = self
            .relying_party
            .generate_challenge_authenticate(asked)
            .unwrap();
        let key = &mut self.authenticator;
        let mut response: PublicKeyCredential = match self.route {
            Route::Backend => {
                let origin = Url::parse(ORIGIN).unwrap();
                key.perform_auth(origin, options.public_key, 1000).unwrap()
            }
            Route::Ours(_) => {
                let mut options = serde_json::to_value(options.public_key).unwrap();
                // As at a sign-in without a user name.
                options["allowCredentials"] = json!([]);
                let got = Self::client().get(key, &options, None, &Values::new());
                serde_json::from_value(got.unwrap().response).unwrap()
            }
        };
        assert_eq!(response.response.user_handle.as_deref(), Some(USER));
        if tampered {
            *response.response.signature.last_mut().unwrap() ^= 1;
        }
        self.relying_party
            .authenticate_credential(&response, &state)
    }
}

/// The members of a registration, in the shape of `PublicKeyCredential.toJSON()`, whoever made it.
fn assert_conformant(response: &Value) {
    let names = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let outer = [
        "authenticatorAttachment",
        "clientExtensionResults",
        "id",
        "rawId",
        "response",
        "type",
    ];
    let inner = [
        "attestationObject",
        "authenticatorData",
        "clientDataJSON",
        "publicKey",
        "publicKeyAlgorithm",
        "transports",
    ];
    assert_eq!(names(response), outer);
    assert_eq!(names(&response["response"]), inner);
    assert_eq!(response["type"], "public-key");
    assert_eq!(
        response["clientExtensionResults"],
        json!({ "credProps": { "rk": true } })
    );
    assert!(!response["id"].as_str().unwrap().is_empty());
}

fn roots() -> AttestationCaList {
    let mut roots = AttestationCaListBuilder::new();
    let root = ca::known().unwrap().root();
    let aaguid = Uuid::parse_str(AAGUID).unwrap();
    roots
        .insert_device_der(root, aaguid, "Test".to_owned(), BTreeMap::new())
        .unwrap();
    roots.build()
}

/// Registers, signs in twice, and fails to with a signature that was tampered with.
fn check(route: Route, algorithm: &str, attestation: &str) {
    let case = format!("{route:?}, {algorithm}, {attestation}");
    let mut bench = Bench::new(route, algorithm, attestation);
    let roots = (attestation == "packed").then(roots);
    let credential = bench.register(roots.as_ref());
    let credential = credential.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    assert!(credential.user_verified, "{case}");
    for count in [1, 2] {
        let result = bench.sign_in(&credential, false);
        let result = result.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        assert!(
            result.user_verified() && result.counter() >= count,
            "{case}"
        );
    }
    let refused = bench.sign_in(&credential, true).map(|_| ()).unwrap_err();
    assert!(
        matches!(refused, WebauthnError::AuthenticationFailure),
        "{case}: {refused:?}"
    );
}

fn check_all(route: Route) {
    for algorithm in ["ES256", "ES384", "RS256"] {
        for attestation in ["none", "packed-self", "packed"] {
            check(route, algorithm, attestation);
        }
    }
}

#[test]
fn what_our_client_makes_of_the_model_is_taken() {
    check_all(MODEL);
}

#[test]
fn what_the_crates_backend_trait_makes_is_taken() {
    check_all(Route::Backend);
}

#[test]
fn what_the_crates_ctap_stack_makes_is_taken() {
    check_all(CTAP);
}

#[test]
fn what_the_crates_soft_token_makes_is_taken() {
    check(SOFT_TOKEN, "ES256", "packed-unknown-root");
}

#[test]
fn certificates_of_another_root_are_refused() {
    for route in [MODEL, Route::Backend, CTAP, SOFT_TOKEN] {
        let mut bench = Bench::new(route, "ES256", "packed-unknown-root");
        let refused = bench.register(Some(&roots())).map(|_| ()).unwrap_err();
        assert!(
            matches!(refused, WebauthnError::AttestationChainNotTrusted(_)),
            "{route:?}: {refused:?}"
        );
    }
}
