// An adapter for @simplewebauthn/server: harness/COMMAND.md on standard input and output. The library is used as in server.cjs.
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const {
  SettingsService,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} = require('@simplewebauthn/server');

const { TRUST_ANCHORS, VERSION: version } = process.env;
if (TRUST_ANCHORS) {
  const pem = fs.readFileSync(path.join(TRUST_ANCHORS, 'roots.pem'), 'utf8');
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g) ?? [];
  for (const identifier of ['android-key', 'android-safetynet', 'apple', 'fido-u2f', 'packed', 'tpm']) {
    SettingsService.setRootCertificates({ identifier, certificates });
  }
}

const bytes = (text) => Buffer.from(text, 'base64url');
// Left out, the library's own list is asked for and accepted.
const algorithms = (settings) => (settings.algorithms ? { supportedAlgorithmIDs: settings.algorithms } : {});

async function options({ ceremony, rp, user, exclude, allow, challenge, settings }) {
  const userVerification = settings['user-verification'];
  // A text would be taken for UTF-8.
  const given = challenge ? { challenge: bytes(challenge) } : {};
  if (ceremony === 'authentication') {
    return { options: await generateAuthenticationOptions({ rpID: rp.id, userVerification, allowCredentials: allow, ...given }) };
  }
  const made = await generateRegistrationOptions({
    rpName: rp.name,
    rpID: rp.id,
    userName: user.name,
    userDisplayName: user.displayName,
    userID: bytes(user.id),
    attestationType: settings.attestation,
    excludeCredentials: exclude,
    authenticatorSelection: { residentKey: settings['resident-key'] ?? 'required', userVerification },
    ...algorithms(settings),
    ...given,
  });
  return { options: made };
}

async function verify({ ceremony, response, record, expected }) {
  const same = {
    response,
    expectedChallenge: expected.challenge,
    expectedOrigin: expected.origin,
    expectedRPID: expected['rp-id'],
    requireUserVerification: expected['user-verification'] === 'required',
  };
  const unverified = { rejected: { code: 'unverified', message: '"verified": false' } };
  if (ceremony === 'registration') {
    const { verified, registrationInfo } = await verifyRegistrationResponse({ ...same, ...algorithms(expected) });
    if (!verified) return unverified;
    const { id, publicKey, counter, transports } = registrationInfo.credential;
    return { accepted: true, record: { id, publicKey: Buffer.from(publicKey).toString('base64url'), counter, transports } };
  }
  const credential = { ...record, publicKey: bytes(record.publicKey) };
  const tops = expected['top-origins'];
  const top = tops.length > 0 ? { expectedTopOrigin: tops } : {};
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({ ...same, credential, ...top });
  if (!verified) return unverified;
  return { accepted: true, record: { ...record, counter: authenticationInfo.newCounter } };
}

const start = () => ({ name: '@simplewebauthn/server', version, language: 'JavaScript', features: ['challenge'] });

async function answer(ask) {
  try {
    return await { start, options, verify }[ask.do](ask);
  } catch (error) {
    return { rejected: { code: error.name, message: error.message } };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    if (ask.do === 'stop') break;
    process.stdout.write(JSON.stringify({ id: ask.id, ...(await answer(ask)) }) + '\n');
  }
})();
