"""/api/webhooks/{provider} over HTTP: the ingress as the platforms see it, in front of a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import asyncpg
import pytest
from tests.conftest import JWT_SECRET, SettingsFor
from tests.services import bodies
from tests.services.desk import Desk
from tests.services.proxy import DatabaseProxy
from tests.web.platform import INSTAGRAM_SECRET, PREVIOUS, RECEIVED, SECRET, VERIFY_TOKEN, Open, Platform
from tests.web.tokens import token

from hookline.providers.meta.signature import sign


@pytest.fixture
def desk(pool: asyncpg.Pool) -> Desk:
    """What was stored."""
    return Desk(pool)


async def test_a_signed_webhook_is_received_and_durable(platform: Platform, desk: Desk) -> None:
    """The answer is 200 with the specification's body, and then event and job are committed."""
    account = await desk.connect()
    answer = await platform.post(bodies.messages(bodies.text_message("wamid.1")))
    assert (answer.status, answer.json) == (200, RECEIVED)
    assert answer.headers["Content-Type"] == "application/json"
    event = await desk.event()
    assert (event["status"], event["event_type"], event["signature"]) == ("PENDING", "messages", "verified")
    assert (event["organization_id"], event["connected_account_id"]) == ("org-1", account.id)
    (job,) = await desk.jobs()
    assert (job["job_type"], job["status"], job["organization_id"]) == ("PROCESS_WEBHOOK", "PENDING", "org-1")


async def test_the_handshake_answers_the_challenge(platform: Platform) -> None:
    """With the right token the challenge comes back as plain text, and nothing else."""
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    answer = await platform.request("GET", "/api/webhooks/WHATSAPP", params=query)
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("provider", ["INSTAGRAM", "facebook", "WhatsApp"])
async def test_the_handshake_holds_for_every_provider_and_for_underscores(platform: Platform, provider: str) -> None:
    """Some proxies turn the dots of the names into underscores; the handshake holds all the same."""
    query = {"hub_mode": "subscribe", "hub_verify_token": VERIFY_TOKEN, "hub_challenge": "é & <b>"}
    answer = await platform.request("GET", f"/api/webhooks/{provider}", params=query)
    assert (answer.status, answer.text) == (200, "é & <b>")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_the_handshake_may_be_asked_with_head(platform: Platform) -> None:
    """HEAD answers as GET does, without a body."""
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"}
    answer = await platform.request("HEAD", "/api/webhooks/WHATSAPP", params=query)
    assert (answer.status, answer.body) == (200, b"")


