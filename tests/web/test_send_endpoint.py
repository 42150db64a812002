"""POST /api/messages: what is taken, what is refused and with which name, and that nothing is taken twice."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.web.conftest import Answer, Client, OpenApi
from tests.web.rows import Rows

from hookline.domain.ids import new_id
from hookline.domain.principal import Role
from hookline.web import models

TO = "+1 650 555 1234"
CONTACT = "16505551234"


class Desk:
    """An account, and somebody who wrote to it."""

    def __init__(self, api: Client, rows: Rows, account: UUID) -> None:
        self.api, self.rows, self.account = api, rows, account

    async def send(self, content: dict[str, Any] | None = None, *, key: str | None = None, **more: Any) -> Answer:
        """Send a text, or whatever is given."""
        body = {"accountId": str(self.account), "to": TO, **(content or {"type": "text", "text": "Hello"}), **more}
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.api.request("POST", "/api/messages", json=body, headers=await self._headers() | headers)

    async def _headers(self) -> dict[str, str]:
        from tests.conftest import JWT_SECRET
        from tests.web.tokens import token

        organization = self.api.organization or ""
        return {
            "Authorization": f"Bearer {token(JWT_SECRET, {organization: self.api.role})}",
            "X-Organization-Id": organization,
        }

    async def count(self, table: str) -> int:
        """How many rows there are."""
        found: int = await self.rows.connection.fetchval(f"SELECT count(*) FROM {table}")
        return found


@pytest.fixture
async def desk(api: Client, rows: Rows) -> Desk:
    """A WhatsApp number that somebody wrote to just now."""
    account = await rows.account(metadata='{"displayPhoneNumber": "15550783881"}')
    await rows.conversation(connected_account_id=account, contact=CONTACT)
    return Desk(api, rows, account)


async def test_a_message_is_queued_with_its_job(desk: Desk, owner: asyncpg.Connection) -> None:
    """202 with the message; the job names it and keeps its order; the feed tells it; the conversation shows it."""
    answer = await desk.send(previewUrl=True)
    assert answer.status == 202
    message = answer.json
    assert (message["status"], message["direction"], message["origin"]) == ("QUEUED", "OUTBOUND", "api")
    assert (message["from"], message["to"], message["contact"]) == ("15550783881", CONTACT, CONTACT)
    assert (message["text"], message["type"], message["externalId"]) == ("Hello", "text", None)
    assert message["metaJson"]["request"]["previewUrl"] is True
    assert (await desk.api.get(f"/api/messages/{message['id']}")).json == message
    (job,) = await owner.fetch("SELECT * FROM integration_jobs")
    assert json.loads(job["payload_json"]) == {"messageId": message["id"], "type": "text"}
    assert (job["job_type"], job["status"]) == ("SEND_MESSAGE", "PENDING")
    assert job["ordering_key"] == f"out:{desk.account}:{CONTACT}"
    assert job["connected_account_id"] == desk.account
    facts = (await desk.api.get("/api/events")).json["items"]
    assert [(fact["type"], fact["data"]["message"]["id"]) for fact in facts] == [("message.queued", message["id"])]
    (conversation,) = (await desk.api.get("/api/conversations")).json["items"]
    assert conversation["lastMessage"]["id"] == message["id"]


async def test_a_member_may_send(desk: Desk) -> None:
    """Answering people is what members do."""
    desk.api = desk.api.of("org-1", Role.MEMBER)
    assert (await desk.send()).status == 202


async def test_an_account_of_others_is_not_there(desk: Desk) -> None:
    """Another organization's account cannot be sent from, and nothing says that it exists."""
    desk.api = desk.api.of("org-2")
    answer = await desk.send()
    assert (answer.status, answer.problem) == (404, "not-found")
    assert await desk.count("messages") == 0


