// The Signal API (WebAuthn L3, 5.1.11): tells the person's password manager which passkeys are good.

import { within } from "./ceremony.js";

const LIMIT_MS = 2_000;

/** Says which passkeys of the user are accepted: all others can be hidden. */
export function accepted({ rpId, userHandle }, passkeys) {
  const allAcceptedCredentialIds = passkeys.map((passkey) => passkey.id);
  return signal("signalAllAcceptedCredentials", { rpId, userId: userHandle, allAcceptedCredentialIds });
}

/** Says that a passkey is not known here. */
export function unknown({ rpId }, credentialId) {
  return signal("signalUnknownCredential", { rpId, credentialId });
}

async function signal(name, message) {
  if (!window.PublicKeyCredential?.[name]) return;
  try {
    await within(LIMIT_MS, PublicKeyCredential[name](message));
  } catch {
    // A password manager that does not want to know is no trouble of the person's.
  }
}