WRONG_HANDSHAKES = {
    "nothing": {},
    "no token": {"hub.mode": "subscribe", "hub.challenge": "1"},
    "empty token": {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"},
    "wrong token": {"hub.mode": "subscribe", "hub.verify_token": "wrong", "hub.challenge": "1"},
    "odd token": {"hub.mode": "subscribe", "hub.verify_token": "é\ud83d", "hub.challenge": "1"},
    "wrong mode": {"hub.mode": "unsubscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"},
    "no mode": {"hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"},
}


async def test_a_wrong_handshake_is_forbidden(platform: Platform) -> None:
    """Without mode and token as expected it is 403, and the expected token is not told."""
    for name, query in WRONG_HANDSHAKES.items():
        path = f"/api/webhooks/WHATSAPP?{urlencode(query, errors='surrogatepass')}"
        answer = await platform.request("GET", path)
        assert (answer.status, answer.problem) == (403, "handshake"), name
        assert VERIFY_TOKEN not in answer.text, name


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_an_unknown_provider_is_not_found(platform: Platform, desk: Desk, method: str) -> None:
    """A provider that does not exist is 404, and nothing is stored."""
    answer = await platform.request(method, "/api/webhooks/TELEGRAM", data=b"{}")
    assert (answer.status, answer.problem) == (404, "not-found")
    assert await desk.events() == []


@pytest.mark.parametrize("name", ["whatsapp", "WhatsApp", "WHATSAPP"])
async def test_the_provider_is_taken_in_either_case(platform: Platform, desk: Desk, name: str) -> None:
    """The platforms' consoles keep the case that somebody typed."""
    answer = await platform.post(bodies.messages(bodies.text_message("wamid.1")), name)
    assert answer.status == 200
    assert (await desk.event())["provider"] == "WHATSAPP"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_are_not_allowed(platform: Platform, method: str) -> None:
    """405 says which methods there are."""
    answer = await platform.request(method, "/api/webhooks/WHATSAPP", data=b"{}")
    assert (answer.status, answer.problem) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, POST"


BODY = bodies.messages(bodies.text_message("wamid.1"))
SIGNED = sign(BODY, SECRET)
BAD_SIGNATURES = {
    "wrong secret": sign(BODY, "another secret"),
    "another body": sign(BODY + b" ", SECRET),
    "upper case": "sha256=" + SIGNED.removeprefix("sha256=").upper(),
    "truncated": SIGNED[:-1],
    "too long": SIGNED + "0",
    "no scheme": SIGNED.removeprefix("sha256="),
    "other scheme": SIGNED.replace("sha256", "sha1"),
    "empty": "",
    "not ASCII": "sha256=" + "é" * 64,
    "spaces within": SIGNED.replace("=", "= "),
}


async def test_a_wrong_signature_is_refused_even_in_development(platform: Platform, desk: Desk) -> None:
    """401, nothing stored, and neither a secret nor the expected signature is told."""
    for name, signature in BAD_SIGNATURES.items():
        answer = await platform.post(BODY, secret=None, headers={"X-Hub-Signature-256": signature})
        assert (answer.status, answer.problem) == (401, "signature"), name
        for hidden in (SECRET, PREVIOUS, SIGNED.removeprefix("sha256=")):
            assert hidden not in answer.text, name
            assert hidden not in str(answer.headers), name
    assert await desk.events() == []


async def test_a_missing_signature_is_taken_in_development_and_marked(platform: Platform, desk: Desk) -> None:
    """Development takes webhooks without a signature, and says so on the event."""
    assert (await platform.post(BODY, secret=None)).status == 200
    assert (await desk.event())["signature"] == "unsigned"


async def test_a_missing_signature_is_refused_where_unsigned_is_not_allowed(open_platform: Open, desk: Desk) -> None:
    """The setting closes the door in development too."""
    closed = await open_platform(allow_unsigned_webhooks=False)
    answer = await closed.post(BODY, secret=None)
    assert (answer.status, answer.problem) == (401, "signature")
    assert (await closed.post(BODY)).status == 200
    assert len(await desk.events()) == 1


async def test_production_takes_no_unsigned_webhook(open_platform: Open, desk: Desk) -> None:
    """In production the signature is always required, and a signed webhook is taken."""
    strict = await open_platform(environment="production")
    assert (await strict.post(BODY, secret=None)).status == 401
    assert (await strict.post(BODY)).status == 200
    assert (await desk.event())["signature"] == "verified"


SECRETS = [
    ("WHATSAPP", PREVIOUS, 200),
    ("FACEBOOK", PREVIOUS, 200),
    ("INSTAGRAM", INSTAGRAM_SECRET, 200),
    ("INSTAGRAM", SECRET, 200),
    ("WHATSAPP", INSTAGRAM_SECRET, 401),
    ("FACEBOOK", INSTAGRAM_SECRET, 401),
]


async def test_every_configured_secret_of_the_provider_verifies(platform: Platform) -> None:
    """While a secret is exchanged both verify; another app's secret does not."""
    for provider, secret, status in SECRETS:
        assert (await platform.post(BODY, provider, secret=secret)).status == status, (provider, secret)


RAW = [
    '{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"x","value":{"t":"😀 é"}}]}]}',
    r'{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"x","value":{"t":"\u0000"}}]}]}',
    r'{"object":"whatsapp_business_account","entry":[{"id":"w","changes":[{"field":"x","value":"\ud83d\/"}]}]}',
    '{ "object" : "whatsapp_business_account",\r\n\t"entry":[{"id":"w","changes":[{"field":"x","value":1e400}]}]}',
]


async def test_the_signature_is_over_the_bytes_and_the_text_is_kept(platform: Platform, desk: Desk) -> None:
    """Whatever the JSON is written like, it verifies as sent and is stored as sent, whatever the content type."""
    for raw in RAW:
        answer = await platform.post(raw.encode(), headers={"Content-Type": "text/plain"})
        assert answer.status == 200, raw
    assert [event["payload_json"] for event in await desk.events()] == RAW


async def test_a_thousand_updates_in_one_body(platform: Platform, desk: Desk) -> None:
    """The largest batch that the platforms send is taken whole: an event for each person."""
    await desk.connect()
    said = [bodies.text_message(f"wamid.{number}", sender=f"49170{number:07d}") for number in range(1000)]
    assert (await platform.post(bodies.messages(*said))).status == 200
    assert len(await desk.events()) == 1000
    assert len(await desk.jobs()) == 1000
    await desk.process()
    assert len(await desk.messages()) == 1000


async def test_a_body_of_three_megabytes(platform: Platform, desk: Desk) -> None:
    """3 MB in one body is normal."""
    await desk.connect()
    said = [bodies.text_message(f"wamid.{number}", "x" * 3000) for number in range(1000)]
    body = bodies.messages(*said)
    assert len(body) > 3_000_000
    assert (await platform.post(body)).status == 200
    assert (await desk.event())["payload_json"].encode() == body


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_over_the_limit_is_refused(open_platform: Open, desk: Desk, chunked: bool) -> None:
    """413, whether the size is declared or shows on the way; exactly the limit is still taken."""
    small = await open_platform(max_webhook_bytes=len(BODY))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY) + 1, 100):
            yield (BODY + b" ")[start : start + 100]

    headers = {"X-Hub-Signature-256": sign(BODY + b" ", SECRET)}
    answer = await small.request(
        "POST", "/api/webhooks/WHATSAPP", data=pieces() if chunked else BODY + b" ", headers=headers
    )
    assert (answer.status, answer.problem) == (413, "too-large")
    assert await desk.events() == []
    assert (await small.post(BODY)).status == 200


