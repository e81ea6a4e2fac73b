//! A key without hardware: the model behind the crate's `Token`, with a PIN that is right or wrong, and ways to fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use passkey_authenticators::{
    SoftwareAuthenticator,
    cbor::Cbor,
    ctap::{self, Status},
    seed::Seed,
    usb::{Person, SecurityKey, UsbError},
};
use passkey_model::Aaguid;
use serde_json::json;
use webauthn_authenticator_rs::{
    error::{CtapError, WebauthnCError},
    transport::Token,
    ui::UiCallback,
};
use webauthn_rs_proto::AuthenticatorTransport;

/// The limit of keys that answer.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The limit of keys that do not.
const SHORT: Duration = Duration::from_millis(300);

/// How a key behaves when a passkey is made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Honest,
    /// Has a PIN, which the person gets right or wrong, and attempts left.
    Pin {
        right: bool,
        attempts: i64,
    },
    Panics,
    Hangs,
    WaitsForTouch,
    IsRemoved,
    Says(Status),
    SaysByte(u8),
    /// Says only U2F_V2 in its versions.
    SpeaksU2f,
}

/// What the test sees of a key that is in use.
#[derive(Clone, Debug)]
pub struct Seen {
    pub model: Arc<Mutex<SoftwareAuthenticator>>,
    pub commands: Arc<Mutex<Vec<Vec<u8>>>>,
    pub cancelled: Arc<AtomicUsize>,
    pub deleted: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Seen {
    /// Returns how many commands of a code were sent, of a clientPIN subcommand if one is given.
    pub fn sent(&self, code: u8, subcommand: Option<i64>) -> usize {
        let commands = self.commands.lock().unwrap();
        let fits = |command: &&Vec<u8>| {
            let sub = Cbor::decode(&command[1..]).and_then(|map| map.get("2")?.as_int());
            command[0] == code && (subcommand.is_none() || sub == subcommand)
        };
        commands.iter().filter(fits).count()
    }
}

#[derive(Debug)]
pub struct Fake {
    behaviour: Behaviour,
    seen: Seen,
}

impl Fake {
    pub fn new(aaguid: &str, behaviour: Behaviour) -> (Self, Seen) {
        let model = serde_json::from_value(json!({
            "aaguid": aaguid, "backup-eligible": false, "backup-state": false, "attestation": "packed",
            "transports": ["usb"], "user-verification": "verifies",
            "algorithms": ["ES256"], "sign-counter": "increments", "engine": "ctap",
        }));
        let model = SoftwareAuthenticator::new(model.unwrap(), Seed::new(0, "usb"));
        let seen = Seen {
            model: Arc::new(Mutex::new(model)),
            commands: Arc::default(),
            cancelled: Arc::default(),
            deleted: Arc::default(),
        };
        let fake = Self {
            behaviour,
            seen: seen.clone(),
        };
        (fake, seen)
    }

    fn ask(&self, command: &[u8]) -> Result<Vec<u8>, WebauthnCError> {
        let mut model = self.seen.model.lock().unwrap();
        match ctap::handle(&mut model, command) {
            (Status::Ok, body) => Ok(body),
            (status, _) => Err(CtapError::from(status.code()).into_error()),
        }
    }

    fn info(&self) -> Result<Vec<u8>, WebauthnCError> {
        let mut info = Cbor::decode(&self.ask(&[4])?).unwrap();
        match self.behaviour {
            Behaviour::Pin { .. } => {
                let option = |name, set| (Cbor::text(name), Cbor::Bool(set));
                let options = vec![
                    option("rk", true),
                    option("clientPin", true),
                    option("credMgmt", true),
                ];
                set(&mut info, 4, Some(Cbor::Map(options)));
                set(&mut info, 6, Some(Cbor::List(vec![Cbor::Int(1)])));
                set(&mut info, 0x14, Some(Cbor::Int(25)));
                let versions = ["FIDO_2_0", "FIDO_2_1"].map(Cbor::text);
                set(&mut info, 1, Some(Cbor::List(versions.into())));
            }
            Behaviour::SpeaksU2f => {
                set(&mut info, 1, Some(Cbor::List(vec![Cbor::text("U2F_V2")])));
            }
            _ => {}
        }
        Ok(info.encode())
    }

    fn client_pin(&self, command: &[u8]) -> Result<Vec<u8>, WebauthnCError> {
        let Behaviour::Pin { right, attempts } = self.behaviour else {
            return Err(CtapError::Ctap1InvalidCommand.into_error());
        };
        let answer = match Cbor::decode(&command[1..]).unwrap().get("2") {
            Some(Cbor::Int(1)) => (3, Cbor::Int(attempts)),
            Some(Cbor::Int(2)) => (1, base_point()),
            Some(Cbor::Int(5)) if right => (2, Cbor::Bytes(vec![7; 32])),
            _ => return Err(CtapError::Ctap2PinInvalid.into_error()),
        };
        Ok(Cbor::Map(vec![(Cbor::Int(answer.0), answer.1)]).encode())
    }

