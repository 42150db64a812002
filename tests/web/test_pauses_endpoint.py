"""Pause and resume over HTTP, and by command: jobs wait, nothing is lost, and only managers of the organization may."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.conftest import SettingsFor
from tests.journeys.processes import run
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.bootstrap import WorkerContext
from hookline.domain.ids import new_id
from hookline.domain.principal import Role
from hookline.providers import PROVIDERS
from hookline.services.jobs import IntegrationJobs
from hookline.services.upkeep import keep_up
from hookline.store.jobs import Job
from hookline.worker import Worker


class Queue:
    """A worker, and what it has run."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.ran: list[Any] = []

    async def add(self, payload: Any, **options: Any) -> Job:
        """Enqueue a job of org-1."""
        options = {"organization_id": "org-1"} | options
        async with IntegrationJobs(self.context.pool) as jobs:
            return await jobs.enqueue("TEST", "WHATSAPP", payload, **options)

    async def drain(self) -> list[Any]:
        """Look after the queue, and run what is due; the payloads of that."""

        async def note(job: Job) -> None:
            self.ran.append(job.payload)

        self.ran.clear()
        while await keep_up(self.context.pool, unowned_for=self.context.unowned_for):
            pass
        await Worker(self.context, {"TEST": note}).drain()
        return sorted(self.ran)


@pytest.fixture
def queue(pool: asyncpg.Pool, database_url: str, settings_for: SettingsFor) -> Queue:
    return Queue(WorkerContext(settings_for(database_url), PROVIDERS, pool))


async def test_a_paused_organization_s_jobs_wait(api: Client, queue: Queue) -> None:
    """What was there and what comes waits, of all accounts; others go on; resumed, all of it runs."""
    await queue.add("before")
    answer = await api.of("org-1", Role.MANAGER).post("/api/jobs/pause")
    assert (answer.status, answer.json) == (200, {"connectedAccountId": None, "paused": True, "putAside": 0})
    await queue.add("after")
    await queue.add("theirs", organization_id="org-2")
    assert await queue.drain() == ["theirs"]
    assert (await api.post("/api/jobs/pause")).json["putAside"] == 2
    answer = await api.post("/api/jobs/resume")
    assert (answer.status, answer.json) == (200, {"connectedAccountId": None, "paused": False, "putAside": 2})
    assert await queue.drain() == ["after", "before"]


async def test_a_paused_account_s_jobs_wait(api: Client, rows: Rows, queue: Queue) -> None:
    """Only the account's own jobs wait; the organization's pause and the account's end each by itself."""
    account = await rows.account()
    await queue.add("the account's", connected_account_id=account)
    await queue.add("another's", connected_account_id=new_id())
    await queue.add("nobody's")
    answer = await api.post(f"/api/integrations/{account}/pause")
    assert (answer.status, answer.json["connectedAccountId"], answer.json["paused"]) == (200, str(account), True)
    assert await queue.drain() == ["another's", "nobody's"]
    await api.post("/api/jobs/pause")
    await api.post("/api/jobs/resume")
    assert await queue.drain() == []
    assert (await api.post(f"/api/integrations/{account}/resume")).json["paused"] is False
    assert await queue.drain() == ["the account's"]


async def test_pauses_are_listed_to_members(api: Client, rows: Rows) -> None:
    """What is paused is listed with its time, the whole organization first; what is resumed is not, nor others'."""
    account = await rows.account()
    member = api.of("org-1", Role.MEMBER)
    assert (await member.get("/api/jobs/pauses")).json == []
    for path in (f"/api/integrations/{account}/pause", "/api/jobs/pause", "/api/jobs/pause"):
        await api.post(path)
    await api.of("org-2").post("/api/jobs/pause")
    listed = (await member.get("/api/jobs/pauses")).json
    assert [one["connectedAccountId"] for one in listed] == [None, str(account)]
    assert all(one["pausedAt"].endswith("Z") for one in listed)
    await api.post("/api/jobs/resume")
    assert [one["connectedAccountId"] for one in (await member.get("/api/jobs/pauses")).json] == [str(account)]


async def test_members_and_strangers_pause_nothing(api: Client, rows: Rows, queue: Queue) -> None:
    """Pausing needs a manager, and an account of the caller's own organization."""
    theirs, ours = await rows.account("org-2"), await rows.account(external_id="phone-2")
    for path in ("/api/jobs/pause", f"/api/integrations/{ours}/pause", "/api/jobs/resume"):
        answer = await api.of("org-1", Role.MEMBER).post(path)
        assert (answer.status, answer.problem) == (403, "forbidden")
    for name in (theirs, new_id(), "x", "%00"):
        for verb in ("pause", "resume"):
            answer = await api.post(f"/api/integrations/{name}/{verb}")
            assert (answer.status, answer.problem) == (404, "not-found"), name
    await queue.add("theirs", organization_id="org-2", connected_account_id=theirs)
    assert await queue.drain() == ["theirs"]


async def test_resuming_what_is_not_paused_changes_nothing(api: Client, queue: Queue) -> None:
    """It is answered as if it had been."""
    await queue.add("one")
    assert (await api.post("/api/jobs/resume")).json == {"connectedAccountId": None, "paused": False, "putAside": 0}
    assert await queue.drain() == ["one"]


async def test_operators_pause_by_command(api: Client, rows: Rows, database_url: str, tmp_path: Path) -> None:
    """`hookline pause` and `resume` do the same; an organization or account that is not there is one line, code 2."""
    account = await rows.account()
    settings = {"DATABASE_URL": database_url}

    async def command(*arguments: str) -> Any:
        return await asyncio.to_thread(run, arguments, tmp_path, settings)

    done = await command("pause", "--org", "org-1", "--account", str(account), "--json")
    assert json.loads(done.stdout) == {
        "organizationId": "org-1",
        "connectedAccountId": str(account),
        "paused": True,
        "putAside": 0,
    }
    assert (await command("pause", "--org", "org-1")).stdout == "all jobs of org-1: paused; 0 were put aside\n"
    assert len((await api.get("/api/jobs/pauses")).json) == 2
    for _ in range(2):
        assert (await command("resume", "--org", "org-1")).returncode == 0
    assert len((await api.get("/api/jobs/pauses")).json) == 1
    nobody = await command("pause", "--org", "", "--account", str(account))
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert nobody.stderr.endswith("error: argument --org: must not be empty\n")
    for wrong in (["--org", "org-3"], ["--org", "org-1", "--account", "x"]):
        done = await command("pause", *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
