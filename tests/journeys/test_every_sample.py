"""Every shared webhook sample, posted to a real API and processed by a real worker: nothing raises, nothing is lost.

The counting here is naive on purpose, over plain JSON, and shares nothing with the parsers.
"""

import asyncio
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import JWT_SECRET
from tests.journeys.processes import program
from tests.services.desk import Desk, result_of
from tests.web.tokens import token

from hookline.providers.meta.signature import sign

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "payloads"
PATHS = {"whatsapp_business_account": "WHATSAPP", "instagram": "INSTAGRAM", "page": "FACEBOOK"}
STATUSES = ("sent", "delivered", "read", "played", "failed")
NO_STATUS = ("is not known", "a legacy status", "the progress of a call")
SECRET = "the secret of the samples"
ORGANIZATION = "org-samples"


def samples() -> dict[str, Any]:
    """The samples that are webhooks, by name."""
    found = {str(path.relative_to(FOLDER)): json.loads(path.read_text()) for path in sorted(FOLDER.rglob("*.json"))}
    return {name: post for name, post in found.items() if isinstance(post, dict) and {"object", "entry"} <= post.keys()}


def whatsapp_changes(post: Any) -> list[tuple[str, Any]]:
    """A post's changes, each with the name of the account that it is about."""
    found = []
    for entry in post["entry"]:
        for change in entry["changes"]:
            value = change["value"]
            phone = value.get("metadata", {}).get("phone_number_id")
            waba = value.get("waba_info", {}).get("waba_id") or entry["id"]
            found.append((str(phone) if phone else f"line of {waba}", change | {"entry": str(entry["id"])}))
    return found