    /// Lists what the model keeps for the relying party, one a command, and deletes.
    fn management(&self, command: &[u8]) -> Vec<u8> {
        let request = Cbor::decode(&command[1..]).unwrap();
        let model = self.seen.model.lock().unwrap();
        let kept: Vec<_> = model.credentials("rp.test").map(|kept| &kept.id).collect();
        let total = i64::try_from(kept.len()).unwrap();
        let nth = |index: usize| {
            let id = vec![
                (Cbor::text("id"), Cbor::Bytes(kept[index].clone())),
                (Cbor::text("type"), Cbor::text("public-key")),
            ];
            (Cbor::Int(7), Cbor::Map(id))
        };
        let answer = match request.get("1").unwrap().as_int().unwrap() {
            4 => vec![nth(0), (Cbor::Int(9), Cbor::Int(total))],
            5 => vec![nth(1)],
            6 => {
                let id = request.get("2").unwrap().get("2").unwrap().get("id");
                let id = id.unwrap().as_bytes().unwrap().to_vec();
                self.seen.deleted.lock().unwrap().push(id);
                return Vec::new();
            }
            other => panic!("unexpected subcommand {other}"),
        };
        Cbor::Map(answer).encode()
    }

    /// Takes a command whose PIN was right for one whose user the model verifies itself.
    fn verified(&self, command: &[u8]) -> Vec<u8> {
        let mut request = Cbor::decode(&command[1..]).unwrap();
        let (options, parameter, protocol) = if command[0] == 1 {
            (7, 8, 9)
        } else {
            (5, 6, 7)
        };
        if request.get(&parameter.to_string()).is_some() {
            let mut wanted = match request.get(&options.to_string()) {
                Some(Cbor::Map(wanted)) => wanted.clone(),
                _ => Vec::new(),
            };
            wanted.push((Cbor::text("uv"), Cbor::Bool(true)));
            set(&mut request, parameter, None);
            set(&mut request, protocol, None);
            set(&mut request, options, Some(Cbor::Map(wanted)));
        }
        [&command[..1], &request.encode()].concat()
    }
}

#[async_trait]
impl Token for Fake {
    type Id = ();

    fn get_transport(&self) -> AuthenticatorTransport {
        AuthenticatorTransport::Usb
    }

    async fn transmit_raw<U>(&mut self, command: &[u8], ui: &U) -> Result<Vec<u8>, WebauthnCError>
    where
        U: UiCallback,
    {
        self.seen.commands.lock().unwrap().push(command.to_vec());
        match (command[0], self.behaviour) {
            (4, _) => self.info(),
            (6, _) => self.client_pin(command),
            (0x0a, _) => Ok(self.management(command)),
            (_, Behaviour::Panics) => panic!("the nonce is wrong"),
            (_, Behaviour::Hangs) => loop {
                thread::park();
            },
            (_, Behaviour::WaitsForTouch) => loop {
                ui.request_touch();
                tokio::time::sleep(Duration::from_millis(10)).await;
            },
            (_, Behaviour::IsRemoved) => {
                let gone = std::io::Error::from_raw_os_error(19);
                Err(WebauthnCError::HidError(gone.into()))
            }
            (_, Behaviour::Says(status)) => Err(CtapError::from(status.code()).into_error()),
            (_, Behaviour::SaysByte(status)) => Err(CtapError::from(status).into_error()),
            _ => self.ask(&self.verified(command)),
        }
    }

    async fn cancel(&mut self) -> Result<(), WebauthnCError> {
        self.seen.cancelled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn init(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }
}

/// Sets or removes a member of a map with integer labels, in the canonical order.
fn set(map: &mut Cbor, label: i64, value: Option<Cbor>) {
    let Cbor::Map(members) = map else {
        panic!("not a map")
    };
    members.retain(|(name, _)| *name != Cbor::Int(label));
    members.extend(value.map(|value| (Cbor::Int(label), value)));
    members.sort_by_key(|(name, _)| name.as_int());
}

/// The base point of P-256 as a key for key agreement: nothing that is agreed on matters here.
fn base_point() -> Cbor {
    let bytes = |hex: &str| {
        let digits = (0..hex.len()).step_by(2);
        Cbor::Bytes(
            digits
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
        )
    };
    Cbor::Map(vec![
        (Cbor::Int(1), Cbor::Int(2)),
        (Cbor::Int(3), Cbor::Int(-25)),
        (Cbor::Int(-1), Cbor::Int(1)),
        (
            Cbor::Int(-2),
            bytes("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        ),
        (
            Cbor::Int(-3),
            bytes("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
        ),
    ])
}

trait IntoError {
    fn into_error(self) -> WebauthnCError;
}

impl IntoError for CtapError {
    fn into_error(self) -> WebauthnCError {
        WebauthnCError::Ctap(self)
    }
}

/// A person who says a PIN, or none, and counts what is asked of them.
#[derive(Debug, Default)]
pub struct Somebody {
    pub says: Option<&'static str>,
    pub touches: AtomicUsize,
    pub pins: AtomicUsize,
}

impl Person for Somebody {
    fn touch(&self, _: Aaguid) {
        self.touches.fetch_add(1, Ordering::Relaxed);
    }

    fn pin(&self, _: Aaguid) -> Option<String> {
        self.pins.fetch_add(1, Ordering::Relaxed);
        self.says.map(str::to_owned)
    }
}

/// Opens a fake key that is allowed; each test has an AAGUID of its own, since a key that is set aside stays so.
pub fn open(
    aaguid: &str,
    behaviour: Behaviour,
    says: Option<&'static str>,
) -> (Result<SecurityKey<Fake>, UsbError>, Seen, Arc<Somebody>) {
    let person = Arc::new(Somebody {
        says,
        ..Somebody::default()
    });
    let (fake, seen) = Fake::new(aaguid, behaviour);
    let allowed = aaguid.parse().unwrap();
    let limit = match behaviour {
        Behaviour::Hangs | Behaviour::WaitsForTouch => SHORT,
        _ => LIMIT,
    };
    let key = SecurityKey::open(
        fake,
        &allowed,
        Arc::clone(&person) as Arc<dyn Person>,
        limit,
    );
    (key, seen, person)
}
