// A login service for the tests: panva's certified OpenID provider, with a page of people to be instead of passwords.
//
//     node idp.mjs settings.json
//
// It listens on loopback only and keeps everything in memory, so that a restart has a new key and knows no session. The file
// of people is read at each look-up: a test changes a claim or suspends somebody while they are logged in.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { issuer, client_id: clientId, clock_offset: fast = 0, access_token_seconds: accessTokenSeconds = 600 } = settings;
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];
const HOURS = 3600;

const clock = Date.now;
Date.now = () => clock() + fast * 1000; // before anything is issued: this clock is fast, or slow

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signingKey = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };

const people = () => JSON.parse(readFileSync(settings.people, 'utf8'));
const bySubject = (subject) => Object.values(people()).find((person) => person.sub === subject && !person.suspended);
const escaped = (text) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const scopes = {
  profile: ['name', 'given_name', 'family_name', 'preferred_username'],
  email: ['email', 'email_verified'],
  voperson_id: ['voperson_id'],
  eduperson_entitlement: ['eduperson_entitlement'],
  eduperson_assurance: ['eduperson_assurance'],
  orcid: ['orcid'],
};

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      client_secret: settings.client_secret,
      redirect_uris: settings.redirect_uris,
      post_logout_redirect_uris: settings.post_logout_redirect_uris,
      grant_types: ['authorization_code', 'refresh_token', EXCHANGE],
      response_types: ['code'],
      backchannel_logout_uri: settings.backchannel_logout_uri,
      backchannel_logout_session_required: true,
    },
  ],
  jwks: { keys: [signingKey] },
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', ...Object.keys(scopes)],
  claims: { openid: ['sub'], acr: null, auth_time: null, sid: null, ...scopes },
  acrValues: ['https://refeds.org/profile/mfa', 'https://refeds.org/profile/sfa'],
  features: {
    devInteractions: { enabled: false },
    userinfo: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true, logoutSource: confirmLogout },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
  },
  // The library refuses to call loopback (SSRF); this one may call nothing else.
  fetch: (url, { dispatcher: _guard, ...options }) => {
    if (!LOOPBACK.includes(new URL(url).hostname)) throw new Error('loopback only');
    return globalThis.fetch(url, { ...options, signal: AbortSignal.timeout(2500) });
  },
  ttl: {
    AccessToken: accessTokenSeconds,
    IdToken: HOURS,
    RefreshToken: 8 * HOURS,
    Session: 8 * HOURS,
    Grant: 8 * HOURS,
    Interaction: 8 * HOURS, // its cookie's end is told by this clock, and may be slow
  },
  clockTolerance: 0, // seconds; the library's own 15 would let tokens live so much longer than they say
  rotateRefreshToken: () => true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  findAccount: async (_ctx, subject) => {
    const person = bySubject(subject);
    return person && { accountId: subject, claims: async () => ({ ...person.claims, sub: subject }) };
  },
  loadExistingGrant: grantWithoutAsking,
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ['tests-only'] },
});

provider.registerGrantType(EXCHANGE, exchange, ['subject_token', 'subject_token_type', 'audience', 'scope', 'requested_token_type']);
for (const event of ['backchannel.error', 'server_error']) {
  provider.on(event, (_ctx, error) => console.error(event, error?.message, error?.cause?.message ?? ''));
}

// A community asks for consent at its own registration, not at each service.
async function grantWithoutAsking(ctx) {
  const known = ctx.oidc.result?.consent?.grantId ?? ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
  const old = known && (await provider.Grant.find(known));
  if (old) return old;
  const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
  grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(' '));
  grant.addOIDCClaims([...ctx.oidc.requestParamClaims]);
  await grant.save();
  return grant;
}

// RFC 8693, for one audience; a token that the exchange gave cannot be exchanged again.
async function exchange(ctx) {
  const { params, client } = ctx.oidc;
  if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('subject_token_type');
  if (!settings.exchange_audiences.includes(params.audience)) throw new errors.InvalidTarget('unknown audience');
  const subject = await provider.AccessToken.find(String(params.subject_token));
  if (!subject || subject.isExpired || subject.clientId !== client.clientId || subject.aud || !bySubject(subject.accountId)) {
    throw new errors.InvalidRequest('subject_token');
  }
  const token = new provider.AccessToken({
    accountId: subject.accountId,
    client,
    expiresWithSession: subject.expiresWithSession,
    grantId: subject.grantId,
    gty: EXCHANGE,
    scope: 'openid',
    sessionUid: subject.sessionUid,
  });
  token.aud = params.audience;
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: ACCESS_TOKEN,
    token_type: 'Bearer',
    expires_in: token.expiration,
    scope: token.scope,
  };
}

async function confirmLogout(ctx, form) {
  ctx.body = page('Log out', `${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button>`);
}

function page(title, content) {
  return `<!doctype html><html lang="en"><title>${escaped(title)}</title><h1>${escaped(title)}</h1>${content}</html>`;
}

async function bodyOf(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 4096) throw new Error('too much');
  }
  return new URLSearchParams(body);
}

async function choose(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    const buttons = Object.entries(people())
      .filter(([, person]) => !person.suspended)
      .map(([key, person]) => `<button name="person" value="${escaped(key)}">${escaped(person.claims.name)}</button>`);
    const form = `<form method="post" action="/interaction/${escaped(details.uid)}">${buttons.join('')}<button name="cancel" value="1">Cancel</button></form>`;
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return response.end(page('Who do you want to be?', form));
  }
  const given = await bodyOf(request);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  if (given.get('cancel')) return finish({ error: 'access_denied', error_description: 'cancelled' });
  const all = people();
  const person = Object.hasOwn(all, given.get('person')) ? all[given.get('person')] : undefined;
  if (!person || person.suspended) return finish({ error: 'access_denied', error_description: 'suspended' });
  const asked = details.prompt.details?.acr; // essential, by the claims parameter: the library would ask for ever
  if (asked?.essential && ![asked.value, ...(asked.values ?? [])].includes(person.acr)) {
    return finish({ error: 'unmet_authentication_requirements', error_description: 'acr' });
  }
  const result = { login: { accountId: person.sub, acr: person.acr, remember: true } };
  if (String(details.params.prompt ?? '').split(' ').includes('consent')) {
    const grant = new provider.Grant({ clientId: details.params.client_id, accountId: person.sub });
    grant.addOIDCScope(details.params.scope);
    result.consent = { grantId: await grant.save() };
  }
  return finish(result);
}

const callback = provider.callback();
createServer(async (request, response) => {
  if (!/^\/interaction\/[\w-]+$/.test(new URL(request.url, issuer).pathname)) return callback(request, response);
  try {
    await choose(request, response);
  } catch (error) {
    response.statusCode = error instanceof errors.SessionNotFound ? 400 : 500;
    response.end('failed');
  }
}).listen(Number(new URL(issuer).port), '127.0.0.1', () => console.log('ready'));
process.on('SIGTERM', () => process.exit(0));
