//! What goes wrong with USB keys: whose fault it is, and what to do.

use passkey_model::Aaguid;
use webauthn_authenticator_rs::error::{CtapError, WebauthnCError};

use crate::{client::ClientError, mutate::MutationError};

/// Why a USB key did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsbError {
    /// No key is plugged in.
    #[error("no USB security key is plugged in: plug one in")]
    NoKey,
    /// The kernel or its device tree offers no HID devices.
    #[error(
        "this machine gives no access to USB keys ({0}): it needs hidraw devices (Linux, CONFIG_HIDRAW) and a mounted /sys"
    )]
    NoHidraw(String),
    /// A key is there, and this user may not open it.
    #[error(
        "no permission to open {0}: install a udev rule for FIDO keys (systemd 252 and later have one, older systems \
         take libfido2's 70-u2f.rules), plug the key in again, or run as a user who may"
    )]
    Permission(String),
    /// Keys are there, and the user allows none of them.
    #[error(
        "none of the keys that are plugged in may be used: the list of allowed AAGUIDs has none of {0}; \
         add a key's AAGUID only if the key may be written to"
    )]
    NotAllowed(String),
    /// The list of allowed keys cannot be read.
    #[error("the list of allowed keys is wrong: {0}; it is AAGUIDs, separated by commas")]
    AllowList(String),
    /// The key went away in the middle.
    #[error("the key was removed, or its connection broke ({0}): plug it in again and leave it in")]
    Removed(String),
    /// Nobody touched the key in time.
    #[error("nobody touched the key in time: touch it while it blinks")]
    NotTouched,
    /// The key stayed busy beyond the limit, and was told to give up.
    #[error(
        "the key did not finish in time; the command was cancelled: try again, or give it more time"
    )]
    TooSlow,
    /// The key does not answer at all.
    #[error(
        "the key does not answer: it is not used again by this process; unplug it and plug it in again"
    )]
    Hung,
    /// The code that talks to keys failed.
    #[error(
        "the code that talks to the key panicked, a fault of the key or of webauthn-authenticator-rs, not of the \
         relying party: {0}"
    )]
    Panicked(String),
    /// The key is not used again by this process.
    #[error("the key is not used again by this process: {0}")]
    SetAside(String),
    /// A PIN is needed and was not given.
    #[error("the key needs its PIN and none was given: give the PIN when it is asked for")]
    PinNeeded,
    /// The PIN was wrong.
    #[error(
        "the PIN was wrong: it was tried once and is not tried again; start again with the right PIN"
    )]
    PinWrong,
    /// The key has few attempts left.
    #[error(
        "the key has only {0} PIN attempts left, too few to risk one: give the right PIN in another program first, \
         which restores them"
    )]
    FewAttempts(i64),
    /// The key takes no PIN now.
    #[error(
        "the key's PIN is blocked: unplug the key and plug it in again; if it stays blocked, only a reset helps, \
         which deletes all its credentials and which this program never does"
    )]
    PinBlocked,
    /// The key cannot verify its user.
    #[error(
        "user verification is required, and the key has neither a PIN nor a fingerprint set: set a PIN (for example \
         with fido2-token -S)"
    )]
    NoVerification,
    /// The built-in verification failed.
    #[error(
        "the key did not recognise its user: use an enrolled finger, or give the PIN in another program first"
    )]
    NotRecognised,
    /// No room for another discoverable credential.
    #[error(
        "the key has no room for another discoverable credential: delete some of its credentials, or use another key"
    )]
    StoreFull,
    /// The key speaks U2F only.
    #[error("the key does not speak CTAP2 (it may be a U2F key): use a key that does")]
    NotCtap2,
    /// Another run uses the keys.
    #[error("the USB keys are in use by {0}: wait until it has finished")]
    InUse(String),
    /// The lock file cannot be used.
    #[error("the lock file of the USB keys cannot be used: {0}")]
    Lock(String),
    /// A command that is never sent to anybody's key.
    #[error("the command {0:#04x} is never sent to a key: a fault of this program")]
    Forbidden(u8),
    /// The key said something that was not expected.
    #[error("the key answered unexpectedly ({0}): a fault of the key, or of this program")]
    Unexpected(String),
    /// The client or the authenticator refuses, or the options are wrong, as with any authenticator.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl From<MutationError> for UsbError {
    fn from(error: MutationError) -> Self {
        Self::Client(error.into())
    }
}

impl From<&WebauthnCError> for UsbError {
    fn from(error: &WebauthnCError) -> Self {
        match error {
            WebauthnCError::Ctap(status) => Self::from(status),
            WebauthnCError::HidError(error) => Self::Removed(error.to_string()),
            WebauthnCError::Cancelled => Self::PinNeeded,
            WebauthnCError::UserVerificationRequired => Self::NoVerification,
            WebauthnCError::NotSupported => Self::NotCtap2,
            WebauthnCError::PermissionDenied => Self::Permission("the key".to_owned()),
            other => Self::Unexpected(other.to_string()),
        }
    }
}

/// CTAP 2.1, 8.2, and as which DOMException a page sees it (WebAuthn L3, 5.1.3 and 6.3.2).
impl From<&CtapError> for UsbError {
    fn from(status: &CtapError) -> Self {
        let refused = |name| Self::Client(ClientError::Refused(name));
        match status {
            CtapError::Ctap2CredentialExcluded => refused("InvalidStateError"),
            CtapError::Ctap2UnsupportedAlgorithm => refused("NotSupportedError"),
            CtapError::Ctap2NoCredentials
            | CtapError::Ctap2InvalidCredential
            | CtapError::Ctap2OperationDenied => refused("NotAllowedError"),
            CtapError::Ctap2UserActionTimeout | CtapError::Ctap2ActionTimeout => Self::NotTouched,
            CtapError::Ctap2PinInvalid | CtapError::Ctap2PinAuthInvalid => Self::PinWrong,
            CtapError::Ctap2PinBlocked | CtapError::Ctap2PinAuthBlocked => Self::PinBlocked,
            CtapError::Ctap2PUATRequired => Self::PinNeeded,
            CtapError::Ctap2PinNotSet => Self::NoVerification,
            CtapError::Ctap2UserVerificationBlocked | CtapError::Ctap2UserVerificationInvalid => {
                Self::NotRecognised
            }
            CtapError::Ctap2KeyStoreFull => Self::StoreFull,
            other => Self::Unexpected(format!("{other:?}")),
        }
    }
}

impl UsbError {
    /// Tells whether the key must be left alone afterwards: another try could lock it, or would hang again.
    pub(super) const fn ends_use(&self) -> bool {
        matches!(
            self,
            Self::PinWrong | Self::PinBlocked | Self::Hung | Self::Panicked(_)
        )
    }

    /// Names keys of which none is allowed.
    #[must_use]
    pub fn not_allowed(aaguids: impl IntoIterator<Item = Aaguid>) -> Self {
        let names: Vec<String> = aaguids.into_iter().map(|id| id.to_string()).collect();
        Self::NotAllowed(names.join(", "))
    }
}
