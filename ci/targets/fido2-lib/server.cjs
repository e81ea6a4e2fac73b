// A relying party on fido2-lib, as thin as its documentation shows it. In these comments
//   [readme]  is README.md of the library, "Examples": https://github.com/webauthn-open-source/fido2-lib
//   [api]     is https://webauthn-open-source.github.io/fido2-lib/Fido2Lib.html
//   [example] is examples/u2f-migrated-example.js in the library's package
// The library has no server of its own. The endpoints are those of FIDO's conformance tools, after which its four functions
// are named: attestationOptions, attestationResult, assertionOptions, assertionResult.
const fs = require('node:fs');
const path = require('node:path');
const { randomBytes } = require('node:crypto');
const express = require('express');
const session = require('express-session');
const { CertManager, Fido2Lib, coerceToArrayBuffer, coerceToBase64Url } = require('fido2-lib');

const {
  PORT = '8000',
  RP_ID: rpId = 'rp.test',
  ORIGIN: origin = 'https://login.rp.test',
  ATTESTATION: attestation = 'direct',
  USER_VERIFICATION: userVerification = 'required',
  ALGORITHMS = '-7,-257',
  TRUST_ANCHORS,
} = process.env;

// [readme], "Instantiate Library (Complex)"; a discoverable credential is asked for, so that nobody has to name themselves.
const f2l = new Fido2Lib({
  rpId,
  rpName: 'ACME',
  challengeSize: 128,
  attestation,
  cryptoParams: ALGORITHMS.split(',').map(Number),
  authenticatorRequireResidentKey: true,
  authenticatorUserVerification: userVerification,
});

// [api], "attestationResult": "first" is user presence and user verification, "either" one of them, as in [readme].
const factor = userVerification === 'required' ? 'first' : 'either';

// The library looks for the issuer of an attestation certificate here; one that it does not find is no error to it.
if (TRUST_ANCHORS) {
  const pem = fs.readFileSync(path.join(TRUST_ANCHORS, 'roots.pem'), 'utf8');
  for (const [root] of pem.matchAll(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n?/g)) {
    CertManager.addCert(root);
  }
}

// Users, each with credentials. By user name.
const users = new Map();

const app = express();
app.use(express.json());
app.use(session({ secret: 'secret123', saveUninitialized: true, resave: false, cookie: { httpOnly: true } }));

const signedIn = (req) => users.get(req.session.username);
const ok = (res, more) => res.send({ status: 'ok', errorMessage: '', ...more });
const refuse = (res, errorMessage, status = 400) => res.status(status).send({ status: 'failed', errorMessage });
const descriptor = ({ id, transports }) => ({ type: 'public-key', id, transports });
// [example]: what comes over the wire is base64url, `id` has to be an ArrayBuffer.
const decoded = (body) => ({ ...body, id: coerceToArrayBuffer(body?.id, 'id') });

// [readme], "Registration". Who is signed in registers another passkey; a name that nobody has is a new account, which
// exists from its first passkey on.
app.post('/attestation/options', async (req, res) => {
  const { username = req.session.username, displayName = username } = req.body ?? {};
  if (typeof username !== 'string' || username === '') {
    return refuse(res, 'username is missing');
  }
  const known = users.get(username);
  if (known && req.session.username !== username) {
    return refuse(res, 'This user name is taken: sign in to add a passkey', 403);
  }

  const registrationOptions = await f2l.attestationOptions();
  // "make sure to add registrationOptions.user.id and registrationOptions.user.name"
  const userHandle = known?.userHandle ?? randomBytes(32).toString('base64url');
  Object.assign(registrationOptions.user, { id: userHandle, name: username, displayName });
  registrationOptions.excludeCredentials = (known?.credentials ?? []).map(descriptor);
  registrationOptions.challenge = coerceToBase64Url(registrationOptions.challenge, 'challenge');

  // "save the challenge in the session information..."
  req.session.attestation = { username, userHandle, challenge: registrationOptions.challenge };
  ok(res, registrationOptions);
});