@pytest.mark.parametrize(
    ("content", "slug", "location"),
    [
        ({"type": "fax"}, "invalid", "body.type"),
        ({"type": "text"}, "invalid", "body"),
        ({"type": "text", "text": "x" * 4097}, "not-supported", "body.text"),
        ({"type": "image", "image": {"url": "https://x.org/a.gif"}}, "not-supported", "body.image"),
        ({"type": "text", "text": "a", "tag": "HUMAN_AGENT"}, "not-supported", "body.tag"),
        ({"type": "raw", "raw": {"type": "text"}}, "invalid", "body.raw"),
        ({"type": "text", "text": "a", "to": "nobody"}, "invalid", "body.to"),
        ({"type": "text", "text": "a", "replyTo": str(new_id())}, "invalid", "body.replyTo"),
        ({"type": "reaction", "reaction": {"messageId": str(new_id()), "emoji": "x"}}, "invalid", "body.reaction"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    desk: Desk, content: dict[str, Any], slug: str, location: str
) -> None:
    """422, before anything is stored, with the place; what the platform cannot carry, by the capability's name."""
    answer = await desk.send(content)
    assert (answer.status, answer.problem) == (422, slug)
    assert answer.json["errors"][0]["location"].startswith(location)
    if slug == "not-supported":
        known = (await desk.api.get("/api/capabilities")).json["WHATSAPP"]["capabilities"]
        assert answer.json["capability"] in {*known, "tag.HUMAN_AGENT"}
    assert await desk.count("messages") == await desk.count("integration_jobs") == await desk.count("outbox") == 0


@pytest.mark.parametrize("body", [b"", b"[]", b'{"accountId": 1', b'"x"', b"\xff"])
async def test_what_is_no_object_is_refused(desk: Desk, body: bytes) -> None:
    """422, whatever it is."""
    answer = await desk.api.request("POST", "/api/messages", data=body, headers=await desk._headers())
    assert (answer.status, answer.problem) == (422, "invalid")


async def test_ten_megabytes_are_too_much(desk: Desk) -> None:
    """413 instead of a job."""
    answer = await desk.send({"type": "text", "text": "x" * 10_000_000})
    assert (answer.status, answer.problem) == (413, "too-large")


@pytest.mark.parametrize(
    ("status", "last_error", "words"),
    [("ERROR", "the password was changed", "password"), ("DISCONNECTED", None, "connect it again")],
)
async def test_an_account_that_cannot_send_says_why(
    desk: Desk, owner: asyncpg.Connection, status: str, last_error: str | None, words: str
) -> None:
    """Its own slug, its status, and what to do."""
    await owner.execute("UPDATE connected_accounts SET status = $1, last_error = $2", status, last_error)
    answer = await desk.send()
    assert (answer.status, answer.problem) == (422, "account-not-ready")
    assert answer.json["accountStatus"] == status
    assert words in answer.json["detail"]


async def test_outside_the_window_whatsapp_allows_templates(desk: Desk, owner: asyncpg.Connection) -> None:
    """The refusal names the window's end and what may be sent instead; that may be."""
    ended = datetime.now(UTC) - timedelta(hours=2)
    await owner.execute("UPDATE conversations SET window_until = $1", ended)
    answer = await desk.send()
    assert (answer.status, answer.problem) == (422, "window-closed")
    assert datetime.fromisoformat(answer.json["windowUntil"]) == ended
    assert answer.json["allowed"] == ["template"]
    assert "approved template" in answer.json["detail"]
    assert (await desk.send({"type": "template", "template": {"name": "hello", "language": "en"}})).status == 202
    assert (await desk.send({"type": "read", "read": {"messageId": "wamid.1"}})).status == 202
    reaction = {"type": "reaction", "reaction": {"messageId": "wamid.1", "emoji": "x"}}
    assert (await desk.send(reaction)).problem == "window-closed"


async def test_who_never_wrote_gets_templates_only(desk: Desk) -> None:
    """There is no window that could have ended."""
    answer = await desk.send(to="+1 650 555 9999")
    assert (answer.problem, answer.json["windowUntil"]) == ("window-closed", None)
    template = {"type": "template", "template": {"name": "hello", "language": "en"}}
    assert (await desk.send(template, to="+1 650 555 9999")).status == 202


async def test_a_contact_of_the_generic_envelope_is_found(desk: Desk) -> None:
    """The log has them with a plus sign; they are the same person."""
    await desk.rows.conversation(connected_account_id=desk.account, contact="+4917012345")
    answer = await desk.send(to="4917012345")
    assert (answer.status, answer.json["contact"]) == (202, "+4917012345")


async def test_marketing_does_not_reach_who_stopped_it(desk: Desk) -> None:
    """A template that says that it is marketing is refused; another is not."""
    await desk.rows.contact(
        connected_account_id=desk.account, external_id=CONTACT, marketing_opted_out_at=datetime.now(UTC)
    )
    template = {"name": "offer", "language": "en"}
    answer = await desk.send({"type": "template", "template": {**template, "marketing": {}}})
    assert (answer.status, answer.problem) == (422, "opted-out")
    assert answer.json["optedOutAt"]
    assert (await desk.send({"type": "template", "template": template})).status == 202


@pytest.mark.parametrize("provider", ["FACEBOOK", "INSTAGRAM"])
async def test_a_persons_late_answer_goes_with_the_tag(desk: Desk, provider: str) -> None:
    """Free for a day, with HUMAN_AGENT for seven, then not at all."""
    account = await desk.rows.account(provider=provider, external_id="page-1")
    now = datetime.now(UTC)
    for contact, hours in (("fresh", 1), ("late", 25), ("gone", 8 * 24)):
        written = now - timedelta(hours=hours)
        await desk.rows.conversation(
            connected_account_id=account,
            provider=provider,
            contact=contact,
            last_inbound_at=written,
            window_until=written + timedelta(hours=24),
        )
    desk.account = account
    text = {"type": "text", "text": "Hello"}
    tagged = text | {"tag": "HUMAN_AGENT"}
    assert [(await desk.send(content, to="fresh")).status for content in (text, tagged)] == [202, 202]
    refused = await desk.send(text, to="late")
    assert (refused.problem, refused.json["allowed"]) == ("window-closed", ["tag:HUMAN_AGENT"])
    assert (await desk.send(tagged, to="late")).status == 202
    refused = await desk.send(tagged, to="gone")
    assert (refused.problem, refused.json["allowed"]) == ("window-closed", [])


async def test_a_key_that_comes_again_is_the_same_message(desk: Desk, owner: asyncpg.Connection) -> None:
    """Same key and body: the same message, one job. Another body: 409. It holds whatever has changed since."""
    first = await desk.send(key="k-1")
    await owner.execute("UPDATE conversations SET window_until = now()")
    await owner.execute("UPDATE connected_accounts SET status = 'ERROR'")
    again = await desk.send(key="k-1")
    assert (first.status, again.status) == (202, 202)
    assert again.json["id"] == first.json["id"]
    other = await desk.send({"type": "text", "text": "Another"}, key="k-1")
    assert (other.status, other.problem) == (409, "idempotency-key-reused")
    assert await desk.count("messages") == await desk.count("integration_jobs") == 1


async def test_a_key_is_compared_by_what_it_says(desk: Desk) -> None:
    """The order of a body's members does not matter; what a status adds to the message does not either."""
    body = {"type": "text", "text": "Hello", "previewUrl": False}
    first = await desk.send(body, key="k-1")
    again = await desk.send(dict(reversed(body.items())), key="k-1")
    assert again.json["id"] == first.json["id"]


async def test_a_key_that_comes_twenty_times_at_once_is_one_message(desk: Desk) -> None:
    """Whoever is first, everybody gets the same; one job is made."""
    answers = await asyncio.gather(*(desk.send(key="k-1") for _ in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert await desk.count("messages") == await desk.count("integration_jobs") == 1


async def test_a_key_belongs_to_one_organization(desk: Desk) -> None:
    """The same key of another organization is another message."""
    await desk.send(key="k-1")
    account = await desk.rows.account("org-2", external_id="phone-2")
    await desk.rows.conversation("org-2", connected_account_id=account)
    other = Desk(desk.api.of("org-2"), desk.rows, account)
    assert (await other.send(key="k-1")).status == 202
    assert await desk.count("messages") == 2


@pytest.mark.parametrize("key", ["x" * 256, "\xe4"])
async def test_a_key_has_a_form(desk: Desk, key: str) -> None:
    """Printable ASCII, 255 characters at most."""
    answer = await desk.send(key=key)
    assert (answer.status, answer.problem) == (422, "invalid")


async def test_messages_are_named_by_our_id_too(desk: Desk) -> None:
    """A reply names the message that it answers as the API shows it; the platform is told its own id."""
    message = await desk.rows.message(connected_account_id=desk.account, external_id="wamid.1", contact=CONTACT)
    answer = await desk.send(replyTo=str(message))
    assert (answer.status, answer.json["replyTo"]) == (202, "wamid.1")
    reaction = {"type": "reaction", "reaction": {"messageId": str(message), "emoji": "👍"}}
    assert (await desk.send(reaction)).json["metaJson"]["request"]["reaction"]["messageId"] == "wamid.1"
    assert (await desk.send(replyTo="wamid.anything")).status == 202
    unsent = (await desk.send()).json["id"]
    assert (await desk.send(replyTo=unsent)).problem == "invalid"


async def test_marks_and_typing_stand_in_no_log(desk: Desk, owner: asyncpg.Connection) -> None:
    """They are answered by their job; without a message named, it is the person's latest."""
    await owner.execute("UPDATE conversations SET last_inbound_id = 'wamid.9'")
    answer = await desk.send({"type": "read"})
    assert (answer.status, answer.json["status"]) == (202, "QUEUED")
    await desk.send({"type": "typing"})
    assert await desk.count("messages") == 0
    read, typing = await owner.fetch("SELECT * FROM integration_jobs ORDER BY seq")
    assert str(read["id"]) == answer.json["jobId"]
    assert json.loads(read["payload_json"])["action"]["read"] == {"messageId": "wamid.9"}
    assert json.loads(typing["payload_json"])["action"]["typing"] == {"messageId": "wamid.9"}
    assert (read["ordering_key"], typing["ordering_key"]) == (None, f"out:{desk.account}:{CONTACT}")


async def test_what_was_tried_is_shown(desk: Desk, owner: asyncpg.Connection) -> None:
    """Each attempt with its outcome and the vendor's words; those of others are not there."""
    message = (await desk.send()).json["id"]
    assert (await desk.api.get(f"/api/messages/{message}/attempts")).json == {"items": [], "nextCursor": None}
    await owner.execute(
        "INSERT INTO send_attempts (organization_id, message_id, id, job_id, lease, outcome, error_code)"
        " VALUES ('org-1', $1, $1, $1, 1, 'refused', '131056')",
        UUID(message),
    )
    (attempt,) = (await desk.api.get(f"/api/messages/{message}/attempts")).json["items"]
    assert (attempt["outcome"], attempt["errorCode"]) == ("refused", "131056")
    models.Attempt.model_validate(attempt)
    assert (await desk.api.of("org-2").get(f"/api/messages/{message}/attempts")).status == 404


async def test_a_person_decides_what_nobody_knows(desk: Desk, owner: asyncpg.Connection) -> None:
    """Only about an UNKNOWN message; the feed tells what was decided."""
    message = (await desk.send()).json["id"]
    path = f"/api/messages/{message}/resolve"
    refused = await desk.api.post(path, {"decision": "failed"})
    assert (refused.status, refused.problem) == (409, "conflict")
    for decision, status in (("resend", "QUEUED"), ("failed", "FAILED")):
        await owner.execute("UPDATE messages SET status = 'UNKNOWN'")
        answer = await desk.api.post(path, {"decision": decision})
        assert (answer.status, answer.json["status"]) == (200, status)
    facts = (await desk.api.get("/api/events?type=message.status")).json["items"]
    assert [fact["data"]["status"] for fact in facts] == ["QUEUED", "FAILED"]
    assert (await desk.api.post(path, {"decision": "maybe"})).status == 422
    assert (await desk.api.of("org-2").post(path, {"decision": "failed"})).status == 404
    assert (await desk.api.post("/api/messages/x/resolve", {"decision": "failed"})).status == 404


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a.png", "http://169.254.169.254/latest", "https://db.internal/a.png"]
)
async def test_production_takes_no_link_that_leads_inside(
    desk: Desk,
    open_api: OpenApi,
    settings_for: SettingsFor,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
) -> None:
    """No platform could fetch it: 422 at once, with the place; development allows this machine."""
    content = {"type": "image", "image": {"url": url}}
    assert (await desk.send(content)).status == 202
    for name in ("META_APP_SECRETS", "META_VERIFY_TOKEN", "INSTAGRAM_APP_SECRETS"):
        monkeypatch.setenv(f"HOOKLINE_{name}", "a-secret-of-the-test-that-is-long")
    desk.api = await open_api(settings_for(database_url, environment="production"))
    refused = await desk.send(content)
    assert (refused.status, refused.json["errors"][0]["location"]) == (422, "body.image.url")
    assert await desk.count("messages") == 1
