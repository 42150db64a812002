"""Tokens in, principals out; and nothing else gets in."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.conftest import JWT_SECRET
from tests.web.tokens import token

from hookline.domain.errors import Unauthenticated, Unavailable
from hookline.domain.principal import Role
from hookline.security.auth import Authenticator, AuthOptions, development_token

ORGANIZATIONS = {"org-1": "OWNER", "org-2": "MEMBER"}


def by_secret(**options: Any) -> Authenticator:
    return Authenticator(AuthOptions(JWT_SECRET, **options))


def test_a_good_token_names_its_subject_and_organizations() -> None:
    """Subject and roles come out as they stand in the token."""
    principal = by_secret().authenticate(token(JWT_SECRET, ORGANIZATIONS))
    assert principal.subject == "user-1"
    assert principal.organizations == {"org-1": Role.OWNER, "org-2": Role.MEMBER}


def unsigned() -> str:
    return jwt.encode({"sub": "user-1", "exp": int(time.time()) + 60, "organizations": ORGANIZATIONS}, "", "none")


BAD_TOKENS = {
    "empty": "",
    "no token": "not.a.token",
    "another secret": token("another secret, which is long enough as well", ORGANIZATIONS),
    "expired": token(JWT_SECRET, ORGANIZATIONS, exp=int(time.time()) - 60),
    "without expiry": token(JWT_SECRET, ORGANIZATIONS, exp=None),
    "without subject": token(JWT_SECRET, ORGANIZATIONS, sub=None),
    "not yet valid": token(JWT_SECRET, ORGANIZATIONS, nbf=int(time.time()) + 600),
    "unsigned": unsigned(),
    "another algorithm": jwt.encode({"sub": "u", "exp": 9e9, "organizations": {}}, JWT_SECRET * 2, "HS512"),
    "without organizations": token(JWT_SECRET, None),
    "a list of organizations": token(JWT_SECRET, ["org-1"]),
    "surrogates": "\ud83d.\ud83d.\ud83d",
    "NUL": "\x00",
}


@pytest.mark.parametrize("given", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_bad_token_is_refused(given: str) -> None:
    """Whatever is wrong, it is Unauthenticated, and the text repeats neither token nor secret."""
    with pytest.raises(Unauthenticated) as refused:
        by_secret().authenticate(given)
    assert JWT_SECRET not in str(refused.value)
    assert not given or given not in str(refused.value)


def test_no_secret_is_a_closed_door() -> None:
    """Without any key, not even a token signed with the empty secret gets in."""
    for secret in (None, ""):
        with pytest.raises(Unauthenticated):
            Authenticator(AuthOptions(secret)).authenticate(unsigned())


@pytest.mark.parametrize("role", ["GOD", "owner", "", None, 5, ["OWNER"]])
def test_an_unknown_role_gives_nothing(role: Any) -> None:
    """The token's other organizations still count."""
    organizations = {"org-1": role, "org-2": "MEMBER"}
    claims = {"sub": "user-1", "exp": int(time.time()) + 60, "organizations": organizations}
    principal = by_secret().authenticate(jwt.encode(claims, JWT_SECRET, "HS256"))
    assert principal.organizations == {"org-2": Role.MEMBER}


@pytest.mark.parametrize(
    ("claims", "holds"),
    [
        ({"aud": "hookline", "iss": "crm"}, True),
        ({"aud": ["other", "hookline"], "iss": "crm"}, True),
        ({"aud": "other", "iss": "crm"}, False),
        ({"iss": "crm"}, False),
        ({"aud": "hookline"}, False),
        ({"aud": "hookline", "iss": "other"}, False),
    ],
)
def test_audience_and_issuer_must_fit_where_they_are_configured(claims: dict[str, Any], holds: bool) -> None:
    """A token for somebody else, or by somebody else, is refused."""
    given, strict = token(JWT_SECRET, ORGANIZATIONS, **claims), by_secret(audience="hookline", issuer="crm")
    if holds:
        assert strict.authenticate(given).subject == "user-1"
    else:
        with pytest.raises(Unauthenticated):
            strict.authenticate(given)


def test_an_audience_that_nobody_asked_for_does_not_matter() -> None:
    """Where none is configured, a token may name any audience."""
    assert by_secret().authenticate(token(JWT_SECRET, ORGANIZATIONS, aud="anyone")).subject == "user-1"


@pytest.mark.parametrize("options", [AuthOptions(JWT_SECRET), AuthOptions(JWT_SECRET, None, "hookline", "crm")])
def test_development_s_tokens_hold(options: AuthOptions) -> None:
    """What `hookline token` makes is accepted by the API that it is for, for as long as it says."""
    made = development_token(JWT_SECRET, "org-1", Role.MANAGER, options=options, valid_for=timedelta(hours=1))
    assert Authenticator(options).authenticate(made).organizations == {"org-1": Role.MANAGER}
    old = development_token(JWT_SECRET, "org-1", Role.MANAGER, options=options, valid_for=timedelta(hours=-1))
    with pytest.raises(Unauthenticated, match="expired"):
        Authenticator(options).authenticate(old)


@pytest.fixture
def published() -> Iterator[tuple[str, rsa.RSAPrivateKey]]:
    """Keys published on this machine: the address, and the private key."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())) | {"kid": "k1", "use": "sig"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [public]}).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/keys", private
    server.shutdown()
    server.server_close()


def test_published_keys_verify(published: tuple[str, rsa.RSAPrivateKey]) -> None:
    """Tokens signed with a published key get in; with another key, or with the public one as a secret, they do not."""
    url, private = published
    claims = {"sub": "user-1", "exp": int(time.time()) + 60, "organizations": ORGANIZATIONS}
    authenticator = Authenticator(AuthOptions(None, url))
    assert authenticator.blocks
    good = jwt.encode(claims, private, "RS256", headers={"kid": "k1"})
    assert authenticator.authenticate(good).organizations["org-1"] is Role.OWNER
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for bad in (
        jwt.encode(claims, other, "RS256", headers={"kid": "k1"}),
        jwt.encode(claims, other, "RS256", headers={"kid": "k2"}),
        jwt.encode(claims, JWT_SECRET, "HS256", headers={"kid": "k1"}),
    ):
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(bad)


def test_keys_that_cannot_be_fetched_let_nobody_in() -> None:
    """If the publisher is not there, no token is believed, and none is called bad: try again."""
    authenticator = Authenticator(AuthOptions(None, "http://127.0.0.1:1/keys"))
    with pytest.raises(Unavailable):
        authenticator.authenticate(token(JWT_SECRET, ORGANIZATIONS, kid="k1"))