@pytest.mark.parametrize("event_type", ["message", "order.created", "x" * 64, "😀"])
async def test_the_generic_envelope_s_event_type_is_kept(platform: Platform, desk: Desk, event_type: str) -> None:
    """`eventType` of the specification's envelope becomes the event's type."""
    body = bodies.dump({"eventType": event_type, "data": {"from": "+1234567890", "text": "Hello"}})
    assert (await platform.post(body, secret=None)).json == RECEIVED
    assert (await desk.event())["event_type"] == event_type


async def test_event_types_of_the_platforms(platform: Platform, desk: Desk) -> None:
    """The event's type is the change's field, or the messaging item's kind."""
    await platform.post(bodies.whatsapp(bodies.change(None, "account_update", event="DISABLED_UPDATE")))
    await platform.post(bodies.messaging(bodies.item(read={"watermark": 1})), "FACEBOOK")
    await platform.post(bodies.messaging(bodies.page_echo("m1"), account="ig-1", name="instagram"), "INSTAGRAM")
    assert [event["event_type"] for event in await desk.events()] == ["account_update", "read", "message_echo"]


async def test_the_specification_s_own_example_reaches_the_latest_account(platform: Platform, desk: Desk) -> None:
    """A generic body that names no account goes to the provider's latest connected one, in development."""
    await desk.connect("phone-1", "org-1")
    latest = await desk.connect("phone-2", "org-2")
    await desk.connect("page-1", "org-1", "FACEBOOK")
    await platform.post(bodies.generic(), secret=None)
    assert (await desk.event())["connected_account_id"] == latest.id


async def test_the_organization_header_counts_in_development_only(open_platform: Open, desk: Desk) -> None:
    """In development it chooses among organizations; in production it is as if it were not there."""
    first = await desk.connect("phone-1", "org-1")
    await desk.connect("phone-2", "org-2")
    headers = {"X-Organization-Id": "org-1"}
    development = await open_platform()
    await development.post(bodies.generic("m-1"), headers=headers)
    assert (await desk.event())["connected_account_id"] == first.id
    production = await open_platform(environment="production")
    await production.post(bodies.generic("m-2"), headers=headers)
    later = (await desk.events())[-1]
    assert (later["organization_id"], later["status"]) == (None, "PROCESSED"), "it names no account"


async def test_the_organization_header_never_moves_a_routed_webhook(platform: Platform, desk: Desk) -> None:
    """Whoever the address belongs to gets it, whatever organization a header or body claims."""
    await desk.connect("phone-1", "org-1")
    await platform.post(BODY, headers={"X-Organization-Id": "org-2"})
    await platform.post(
        bodies.dump({"eventType": "message", "organizationId": "org-2", "data": {"from": "a", "to": "phone-1"}})
    )
    assert [event["organization_id"] for event in await desk.events()] == ["org-1", "org-1"]