app.post('/attestation/result', async (req, res) => {
  const { attestation } = req.session;
  delete req.session.attestation;
  if (!attestation) {
    return refuse(res, 'No registration was started');
  }
  const { username, userHandle, challenge } = attestation;

  let regResult;
  try {
    // [api]: without `rpId`, the host of the origin stands for it.
    regResult = await f2l.attestationResult(decoded(req.body), { rpId, challenge, origin, factor }); // will throw on error
  } catch (error) {
    console.error(error);
    return refuse(res, error.message);
  }

  // "registration complete! save publicKey and counter from regResult to user's info for future authentication calls"
  if (users.has(username) && req.session.username !== username) {
    return refuse(res, 'This user name is taken: sign in to add a passkey', 403);
  }
  const user = users.get(username) ?? { username, userHandle, credentials: [] };
  user.credentials.push({
    id: coerceToBase64Url(regResult.authnrData.get('credId'), 'credId'),
    publicKey: regResult.authnrData.get('credentialPublicKeyPem'),
    counter: regResult.authnrData.get('counter'),
    transports: req.body.response.transports,
  });
  users.set(username, user);
  req.session.username = username;
  ok(res);
});

// [readme], "Authentication": without a user name, allowCredentials is left out.
app.post('/assertion/options', async (req, res) => {
  const { username } = req.body ?? {};
  const user = users.get(username);
  if (username !== undefined && !user) {
    return refuse(res, 'There is no such user');
  }

  const authnOptions = await f2l.assertionOptions();
  if (user) {
    authnOptions.allowCredentials = user.credentials.map(descriptor);
  }
  authnOptions.challenge = coerceToBase64Url(authnOptions.challenge, 'challenge');

  req.session.assertion = { username, challenge: authnOptions.challenge };
  ok(res, authnOptions);
});

app.post('/assertion/result', async (req, res) => {
  const { assertion } = req.session;
  delete req.session.assertion;
  if (!assertion) {
    return refuse(res, 'No authentication was started');
  }
  const { username, challenge } = assertion;

  // The credentials of the user who was named; of all users where none was.
  const candidates = username === undefined ? [...users.values()] : [users.get(username)];
  const user = candidates.find((user) => user?.credentials.some((credential) => credential.id === req.body?.id));
  const credential = user?.credentials.find((credential) => credential.id === req.body.id);
  if (!credential) {
    return refuse(res, 'This credential is not known');
  }

  const assertionExpectations = {
    rpId,
    challenge,
    origin,
    factor,
    publicKey: credential.publicKey,
    prevCounter: credential.counter,
    userHandle: user.userHandle,
  };
  // "so the credential received will be validate against allowCredentials array"
  if (username !== undefined) {
    assertionExpectations.allowCredentials = user.credentials.map(({ id }) => ({ type: 'public-key', id }));
  }

  let authnResult;
  try {
    authnResult = await f2l.assertionResult(decoded(req.body), assertionExpectations); // will throw on error
  } catch (error) {
    console.error(error);
    return refuse(res, error.message);
  }

  credential.counter = authnResult.authnrData.get('counter');
  req.session.username = user.username;
  ok(res);
});

// What the application adds: who is signed in, what passkeys they have, and the way out.
app.get('/me', (req, res) => {
  const user = signedIn(req);
  return user ? ok(res, { username: user.username }) : refuse(res, 'Nobody is signed in', 401);
});
app.get('/passkeys', (req, res) => {
  const user = signedIn(req);
  if (!user) return refuse(res, 'Nobody is signed in', 401);
  ok(res, { passkeys: user.credentials.map(({ publicKey, ...credential }) => credential) });
});
app.delete('/passkeys/:id', (req, res) => {
  const user = signedIn(req);
  if (!user) return refuse(res, 'Nobody is signed in', 401);
  const index = user.credentials.findIndex((credential) => credential.id === req.params.id);
  if (index < 0) return refuse(res, 'There is no such passkey', 404);
  user.credentials.splice(index, 1);
  res.status(204).end();
});
app.post('/sign-out', (req, res) => req.session.destroy(() => res.status(204).end()));

app.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${PORT}`));
