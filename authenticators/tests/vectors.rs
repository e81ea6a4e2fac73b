//! The test vectors of WebAuthn L3, section 16: from the derived inputs, our authenticator and client make the published
//! bytes. They are compared by their SHA-256; the bytes themselves are not here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use passkey_authenticators::{
    Client, Made, Material, SoftwareAuthenticator, Values, client::from_base64url, key::Key,
    seed::Seed,
};
use passkey_model::{Aaguid, Mutation, provider::AuthenticatorModel};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One vector: what it derives from, and the digests of what has to come out.
struct Vector {
    /// HKDF's info; the salt is one byte that counts the derived inputs.
    info: &'static str,
    attestation: &'static str,
    backup_eligible: bool,
    credential_id_length: usize,
    registration: Ceremony,
    sign_in: Ceremony,
    client_data_created: &'static str,
    attestation_object: &'static str,
    authenticator_data: &'static str,
    client_data_got: &'static str,
    signature: &'static str,
}

/// The salts of a ceremony's inputs, and what the derived bits decided.
struct Ceremony {
    challenge: u8,
    extra: Option<u8>,
    top_origin: bool,
    uv: bool,
    backed_up: bool,
}

const NONE: Vector = Vector {
    info: "none.ES256",
    attestation: "none",
    backup_eligible: true,
    credential_id_length: 32,
    registration: Ceremony {
        challenge: 0,
        extra: Some(3),
        top_origin: false,
        uv: false,
        backed_up: true,
    },
    sign_in: Ceremony {
        challenge: 7,
        extra: None,
        top_origin: false,
        uv: false,
        backed_up: true,
    },
    client_data_created: "090d1e7dfd42dcc631e7a4f02070fe3be8a0019a480153e0603d0b7cebc17d98",
    attestation_object: "c0aa49c57f59765c9f47e6000c04dfe66547a3bd2a6e003a82e336a6e569cb7f",
    authenticator_data: "2fa3688ce26520481b38f218e1289f8db04f2726fa5d0007a8b2db6c66b4eeab",
    client_data_got: "676a6e380fd31ea5710705c7be1ac4889b037895d0a25291f51251b7d7b1df02",
    signature: "e6b84e03104e4fc5f59dee5f5bab455b61775d2725e21d87c11e894815b36119",
};

const PACKED_SELF: Vector = Vector {
    info: "packed-self.ES256",
    attestation: "packed-self",
    backup_eligible: true,
    credential_id_length: 32,
    registration: Ceremony {
        challenge: 0,
        extra: Some(3),
        top_origin: false,
        uv: true,
        backed_up: true,
    },
    sign_in: Ceremony {
        challenge: 7,
        extra: Some(9),
        top_origin: false,
        uv: false,
        backed_up: false,
    },
    client_data_created: "dba5494aa6958e286220403054776b48578239a1fd3bb5233a0e170bec926dce",
    attestation_object: "69499bf5257be4e618f4462e458666d9827a713bca423b8bb77e8ef214f49f9f",
    authenticator_data: "9677cbe5585eb74d7b290a838670c648a4f5601f8797f9af945b12f1ded559a5",
    client_data_got: "3ca7729f6c9e573e94fea8348130befacd587e99f363944aa3a59c90410f84bf",
    signature: "3d937eef718b4b203b5b6946ed87aa575d3cbfa9d0dd659f9a5fd024ab62705a",
};

const TOP_ORIGIN: Vector = Vector {
    info: "none.ES256.topOrigin",
    attestation: "none",
    backup_eligible: false,
    credential_id_length: 32,
    registration: Ceremony {
        challenge: 0,
        extra: None,
        top_origin: true,
        uv: false,
        backed_up: false,
    },
    sign_in: Ceremony {
        challenge: 6,
        extra: Some(8),
        top_origin: true,
        uv: true,
        backed_up: false,
    },
    client_data_created: "bdec4b206994e95a790a47dd42819decb7f03ce16ea39298b69f69b567a92742",
    attestation_object: "e88a736a22ffaf294316d8b00da95a96ae8ec0113ddeed605e3283199102ad2f",
    authenticator_data: "e530971bef6ed8ed544a9b6b8ed2e45ae682a595e602be48b7abf14d99f9493e",
    client_data_got: "429e6077534d353c23193006e88028cbbc926758a771ea16a6c825894ebc6bfa",
    signature: "62363fd190f6effa21867a32faf18fcafb286673ab70fb8dd375fe945b060c9b",
};

const LONG_ID: Vector = Vector {
    info: "none.ES256.long-credential-id",
    attestation: "none",
    backup_eligible: true,
    credential_id_length: 1023,
    registration: Ceremony {
        challenge: 0,
        extra: None,
        top_origin: false,
        uv: false,
        backed_up: false,
    },
    sign_in: Ceremony {
        challenge: 6,
        extra: None,
        top_origin: false,
        uv: true,
        backed_up: false,
    },
    client_data_created: "aed6ca40d39066d79556a637e5b255e26650175fcd084b4a228fa4504d0e81b4",
    attestation_object: "c70087bde55d1a8207667876cfe14924d9caf8f522a9db4c7493ea9f3b5e4e5b",
    authenticator_data: "9be5db22cd8c08f6307b8e68b41cb0c89f68fc49062b60caf80a4d3fab018d9c",
    client_data_got: "29330151c4baa26d2f6eff75dfae3f1e3dbcab8948f03e6c96226f0216d8cfbd",
    signature: "8a535737a42267202487c63354aeb8e4eba349605a3708533ff707fb0a49605f",
};

