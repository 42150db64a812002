"""Who is let in: the headers Authorization and X-Organization-Id, on every route that needs them."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
from tests.conftest import JWT_SECRET, SettingsFor
from tests.web.conftest import Client, OpenApi
from tests.web.tokens import token

from hookline.domain.ids import new_id
from hookline.domain.principal import Principal, Role
from hookline.security.auth import Authenticator

ID = "0198c0de-0000-7000-8000-000000000001"
ROUTES = [
    ("GET", "/api/integrations"),
    ("POST", "/api/integrations/WHATSAPP/connect"),
    ("DELETE", f"/api/integrations/{ID}/disconnect"),
    ("GET", "/api/messages?limit=0"),
    ("GET", f"/api/messages/{ID}"),
    ("GET", "/api/webhook-events?limit=0"),
    ("GET", f"/api/webhook-events/{ID}"),
    ("POST", f"/api/webhook-events/{ID}/replay"),
    ("GET", "/api/jobs?limit=0"),
    ("GET", "/api/jobs/x"),
    ("POST", f"/api/jobs/{ID}/retry"),
    ("GET", "/api/events?limit=0"),
]


def headers(organization: str | bytes | None = "org-1", **claims: Any) -> dict[str, Any]:
    """The two headers, with a token for org-1."""
    given = {"Authorization": f"Bearer {token(JWT_SECRET, {'org-1': Role.MEMBER}, **claims)}"}
    return given if organization is None else {**given, "X-Organization-Id": organization}


async def test_every_route_checks_token_then_header_then_membership(api: Client) -> None:
    """Token, header, membership: in this order, before path, query and body are looked at."""
    for method, path in ROUTES:
        unknown = await api.request(method, path, headers={"X-Organization-Id": "org-1"})
        assert (unknown.status, unknown.problem) == (401, "unauthenticated")
        assert unknown.headers["WWW-Authenticate"] == "Bearer"
        nowhere = await api.request(method, path, headers=headers(None))
        assert (nowhere.status, nowhere.problem) == (400, "organization-missing")
        outside = await api.request(method, path, headers=headers("org-2"))
        assert (outside.status, outside.problem) == (403, "forbidden")


BAD_AUTHORIZATIONS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Basic dXNlcjpwYXNz",
    "Bearer x",
    "Bearer a.b.c",
    "Bearer ..",
    "Bearer \u00fc\u00fc",
    f"Bearer {token('another secret, also long enough for it', {'org-1': 'OWNER'})}",
    f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'}, exp=int(time.time()) - 3600)}",
    f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'}, exp=None)}",
    f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'}, sub=None)}",
    f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'}, nbf=int(time.time()) + 3600)}",
    f"Bearer {token(JWT_SECRET, ['org-1'])}",
    f"Bearer {token(JWT_SECRET, 'org-1')}",
    f"Bearer {token(JWT_SECRET, None)}",
]


async def test_a_token_that_does_not_hold(api: Client) -> None:
    """No token, and one that is not signed by us, expired, early or without what we need, is 401."""
    for value in BAD_AUTHORIZATIONS:
        given = {"X-Organization-Id": "org-1"} | ({} if value is None else {"Authorization": value})
        answer = await api.get("/api/integrations", headers=given)
        assert (answer.status, answer.problem) == (401, "unauthenticated")


def unsigned(header: bytes, payload: bytes = b"{}") -> str:
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload, b""))
    return ".".join(parts)


FORGED_HEADERS = [
    json.dumps({"alg": "none", "typ": "JWT"}).encode(),
    json.dumps({"alg": "RS256"}).encode(),
    json.dumps({"alg": ["HS256"]}).encode(),
    b"[" * 20_000,
    b'{"alg":' * 3_000,
    b"\xff\xff",
    b"null",
]


async def test_a_forged_token_is_refused(api: Client) -> None:
    """A token whose header is anything but ours is 401, however odd it is."""
    for header in FORGED_HEADERS:
        claims = json.dumps({"sub": "x", "exp": time.time() + 60, "organizations": {"org-1": "OWNER"}}).encode()
        given = {"Authorization": f"Bearer {unsigned(header, claims)}", "X-Organization-Id": "org-1"}
        answer = await api.get("/api/integrations", headers=given)
        assert (answer.status, answer.problem) == (401, "unauthenticated")


async def test_the_scheme_is_read_in_either_case(api: Client) -> None:
    """`bearer` is as good as `Bearer`."""
    given = headers()
    given["Authorization"] = given["Authorization"].replace("Bearer", "bearer")
    assert (await api.get("/api/integrations", headers=given)).status == 200


NO_ORGANIZATIONS: list[str | bytes] = [
    "",
    "   ",
    "x" * 513,
    "ж".encode() * 300,
    b"org\xff",
    "a\tb",
    "a\u200bb".encode(),
    b"\xc2\x85",
]


async def test_a_header_that_names_no_organization(api: Client) -> None:
    """An organization id that is empty, too long, no UTF-8 or not printable is 400."""
    for name in NO_ORGANIZATIONS:
        value = name if isinstance(name, str) else name.decode("latin-1")
        answer = await raw(api, value.encode("latin-1"))
        assert answer == (400, "organization-missing")


async def raw(api: Client, *organizations: bytes) -> tuple[int, str]:
    """Send the header's bytes as they are, which a client library would refuse to."""
    lines = [f"Authorization: {headers(None)['Authorization']}".encode()]
    lines += [b"X-Organization-Id: " + organization for organization in organizations]
    return await exchange(api, b"GET /api/integrations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", lines)


