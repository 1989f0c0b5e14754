"""ID tokens and logout tokens: what is one, and each way of not being one."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest
import token_support
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from token_support import (
    CLIENT,
    ISSUER,
    KEY,
    EcKey,
    RsaKey,
    Shared,
    Unsigned,
    at_hash,
    b64,
    sign,
)

from panosc_spawner.identity.tokens import (
    ALGORITHMS,
    Expected,
    InvalidToken,
    Keys,
    UnknownKey,
    validate_id_token,
    validate_logout_token,
)

NONCE = "n-0123456789"
START = datetime.fromtimestamp(int(time.time()), UTC)  # one moment for all: cases are made when this file is read
CURVE = EcKey()
OTHER = RsaKey("two")
KEYS = Keys.from_document({"keys": [KEY.jwk(), CURVE.jwk(), OTHER.jwk(alg="RS512")]})
EXPECTED = Expected(ISSUER, CLIENT)
PUBLIC = KEY.private.public_key()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


def validate(token, *, keys=KEYS, expected=EXPECTED, nonce=NONCE, access_token="at", now=None):
    return validate_id_token(token, keys, expected, now or START, nonce=nonce, access_token=access_token)


def now(seconds=0):
    return int(START.timestamp()) + seconds


def id_claims(**changes):
    return token_support.id_claims(**({"iat": now(), "exp": now(600)} | changes))


def logout_claims(**changes):
    return token_support.logout_claims(**({"iat": now(), "exp": now(120)} | changes))


def test_a_right_token_says_who_logged_in():
    claims = id_claims(sid="s1", acr="https://refeds.org/profile/mfa", auth_time=now(-5), at_hash=at_hash("at"))
    token = validate(sign(claims))
    assert (token.subject, token.sid, token.nonce) == ("x", "s1", NONCE)
    assert token.acr == "https://refeds.org/profile/mfa"
    assert token.auth_time == START - timedelta(seconds=5)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_we_offer_works(algorithm):
    curves = {"ES256": (ec.SECP256R1, "P-256"), "ES384": (ec.SECP384R1, "P-384"), "ES512": (ec.SECP521R1, "P-521")}
    key = EcKey("k", *curves[algorithm]) if algorithm in curves else RsaKey("k")
    keys = Keys.from_document({"keys": [key.jwk()]})
    token = sign(id_claims(at_hash=at_hash("at", algorithm)), key, algorithm)
    assert validate(token, keys=keys).subject == "x"
    with pytest.raises(InvalidToken, match="alg"):  # where the provider does not announce it
        validate(token, keys=keys, expected=Expected(ISSUER, CLIENT, tuple(set(ALGORITHMS) - {algorithm})))


GOOD = [
    id_claims(aud=[CLIENT]),
    id_claims(aud=CLIENT, azp=CLIENT),
    id_claims(aud=["other", CLIENT], azp=CLIENT),
    id_claims(iat=now(-90), exp=now(-30)),  # within the clock skew
    id_claims(iat=now(30), exp=now(90)),
    id_claims(nbf=now(30)),
    id_claims(iat=float(now())),
    id_claims(name="x" * 5000, groups=["g" * 100] * 100),
]


@pytest.mark.parametrize("claims", GOOD)
def test_right_tokens(claims):
    assert validate(sign(claims)).subject == "x"


@pytest.mark.parametrize(
    "header", [{"typ": None}, {"typ": "jwt"}, {"typ": "application/jwt"}, {"x5t": "abc"}, {"jku": "https://evil"}]
)
def test_headers_that_do_no_harm(header):
    assert validate(sign(id_claims(), **header)).subject == "x"


BAD_CLAIMS = [
    # changes, code
    ({"iss": "https://evil.example"}, "iss"),
    ({"iss": ISSUER + "/"}, "iss"),
    ({"iss": ISSUER[:-1]}, "iss"),
    ({"iss": ISSUER.upper()}, "iss"),
    ({"iss": [ISSUER]}, "iss"),
    ({"iss": {ISSUER: True}}, "iss"),
    ({"iss": None}, "iss"),
    ({"aud": "other"}, "aud"),
    ({"aud": []}, "aud"),
    ({"aud": ["other"]}, "aud"),
    ({"aud": [CLIENT, 7]}, "aud"),
    ({"aud": {CLIENT: 1}}, "aud"),
    ({"aud": CLIENT + "-2"}, "aud"),
    ({"aud": None}, "aud"),
    ({"aud": [CLIENT, "other"]}, "azp"),
    ({"aud": [CLIENT, "other"], "azp": "other"}, "azp"),
    ({"azp": "other"}, "azp"),
    ({"azp": [CLIENT]}, "azp"),
    ({"nonce": "another"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"nonce": [NONCE]}, "nonce"),
    ({"nonce": ""}, "nonce"),
    ({"nonce": "\ud800"}, "nonce"),
    ({"exp": now(-61)}, "exp"),
    ({"exp": None}, "exp"),
    ({"exp": str(now(60))}, "exp"),
    ({"exp": True}, "exp"),
    ({"exp": now(-1000), "iat": now(-1100)}, "exp"),
    ({"exp": now(), "iat": now(20)}, "exp"),
    ({"exp": 10**20}, "exp"),
    ({"exp": 253402300799, "iat": now(3600)}, "iat"),
    ({"iat": now(61)}, "iat"),
    ({"iat": None}, "iat"),
    ({"iat": float("nan")}, "iat"),
    ({"nbf": now(61)}, "nbf"),
    ({"nbf": "soon"}, "nbf"),
    ({"sub": None}, "sub"),
    ({"sub": ""}, "sub"),
    ({"sub": ["x"]}, "sub"),
    ({"sub": 7}, "sub"),
    ({"sub": "x" * 257}, "sub"),
    ({"sub": "x\ny"}, "sub"),
    ({"at_hash": at_hash("another")}, "at_hash"),
    ({"at_hash": at_hash("at", "RS512")}, "at_hash"),
    ({"at_hash": ""}, "at_hash"),
    ({"at_hash": [at_hash("at")]}, "at_hash"),
    ({"sid": 7}, "sid"),
    ({"acr": ["https://refeds.org/profile/mfa"]}, "acr"),
    ({"auth_time": "now"}, "auth_time"),
]


@pytest.mark.parametrize(("changes", "code"), BAD_CLAIMS)
def test_claims_that_are_not_right(changes, code):
    with pytest.raises(InvalidToken) as error:
        validate(sign(id_claims(**changes)))
    assert error.value.code == code
    assert not isinstance(error.value, UnknownKey)


BAD_TOKENS = {
    "none": (sign(id_claims(), Unsigned(), "none"), "alg"),
    "none in capitals": (sign(id_claims(), Unsigned(), "NONE"), "alg"),
    "no algorithm": (sign(id_claims(), alg=None), "alg"),
    "a list of algorithms": (sign(id_claims(), alg=["RS256"]), "alg"),
    "HS256 with the public key as secret": (sign(id_claims(), Shared(PEM), "HS256"), "alg"),
    "HS512 with the modulus as secret": (sign(id_claims(), Shared(KEY.jwk()["n"].encode()), "HS512"), "alg"),
    "an unknown critical extension": (sign(id_claims(), crit=["exp"], exp=1), "crit"),
    "an empty crit": (sign(id_claims(), crit=[]), "crit"),
    "an unencoded payload": (sign(id_claims(), b64=False, crit=["b64"]), "crit"),
    "a kid that is a number": (sign(id_claims(), kid=1), "kid"),
    "a kid that is a path": (sign(id_claims(), kid="../../dev/null"), "key"),
    "another's key under our kid": (sign(id_claims(), RsaKey("one")), "signature"),
    "another's key, sent along": (sign(id_claims(), RsaKey("three"), jwk=RsaKey("three").jwk()), "key"),
    "a curve's kid, signed by RSA": (sign(id_claims(), KEY, kid="curve"), "key"),
    "a key for another algorithm": (sign(id_claims(), OTHER, "RS256"), "key"),
    "a signature cut off": (sign(id_claims()).rpartition(".")[0] + ".", "signature"),
    "another's claims beneath the signature": (
        sign(id_claims()).split(".")[0] + "." + b64(id_claims(sub="eve")) + "." + sign(id_claims()).split(".")[2],
        "signature",
    ),
    "a logout token": (sign(id_claims(), typ="logout+jwt"), "typ"),
    "an access token": (sign(id_claims(), typ="at+jwt"), "typ"),
    "a type that is a list": (sign(id_claims(), typ=["JWT"]), "typ"),
    "claims that are a list": (sign([id_claims()]), "claims"),
    "claims that are text": (sign("x"), "claims"),
    "a name that stands twice": (
        sign(id_claims())
        and (lambda head, body: f"{head}.{body}.{b64(KEY.signature(f'{head}.{body}'.encode(), 'RS256'))}")(
            b64({"alg": "RS256", "kid": "one"}), b64(b'{"sub":"x","sub":"eve"}')
        ),
        "claims",
    ),
    "a header of no JSON": ("e30x.e30.e30", "header"),
    "a header that is a list": (b64([]) + ".e30.e30", "header"),
    "two parts": ("a.b", "form"),
    "five parts": ("a.b.c.d.e", "form"),
    "a huge token": (sign(id_claims(name="x" * 70_000)), "form"),
    "letters beyond ASCII": ("é.b.c", "form"),
    "bytes": (sign(id_claims()).encode(), "form"),
    "nothing": (None, "form"),
    "an empty text": ("", "form"),
}


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_tokens_that_are_none(case):
    token, code = BAD_TOKENS[case]
    with pytest.raises(InvalidToken) as error:
        validate(token)
    assert error.value.code == code


@pytest.mark.parametrize(("key", "algorithm"), [(Unsigned(), "none"), (Shared(PEM), "HS256")])
def test_not_even_a_provider_that_announces_them_makes_them_count(key, algorithm):
    with pytest.raises(InvalidToken, match="alg"):
        validate(sign(id_claims(), key, algorithm), expected=Expected(ISSUER, CLIENT, ("none", "HS256", "RS256")))


def test_the_signature_comes_first():
    with pytest.raises(UnknownKey):  # nothing of the claims is told to whoever cannot sign
        validate(sign(id_claims(iss="https://evil.example"), RsaKey("one")))


def test_a_token_without_kid_is_tried_with_every_key_that_fits():
    assert validate(sign(id_claims(), OTHER, "RS512", kid=None)).subject == "x"
    with pytest.raises(UnknownKey):
        validate(sign(id_claims(), RsaKey("three"), kid=None))


def test_two_keys_of_one_id_during_a_rollover():
    new = RsaKey("one")
    keys = Keys.from_document({"keys": [KEY.jwk(), new.jwk()]})
    assert validate(sign(id_claims(), KEY), keys=keys).subject == validate(sign(id_claims(), new), keys=keys).subject


@pytest.mark.parametrize(
    "entry",
    [
        KEY.jwk(use="enc"),
        KEY.jwk(key_ops=["encrypt"]),
        KEY.jwk(key_ops="verify"),
        KEY.jwk(kty="oct", k="c2VjcmV0"),
        KEY.jwk(kty="EC"),
        KEY.jwk(n="AQAB"),
        KEY.jwk(n="!!!"),
        KEY.jwk(n=7),
        KEY.jwk(e=None),
        RsaKey("one", 1024).jwk(),
        CURVE.jwk(kid="one", crv="P-192"),
        CURVE.jwk(kid="one", x="AQAB"),
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "one"},
        {},
        None,
        "key",
    ],
)
def test_keys_of_no_use_are_left_out(entry):
    assert Keys.from_document({"keys": [entry]}).keys == ()
    assert len(Keys.from_document({"keys": [entry, KEY.jwk()]}).keys) == 1


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {}}, "x"])
def test_documents_without_keys_are_none(document):
    with pytest.raises(ValueError, match="JWKS"):
        Keys.from_document(document)


def test_at_most_fifty_keys_are_read():
    assert len(Keys.from_document({"keys": [KEY.jwk()] * 60}).keys) == 50


def test_at_a_refresh_the_nonce_may_be_missing():
    assert validate(sign(id_claims(nonce=None)), nonce=None).nonce == ""
    assert validate(sign(id_claims()), nonce=None).nonce == NONCE
    with pytest.raises(InvalidToken, match="nonce"):  # an attempt without a nonce proves nothing
        validate(sign(id_claims(nonce="")), nonce="")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.hex()))
def test_whatever_comes_is_refused_in_a_word(text):
    with pytest.raises(InvalidToken):
        validate(text)


@given(
    st.dictionaries(
        st.sampled_from(
            ["iss", "aud", "azp", "sub", "exp", "iat", "nonce", "at_hash", "sid", "acr", "auth_time", "nbf"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text(max_size=3)),
        max_size=4,
    )
)
def test_claims_of_any_kind_never_end_in_another_error(changes):
    try:
        token = validate(sign(id_claims() | changes))
    except InvalidToken:
        return
    assert token.subject
    assert changes.get("iss", ISSUER) == ISSUER


# -- logout tokens ---------------------------------------------------------------------------------------------------------


def logout(token, now=None):
    return validate_logout_token(token, KEYS, EXPECTED, now or START)


@pytest.mark.parametrize(
    ("changes", "subject", "sid"),
    [
        ({}, "x", ""),
        ({"sid": "s1"}, "x", "s1"),
        ({"sid": "s1", "sub": None}, "", "s1"),
        ({"exp": None}, "x", ""),
        ({"aud": [CLIENT]}, "x", ""),
        ({"iat": now(-359)}, "x", ""),
        ({"events": {LOGOUT: {}, "https://x.example/other": {}}}, "x", ""),
    ],
)
@pytest.mark.parametrize("typ", ["logout+jwt", "JWT", None, "application/logout+jwt"])
def test_right_logout_tokens(changes, subject, sid, typ):
    token = logout(sign(logout_claims(**changes), typ=typ))
    assert (token.subject, token.sid, token.jti) == (subject, sid, "j1")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": [ISSUER]}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": [CLIENT, "other"]}, "azp"),
        ({"iat": None}, "iat"),
        ({"iat": now(61)}, "iat"),
        ({"iat": now(-361)}, "iat"),
        ({"exp": now(-61)}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"events": None}, "events"),
        ({"events": [LOGOUT]}, "events"),
        ({"events": {"https://x.example/other": {}}}, "events"),
        ({"events": {LOGOUT: True}}, "events"),
        ({"nonce": "n"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"jti": None}, "jti"),
        ({"jti": "x" * 257}, "jti"),
        ({"jti": 7}, "jti"),
        ({"sub": None}, "sub"),
        ({"sub": "", "sid": ""}, "sub"),
        ({"sub": ["x"]}, "sub"),
        ({"sid": ["s1"]}, "sid"),
    ],
)
def test_logout_tokens_that_are_none(changes, code):
    with pytest.raises(InvalidToken) as error:
        logout(sign(logout_claims(**changes), typ="logout+jwt"))
    assert error.value.code == code


def test_an_id_token_is_no_logout_token_and_the_other_way_round():
    with pytest.raises(InvalidToken, match="nonce"):
        logout(sign(id_claims(events={LOGOUT: {}}, jti="j")))
    with pytest.raises(InvalidToken, match="nonce"):
        validate(sign(logout_claims(), typ="JWT"))
    with pytest.raises(InvalidToken, match="typ"):
        logout(sign(logout_claims(), typ="at+jwt"))


def test_logout_tokens_need_a_signature_too():
    for token in (sign(logout_claims(), Unsigned(), "none"), sign(logout_claims(), Shared(PEM), "HS256")):
        with pytest.raises(InvalidToken, match="alg"):
            logout(token)
    with pytest.raises(UnknownKey):
        logout(sign(logout_claims(), RsaKey("one")))


def test_words_of_an_error_hold_nothing_of_the_token():
    secret = hashlib.sha256(b"x").hexdigest()
    with pytest.raises(InvalidToken) as error:
        validate(sign(id_claims(sub=[secret], name=secret)))
    assert secret not in str(error.value)