async def test_two_organizations_and_nobody_in_one_post(platform: Platform, desk: Desk) -> None:
    """Each owner gets exactly its own entries; what is nobody's waits, without job."""
    await desk.connect("phone-1", "org-1")
    await desk.connect("phone-2", "org-2")
    changes = [
        bodies.change(phone, messages=[bodies.text_message(f"wamid.{phone}", f"for {phone}")])
        for phone in ("phone-1", "phone-2", "phone-3")
    ]
    assert (await platform.post(bodies.whatsapp(*changes))).status == 200
    found = {event["external_account_id"]: event for event in await desk.events()}
    assert {phone: event["organization_id"] for phone, event in found.items()} == {
        "phone-1": "org-1",
        "phone-2": "org-2",
        "phone-3": None,
    }
    for phone, event in found.items():
        assert f"for {phone}" in event["payload_json"]
        assert event["payload_json"].count("wamid.") == 1
    assert sorted(job["organization_id"] for job in await desk.jobs()) == ["org-1", "org-2"]


async def test_without_the_database_the_platform_is_asked_to_come_again(
    open_platform: Open, settings_for: SettingsFor, database_url: str, desk: Desk
) -> None:
    """503 with Retry-After and nothing stored while the database is gone; liveness holds; 200 when it is back."""
    async with DatabaseProxy(database_url) as proxy:
        platform = await open_platform(settings_for(proxy.url))
        assert (await platform.post(BODY)).status == 200
        await proxy.cut()
        answer = await platform.post(BODY)
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert SECRET not in answer.text
        assert (await platform.request("GET", "/healthz")).status == 200
        assert (await platform.request("GET", "/readyz")).status == 503
        query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"}
        assert (await platform.request("GET", "/api/webhooks/WHATSAPP", params=query)).status == 200
        await proxy.mend()
        assert (await platform.post(BODY)).status == 200
    assert len(await desk.events()) == 2


async def test_a_malformed_body_is_acknowledged_and_kept(platform: Platform, desk: Desk) -> None:
    """Delivering it again would not help, so it is 200, FAILED, with the exact bytes."""
    assert (await platform.post(b"\xff{not json")).json == RECEIVED
    event = await desk.event()
    assert (event["status"], event["body"], event["payload_json"]) == ("FAILED", b"\xff{not json", None)
    assert event["error"]


async def test_many_senders_at_once_are_each_answered_after_their_commit(platform: Platform, desk: Desk) -> None:
    """Micro-batches lose and double nothing: as many events as answers of 200."""
    await desk.connect()
    sent = [bodies.messages(bodies.text_message(f"wamid.{number}", sender=str(number))) for number in range(300)]
    answers = await asyncio.gather(*(platform.post(body) for body in sent))
    assert {answer.status for answer in answers} == {200}
    stored = [json.loads(event["payload_json"]) for event in await desk.events()]
    assert len(stored) == 300
    await desk.process()
    assert {row["external_id"] for row in await desk.messages()} == {f"wamid.{number}" for number in range(300)}


async def test_webhooks_are_counted_by_answer(platform: Platform) -> None:
    """What was received and what was refused shows in the metrics."""

    async def counted(answer: str) -> float:
        text = (await platform.request("GET", "/metrics")).text
        name = f'hookline_webhooks_total{{answer="{answer}",provider="FACEBOOK"}} '
        return float(next(line.removeprefix(name) for line in text.splitlines() if line.startswith(name)))

    received, refused = await counted("received"), await counted("refused")
    await platform.post(BODY, "FACEBOOK")
    await platform.post(BODY, "FACEBOOK", secret="wrong")
    assert (await counted("received"), await counted("refused")) == (received + 1, refused + 1)


async def test_callbacks_below_a_provider_are_no_webhooks(platform: Platform, desk: Desk) -> None:
    """Only the provider's own path takes webhooks."""
    bearer = {"Authorization": f"Bearer {token(JWT_SECRET, {'org-1': 'OWNER'})}"}
    answer = await platform.request("POST", "/api/webhooks/WHATSAPP/elsewhere", data=BODY, headers=bearer)
    assert answer.status in (404, 405)
    assert await desk.events() == []
