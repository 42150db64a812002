"""What customers write, and what is secret, stands in no log and in no error, whatever fails."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import JWT_SECRET
from tests.journeys.processes import program
from tests.services import bodies
from tests.services.desk import Desk
from tests.web.tokens import token

from hookline.domain.account import IntegrationProvider
from hookline.providers import PROVIDERS
from hookline.providers.meta.signature import sign

TEXT = "a very private matter"
APP_SECRET, VERIFY_TOKEN = "app-secret-of-the-test", "verify-token-of-the-test"


class Talkative:
    """A parser whose mistake quotes everything that it has read."""

    def __init__(self, failure: type[Exception]) -> None:
        self._failure = failure

    def parse(self, payload: str) -> Any:
        raise self._failure(payload)


@pytest.mark.parametrize("failure", [ValueError, RuntimeError, KeyError, UnicodeError])
async def test_a_failing_parser_quotes_nothing(
    desk: Desk, failure: type[Exception], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Job and event say what failed and where, and not what was written."""
    await desk.connect()
    await desk.post(bodies.messages(bodies.text_message("wamid.1", TEXT)))
    desk.providers = {**PROVIDERS, IntegrationProvider.WHATSAPP: Talkative(failure)}  # type: ignore[dict-item]
    await desk.process()
    (job,), event = await desk.jobs(), await desk.event()
    assert failure.__name__ in job["last_error"]
    assert job["last_error"] == event["error"]
    captured = capfd.readouterr()
    for place in (job["last_error"], event["error"], caplog.text, captured.out, captured.err):
        assert TEXT not in place


async def _break_messages(connection: asyncpg.Connection) -> None:
    """Let the database refuse every message, and name what it refused."""
    await connection.execute("ALTER TABLE messages ADD CONSTRAINT no_private_matters CHECK (text NOT LIKE '%private%')")


async def test_real_processes_tell_neither_texts_nor_secrets(
    database_url: str, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    """API and worker under trouble: refused signatures, malformed bodies, a database that refuses, at level DEBUG."""
    desk = Desk(pool)
    account = await desk.connect()
    await _break_messages(await asyncpg.connect(database_url))
    bearer = token(JWT_SECRET, {"org-1": "OWNER"})
    settings = {
        "DATABASE_URL": database_url,
        "JWT_SECRET": JWT_SECRET,
        "META_APP_SECRETS": APP_SECRET,
        "META_VERIFY_TOKEN": VERIFY_TOKEN,
        "LOG_LEVEL": "DEBUG",
        "DATA_DIR": str(tmp_path / "data"),
    }
    body = bodies.messages(bodies.text_message("wamid.1", TEXT, sender="491700000000"))
    answers = []
    with (
        program(["api", "--port", "0"], tmp_path / "api", settings, ready_fd=True) as api,
        program(["worker"], tmp_path / "worker", settings, ready_fd=True) as worker,
    ):
        url = f"http://127.0.0.1:{api.ready()}"
        worker.ready()
        async with aiohttp.ClientSession() as session:
            path = f"{url}/api/webhooks/WHATSAPP"
            for data, signature in (
                (body, sign(body, APP_SECRET)),
                (body, sign(body, "wrong")),
                (b'{"private": "' + TEXT.encode(), sign(b'{"private": "' + TEXT.encode(), APP_SECRET)),
            ):
                async with session.post(path, data=data, headers={"X-Hub-Signature-256": signature}) as answer:
                    answers.append(await answer.text())
            async with session.get(path, params={"hub.mode": "subscribe", "hub.verify_token": TEXT}) as answer:
                answers.append(await answer.text())
            headers = {"Authorization": f"Bearer {bearer}x", "X-Organization-Id": "org-1"}
            async with session.get(f"{url}/api/messages", headers=headers) as answer:
                answers.append(await answer.text())
        deadline = time.monotonic() + 20
        while not (jobs := await desk.jobs()) or jobs[0]["last_error"] is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert worker.stop() == 0
        assert api.stop() == 0
        told = [api.err, api.out, worker.err, worker.out, *answers]
    told += [str(event["error"]) for event in await desk.events()]
    told += [str(job["last_error"]) for job in await desk.jobs()]
    for hidden in (TEXT, APP_SECRET, VERIFY_TOKEN, JWT_SECRET, bearer, sign(body, APP_SECRET)[7:], "throwaway"):
        for place in told:
            assert hidden not in place, place
    assert "CheckViolationError" in (await desk.jobs())[0]["last_error"]
    assert json.loads(account.metadata) == {}
