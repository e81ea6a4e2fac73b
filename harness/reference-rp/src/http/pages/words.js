// What went wrong, in words that a person can act on.

const AT_SIGN_IN = {
  NotAllowedError: "No passkey was used. It was cancelled, took too long, or there is no passkey for this site here.",
  AbortError: "Signing in was cancelled.",
  TimeoutError: "Your browser did not answer in time. Try again, or sign in another way.",
  NotSupportedError: "This browser has no passkeys.",
  SecurityError: "The browser does not let this address use the passkeys of this site. Check the address in the address bar.",
};

const AT_REGISTRATION = {
  NotAllowedError: "No passkey was made. It was cancelled, took too long, or there is no place here that can keep one.",
  InvalidStateError: "This device or key keeps a passkey for your account already. You can sign in with that one.",
  AbortError: "Making a passkey was cancelled.",
  TimeoutError: "Your browser did not answer in time, and no passkey was made. Try again.",
  NotSupportedError: "This browser, device or key cannot make a passkey of the kind that is asked for here.",
  SecurityError: "The browser does not let this address make passkeys for this site. Check the address in the address bar.",
  ConstraintError: "This device or key cannot verify that it is you, or cannot keep a passkey. Set up a screen lock or a PIN, or use another one.",
};

/** Says what went wrong when something was tried. */
export function failure(did, error) {
  if (error.name === "rejected") return sentence(error.message);
  if (error.name === "unreachable") return "The site did not answer. Check your connection, and try again.";
  const known = did === "registered" ? AT_REGISTRATION : AT_SIGN_IN;
  return known[error.name] ?? "Something went wrong in this browser. Try again, or take another way.";
}

/** Says what was done. */
export function success(did) {
  return {
    registered: "Your passkey is ready. Sign in with it the next time.",
    "signed-in": "You are signed in.",
    "signed-out": "You are signed out.",
    deleted: "The passkey is deleted here. Your device may still show it: delete it there too.",
  }[did];
}

/** Names a passkey by where it lives. */
export function nameOf({ passkeyType, transports }) {
  if (passkeyType === "synced") return "Synced passkey";
  if (transports.includes("internal")) return "Passkey on a device";
  if (transports.includes("hybrid")) return "Passkey on a phone";
  if (transports.length > 0) return "Security key";
  return "Passkey";
}

function sentence(text) {
  const stopped = /[.!?]$/.test(text) ? text : `${text}.`;
  return stopped[0].toUpperCase() + stopped.slice(1);
}
