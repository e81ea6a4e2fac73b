// What the tests have the page do. Each function resolves with JSON, also when the ceremony fails.
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const hex = (buffer) => buffer && Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const failure = (error) => ({ error: error.name, message: error.message, exception: error instanceof DOMException });

const creation = (changes) => ({
  rp: { name: "tests", id: "localhost" },
  user: { id: bytes("AQID"), name: "ada", displayName: "Ada" },
  challenge: bytes("+/8="),
  pubKeyCredParams: [{ type: "public-key", alg: -7 }],
  timeout: 10000,
  authenticatorSelection: { residentKey: "required", userVerification: "preferred" },
  ...changes,
});
const request = (changes) => ({ challenge: bytes("+/8="), rpId: "localhost", timeout: 10000, ...changes });

// The browser's or the extension's credential, as toJSON() has it.
window.create = (changes = {}) =>
  navigator.credentials.create({ publicKey: creation(changes) }).then((made) => made.toJSON(), failure);
window.get = (changes = {}) =>
  navigator.credentials.get({ publicKey: request(changes) }).then((made) => made.toJSON(), failure);

// The same, as a page sees it that reads every member.
window.createAndRead = async () => {
  const made = await navigator.credentials.create({ publicKey: creation({}) });
  const { response } = made;
  return {
    instances: [made instanceof PublicKeyCredential, response instanceof AuthenticatorAttestationResponse],
    id: made.id,
    rawId: hex(made.rawId),
    type: made.type,
    authenticatorAttachment: made.authenticatorAttachment,
    clientDataJSON: hex(response.clientDataJSON),
    attestationObject: hex(response.attestationObject),
    authenticatorData: hex(response.getAuthenticatorData()),
    publicKey: hex(response.getPublicKey()),
    algorithm: response.getPublicKeyAlgorithm(),
    transports: response.getTransports(),
    extensions: made.getClientExtensionResults(),
    json: JSON.stringify(made),
  };
};
window.getAndRead = async () => {
  const made = await navigator.credentials.get({ publicKey: request({}), mediation: "conditional" });
  const { response } = made;
  return {
    instances: [made instanceof PublicKeyCredential, response instanceof AuthenticatorAssertionResponse],
    authenticatorAttachment: made.authenticatorAttachment,
    authenticatorData: hex(response.authenticatorData),
    clientDataJSON: hex(response.clientDataJSON),
    signature: hex(response.signature),
    userHandle: response.userHandle,
    prf: hex(made.getClientExtensionResults().prf.results.first),
    json: JSON.stringify(made),
  };
};

// A ceremony that goes on while the test does something else.
let pending;
let controller;
window.start = async () => {
  controller = new AbortController();
  pending = navigator.credentials.get({ publicKey: request({}), signal: controller.signal }).then(() => "answered", failure);
  return null;
};
window.abort = async () => {
  controller.abort(new RangeError("the page gave up"));
  return pending;
};
window.getWithPassword = () =>
  navigator.credentials.get({ password: true, mediation: "silent" }).then((found) => ({ found }), failure);
window.createWithoutBytes = () => window.create({ challenge: "not bytes" });