def accounts(posts: list[Any]) -> dict[tuple[str, str], dict[str, str]]:
    """An account for every address that occurs: (provider, id) → metadata."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for post in posts:
        provider = PATHS.get(post["object"])
        if provider == "WHATSAPP":
            for name, change in whatsapp_changes(post):
                found[provider, name] = {"wabaId": name.removeprefix("line of ")} if name.startswith("line of ") else {}
                found.setdefault((provider, f"line of {change['entry']}"), {"wabaId": change["entry"]})
        elif provider:
            found |= {(provider, str(entry["id"])): {} for entry in post["entry"]}
    return {key: metadata for key, metadata in found.items() if key[1] not in ("0", "line of 0")}


def whatsapp_messages(value: Any) -> list[str]:
    """The ids of what people and the business said, calls included."""
    said = list(value.get("messages", [])) + list(value.get("message_echoes", [])) + list(value.get("calls", []))
    for chunk in value.get("history", []):
        for thread in chunk.get("threads", []):
            said += thread["messages"]
    return [one["id"] for one in said if one.get("type") not in ("edit", "revoke")]


def entry_messages(entry: Any) -> list[str]:
    """The ids of messages, postbacks, reactions and new comments of a page's or Instagram account's entry."""
    found = []
    for item in entry.get("messaging", []) + entry.get("standby", []):
        if "message" in item and not item["message"].get("is_deleted"):
            found.append(item["message"]["mid"])
        if "postback" in item:
            found.append(item["postback"].get("mid") or json.dumps(item, sort_keys=True))
        if "reaction" in item:
            found.append(json.dumps([item["sender"], item.get("timestamp"), item["reaction"]], sort_keys=True))
    for change in [*entry.get("changes", []), entry]:
        value = change.get("value", {})
        if change.get("field") in ("comments", "live_comments"):
            found.append(value.get("id") or value["comment_id"])
        if change.get("field") == "feed" and value["item"] == "comment" and value["verb"] == "add":
            found.append(value["comment_id"])
    return found


def expected(posts: list[Any]) -> tuple[dict[tuple[str, str], set[str]], int]:
    """The distinct message ids of each account, and the number of statuses."""
    messages: dict[tuple[str, str], set[str]] = defaultdict(set)
    statuses = 0
    for post in posts:
        provider = PATHS.get(post["object"])
        if provider == "WHATSAPP":
            for name, change in whatsapp_changes(post):
                if change["entry"] == "0":
                    continue
                messages[provider, name].update(whatsapp_messages(change["value"]))
                for status in change["value"].get("statuses", []):
                    statuses += status["status"] in STATUSES and status.get("type") != "call"
        elif provider:
            for entry in post["entry"]:
                if str(entry["id"]) == "0":
                    continue
                messages[provider, str(entry["id"])].update(entry_messages(entry))
                for item in entry.get("messaging", []):
                    statuses += len(item.get("delivery", {}).get("mids", [])) + ("mid" in item.get("read", {}))
    return {account: found for account, found in messages.items() if found}, statuses


# Who people are, and the files that they sent, cannot be asked for here: no platform is there.
_AT_WORK = """
SELECT count(*) FROM integration_jobs WHERE status IN ('PENDING', 'PROCESSING') AND job_type = 'PROCESS_WEBHOOK'
"""


async def processed(desk: Desk) -> None:
    """Wait until no webhook waits any more."""
    deadline = time.monotonic() + 60
    while await desk.pool.fetchval(
        "SELECT count(*) FROM webhook_events WHERE status = 'PENDING'"
    ) + await desk.pool.fetchval(_AT_WORK):
        assert time.monotonic() < deadline, [
            (event["event_type"], event["external_account_id"], event["error"])
            for event in await desk.events()
            if event["status"] == "PENDING"
        ]
        await asyncio.sleep(0.05)


async def listed(session: aiohttp.ClientSession, url: str) -> list[Any]:
    """All messages as the API lists them."""
    headers = {
        "Authorization": f"Bearer {token(JWT_SECRET, {ORGANIZATION: 'MEMBER'})}",
        "X-Organization-Id": ORGANIZATION,
    }
    found: list[Any] = []
    cursor = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        async with session.get(f"{url}/api/messages", headers=headers, params=query) as answer:
            page = await answer.json()
        found += page["items"]
        if (cursor := page.get("nextCursor")) is None:
            return found


async def test_every_sample_ends_processed_and_counted(database_url: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """Each sample is answered 200, each event ends PROCESSED with outcomes, and no message or status is missing."""
    if not FOLDER.is_dir():
        pytest.skip("the shared payload samples are not here")
    posts = samples()
    desk = Desk(pool)
    for (provider, external_id), metadata in accounts(list(posts.values())).items():
        await desk.connect(external_id, ORGANIZATION, provider, **metadata)
    settings = {
        "DATABASE_URL": database_url,
        "JWT_SECRET": JWT_SECRET,
        "META_APP_SECRETS": SECRET,
        "META_VERIFY_TOKEN": "x",
        "ALLOW_UNSIGNED_WEBHOOKS": "false",
        "DATA_DIR": str(tmp_path / "data"),
    }
    with (
        program(["api", "--port", "0"], tmp_path / "api", settings, ready_fd=True) as api,
        program(["worker"], tmp_path / "worker", settings, ready_fd=True) as worker,
    ):
        url = f"http://127.0.0.1:{api.ready()}"
        worker.ready()
        async with aiohttp.ClientSession() as session:
            for name, post in posts.items():
                path = PATHS.get(post["object"], "FACEBOOK")
                body = (FOLDER / name).read_bytes()
                headers = {"X-Hub-Signature-256": sign(body, SECRET)}
                async with session.post(f"{url}/api/webhooks/{path}", data=body, headers=headers) as answer:
                    assert (answer.status, await answer.json()) == (200, {"status": "received"}), name
            await processed(desk)
            shown = await listed(session, url)
        assert worker.stop() == 0
        assert api.stop() == 0
        for log in (api.err, worker.err):
            assert SECRET not in log
            assert JWT_SECRET not in log
    await _compare(desk, list(posts.values()), shown)


async def _compare(desk: Desk, posts: list[Any], shown: list[Any]) -> None:
    events = await desk.events()
    assert {event["status"] for event in events} == {"PROCESSED"}
    results = [result for event in events for result in result_of(event)]
    assert all(result_of(event) for event in events)
    assert {result["outcome"] for result in results} <= {"applied", "duplicate", "held", "ignored", "unsupported"}
    messages, statuses = expected(posts)
    rows = await desk.rows(
        "SELECT a.provider, a.external_account_id, count(*) AS messages FROM messages m "
        "JOIN connected_accounts a ON a.id = m.connected_account_id GROUP BY 1, 2"
    )
    found = {(row["provider"], row["external_account_id"]): row["messages"] for row in rows}
    assert found == {account: len(said) for account, said in messages.items()}
    assert len(shown) == len({message["id"] for message in shown}) == sum(found.values())
    told = [one for one in results if one["kind"] == "status" and not one.get("reason", "").endswith(NO_STATUS)]
    assert len(told) == statuses
