//! User handles: opaque, stable, each user's own (WebAuthn L3, 5.4.3 and 14.6.1).

use md5::compute as md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Held, bytes, text};

const USER_ID: &str = "/user/id";

/// 1 to 64 bytes.
pub(super) fn length(options: &Value) -> Held {
    let length = bytes(options, USER_ID)?.len();
    if (1..=64).contains(&length) {
        return Ok(());
    }
    Err(format!("user.id has {length} bytes, and not 1 to 64"))
}

/// Neither a name of the user nor what one of the usual hash functions makes of one, as bytes or hexadecimal.
pub(super) fn opaque(options: &Value, user: &str) -> Held {
    let id = bytes(options, USER_ID)?;
    let stated = ["/user/name", "/user/displayName"].map(|pointer| text(options, pointer));
    for name in stated.into_iter().flatten().chain([user]) {
        // Of an address, what stands before the sign is a name too.
        let local = name.split('@').next().unwrap_or(name);
        for name in [name, local, &name.to_lowercase()] {
            if let Some(what) = made_of(&id, name) {
                return Err(format!("user.id is {what} '{name}'"));
            }
        }
    }
    Ok(())
}

/// Says what of a name an ID is, if it is anything of it.
fn made_of(id: &[u8], name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return None;
    }
    let hashes: [(&'static str, Vec<u8>); 3] = [
        ("the MD5 hash of", md5(name).to_vec()),
        ("the SHA-1 hash of", Sha1::digest(name).to_vec()),
        ("the SHA-256 hash of", Sha256::digest(name).to_vec()),
    ];
    let is_hash = |hash: &[u8]| {
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        id == hash || id.eq_ignore_ascii_case(digits.as_bytes())
    };
    if id.eq_ignore_ascii_case(name.as_bytes()) {
        return Some("the name");
    }
    let found = hashes.iter().find(|(_, hash)| is_hash(hash));
    found.map(|(what, _)| *what)
}

/// The same for one user, twice, and another for another user, who comes last.
pub(super) fn stable(options: &[&Value]) -> Held {
    let ids: Result<Vec<_>, _> = options.iter().map(|one| bytes(one, USER_ID)).collect();
    match ids?.as_slice() {
        [first, again, _] if first != again => {
            Err("user.id of one user differs from one options to the next".to_owned())
        }
        [first, _, other] if first == other => Err("user.id of two users is the same".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn options(id: &[u8]) -> Value {
        let id = URL_SAFE_NO_PAD.encode(id);
        json!({ "user": { "id": id, "name": "Alice@example.com", "displayName": "Alice" } })
    }

    #[test]
    fn a_handle_has_one_to_64_bytes() {
        for (bytes, fits) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(length(&options(&vec![1; bytes])).is_ok(), fits, "{bytes}");
        }
    }

    #[test]
    fn names_addresses_and_their_hashes_are_found() {
        let ids: [&[u8]; 6] = [
            b"alice",
            b"alice@example.com",
            &*md5("alice"),
            b"6384e2b2184bcbf58eccf10ca7a6563c",
            &Sha1::digest("Alice@example.com"),
            &Sha256::digest("alice@example.com"),
        ];
        for id in ids {
            assert!(opaque(&options(id), "alice").is_err(), "{id:?}");
        }
        assert_eq!(opaque(&options(b"opaque"), "alice"), Ok(()));
    }

    #[test]
    fn a_handle_is_one_users_and_always_the_same() {
        let [one, two] = [options(b"one"), options(b"two")];
        assert_eq!(stable(&[&one, &one, &two]), Ok(()));
        assert!(stable(&[&one, &two, &one]).is_err());
        assert!(stable(&[&one, &one, &one]).is_err());
    }
}