async def exchange(api: Client, start: bytes, lines: list[bytes]) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
    writer.write(start + b"\r\n".join(lines) + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    kind = json.loads(body)["type"].rpartition(":")[2] if body.startswith(b"{") else ""
    return status, kind


async def test_nul_in_a_header_never_reaches_the_api(api: Client) -> None:
    """A NUL in the header is 400."""
    assert (await raw(api, b"org\x00-1"))[0] == 400


async def test_two_organizations_are_none(api: Client) -> None:
    """A request that names two organizations is 400; one that names the same twice is taken."""
    assert await raw(api, b"org-1", b"org-2") == (400, "organization-missing")
    assert (await raw(api, b"org-1", b"org-1"))[0] == 200


async def test_an_organization_s_name_may_be_any_text(api: Client) -> None:
    """Organization ids beyond ASCII are compared as UTF-8."""
    name = "Größe-日本"
    bearer = f"Bearer {token(JWT_SECRET, {name: Role.OWNER})}"
    answer = await api.get("/api/integrations", headers={"Authorization": bearer, "X-Organization-Id": name})
    assert answer.status == 200


UNKNOWN_ROLES: list[Any] = ["GOD", "owner", "", 1, None, ["OWNER"]]


async def test_an_unknown_role_gives_nothing(api: Client) -> None:
    """A role that we do not know is no membership; the token's other organizations still count."""
    for role in UNKNOWN_ROLES:
        bearer = "Bearer " + token(JWT_SECRET, {"org-1": role, "org-2": "MEMBER"})
        answer = await api.get("/api/integrations", headers={"Authorization": bearer, "X-Organization-Id": "org-1"})
        assert (answer.status, answer.problem) == (403, "forbidden")
        answer = await api.get("/api/integrations", headers={"Authorization": bearer, "X-Organization-Id": "org-2"})
        assert answer.status == 200


MANAGERS_ROUTES = [
    ("POST", "/api/integrations/TELEGRAM/connect"),
    ("DELETE", "/api/integrations/x/disconnect"),
    ("POST", "/api/webhook-events/x/replay"),
    ("POST", "/api/jobs/x/retry"),
]


async def test_the_role_is_checked_before_the_path(api: Client) -> None:
    """A member who may not do it learns nothing about what is there."""
    for method, path in MANAGERS_ROUTES:
        answer = await api.of("org-1", Role.MEMBER).request(method, path)
        assert (answer.status, answer.problem) == (403, "forbidden")


async def test_published_keys_are_fetched_aside(
    open_api: OpenApi, settings_for: SettingsFor, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one caller's keys are being fetched, others are answered."""

    def slow(self: Authenticator, name: str) -> Principal:
        time.sleep(1)
        return Principal("user", {"org-1": Role.OWNER})

    monkeypatch.setattr(Authenticator, "authenticate", slow)
    api = await open_api(settings_for(database_url, jwt_secret=None, jwt_jwks_url="http://127.0.0.1:1/keys"))
    waiting = asyncio.create_task(api.get("/api/integrations"))
    await asyncio.sleep(0.2)
    assert (await api.get("/healthz", headers={})).status == 200
    assert not waiting.done()
    assert (await waiting).status == 200


async def test_tokens_are_not_repeated(api: Client) -> None:
    """No answer repeats the token that it refuses."""
    secret = f"secret-{new_id()}"
    answer = await api.get("/api/integrations", headers={"Authorization": f"Bearer {secret}"})
    assert secret not in answer.text
