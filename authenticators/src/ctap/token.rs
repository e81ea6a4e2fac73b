//! The pinUvAuthToken and what it permits (CTAP 2.1, 6.5.2.1).

use super::{Status, pin_protocol::PinProtocol};

/// The `mc` permission: makeCredential.
pub(super) const MAKE: u8 = 0x01;
/// The `ga` permission: getAssertion.
pub(super) const ASSERT: u8 = 0x02;
/// The `cm` permission: credentialManagement.
pub(super) const MANAGE: u8 = 0x04;

/// A pinUvAuthToken that is in use. No timer ends it; unplugging and the next one do.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub protocol: PinProtocol,
    pub bytes: [u8; 32],
    pub permissions: u8,
    /// The permissions RP ID.
    pub rp_id: Option<String>,
    pub user_verified: bool,
}

impl Token {
    /// Checks that a parameter is the MAC of a message under this token, which permits what is asked.
    pub(super) fn check(
        &self,
        (protocol, parameter): (PinProtocol, &[u8]),
        message: &[u8],
        permission: u8,
    ) -> Result<(), Status> {
        let verified =
            protocol == self.protocol && protocol.verify(&self.bytes, message, parameter);
        if verified && self.permissions & permission != 0 {
            Ok(())
        } else {
            Err(Status::PinAuthInvalid)
        }
    }

    /// Binds the token to a relying party, as its first use does; fails when it is another's.
    pub(super) fn bind(&mut self, rp_id: &str) -> Result<(), Status> {
        let bound = self.rp_id.get_or_insert_with(|| rp_id.to_owned());
        if bound == rp_id && self.user_verified {
            Ok(())
        } else {
            Err(Status::PinAuthInvalid)
        }
    }

    /// Takes everything away after a touch (CTAP 2.1, 6.1.2 step 14: clearUserVerifiedFlag and
    /// clearPinUvAuthTokenPermissionsExceptLbw; there is no lbw here).
    pub(super) const fn spend(&mut self) {
        self.user_verified = false;
        self.permissions = 0;
    }
}