impl Vector {
    fn derived(&self, salt: u8, length: usize) -> Vec<u8> {
        let mut output = vec![0; length];
        let input = b"WebAuthn test vectors";
        let hkdf = Hkdf::<Sha256>::new(Some(&[salt]), input);
        hkdf.expand(self.info.as_bytes(), &mut output).unwrap();
        output
    }

    /// The salt of the AAGUID follows that of the extra member, where there is one.
    fn authenticator(&self) -> SoftwareAuthenticator {
        let next = self.registration.extra.map_or(3, |salt| salt + 1);
        let aaguid: [u8; 16] = self.derived(next, 16).try_into().unwrap();
        let model: AuthenticatorModel = serde_json::from_value(json!({
            "aaguid": Aaguid::from(aaguid).to_string(),
            "backup-eligible": self.backup_eligible, "backup-state": self.registration.backed_up,
            "attestation": self.attestation, "transports": ["internal"],
            "user-verification": "verifies", "algorithms": ["ES256"], "sign-counter": "zero",
        }))
        .unwrap();
        let material = Material {
            key: Key::es256(&self.derived(1, 32)).unwrap(),
            credential_id: self.derived(next + 1, self.credential_id_length),
        };
        SoftwareAuthenticator::with_material(model, Seed::new(0, self.info), [material])
    }

    fn challenge(&self, ceremony: &Ceremony) -> String {
        URL_SAFE_NO_PAD.encode(self.derived(ceremony.challenge, 32))
    }

    /// The client data of most vectors has a member that the specification does not know: set as a mutation sets it,
    /// before it is hashed.
    fn extra(&self, ceremony: &Ceremony) -> Option<Mutation> {
        let random = URL_SAFE_NO_PAD.encode(self.derived(ceremony.extra?, 16));
        let text = format!(
            "clientDataJSON may be extended with additional fields in the future, such as this: {random}"
        );
        let mutation = json!({
            "at": "client-data/extraData", "op": "set", "value": text, "resign": true,
        });
        Some(serde_json::from_value(mutation).unwrap())
    }
}

fn client(ceremony: &Ceremony) -> Client {
    Client {
        origin: "https://example.org".to_owned(),
        top_origin: ceremony
            .top_origin
            .then(|| "https://example.com".to_owned()),
        cross_platform: false,
        conditional: false,
    }
}

fn verification(ceremony: &Ceremony) -> Value {
    json!(if ceremony.uv {
        "required"
    } else {
        "discouraged"
    })
}

fn digest(made: &Made, member: &str) -> String {
    let text = made.response["response"][member].as_str().unwrap();
    let digest = Sha256::digest(from_base64url(text).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(vector: &Vector) {
    let mut authenticator = vector.authenticator();
    let options = json!({
        "challenge": vector.challenge(&vector.registration), "rp": { "id": "example.org" },
        "user": { "id": "AA" }, "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
        "attestation": "direct",
        "authenticatorSelection": { "userVerification": verification(&vector.registration) },
    });
    let extra = vector.extra(&vector.registration);
    let made = client(&vector.registration).create(
        &mut authenticator,
        &options,
        extra.as_ref(),
        &Values::new(),
    );
    let made = made.unwrap();
    assert_eq!(digest(&made, "clientDataJSON"), vector.client_data_created);
    assert_eq!(
        digest(&made, "attestationObject"),
        vector.attestation_object
    );

    let id = made.observed.unwrap().credential_id;
    assert!(authenticator.set_backup_state(&id, vector.sign_in.backed_up));
    let options = json!({
        "challenge": vector.challenge(&vector.sign_in), "rpId": "example.org",
        "userVerification": verification(&vector.sign_in),
    });
    let extra = vector.extra(&vector.sign_in);
    let got =
        client(&vector.sign_in).get(&mut authenticator, &options, extra.as_ref(), &Values::new());
    let got = got.unwrap();
    assert_eq!(digest(&got, "clientDataJSON"), vector.client_data_got);
    assert_eq!(digest(&got, "authenticatorData"), vector.authenticator_data);
    assert_eq!(digest(&got, "signature"), vector.signature);
}

#[test]
fn es256_without_attestation() {
    check(&NONE);
}

#[test]
fn es256_with_self_attestation() {
    check(&PACKED_SELF);
}

#[test]
fn es256_embedded_in_another_origin() {
    check(&TOP_ORIGIN);
}

#[test]
fn es256_with_the_longest_credential_id() {
    check(&LONG_ID);
}
