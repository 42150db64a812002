"""Several API and worker processes: one port, restarts in turn, deaths, and two machines' worth around one database."""

import asyncio
import os
import random
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import pytest
from tests.journeys.load import Load, compare, wait_until_processed
from tests.journeys.processes import Program, arguments_of, children_of, listens, lives, program, until
from tests.servers import free_port

from hookline.domain.account import IntegrationProvider
from hookline.providers import PROVIDERS
from hookline.services.connect import connect

SECRET = "the app's secret"


def settings_of(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Settings under which only signed webhooks are taken."""
    return {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "META_APP_SECRETS": SECRET,
        "ALLOW_UNSIGNED_WEBHOOKS": "false",
    }


def children(running: Program, kind: str) -> list[int]:
    """The processes of one kind that a parent has now."""
    return [pid for pid in children_of(running.process.pid) if kind in arguments_of(pid) and lives(pid)]


def metric(port: int, sample: str) -> float:
    """One sample of /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(sample)), "nan"))


@contextmanager
def sending(load: Load) -> Iterator["asyncio.Task[None]"]:
    """Post for the length of a block."""
    task = asyncio.create_task(load.run())
    try:
        yield task
    finally:
        load.stop()
        task.cancel()


async def phone_connected(pool: asyncpg.Pool, seed: int) -> str:
    """Connect a number of the test's own."""
    await connect(pool, PROVIDERS[IntegrationProvider.WHATSAPP], "org-1", f"phone-{seed}")
    return f"phone-{seed}"


async def restarted(running: Program, kind: str) -> None:
    """Have the children restarted in turn, and wait until that is done."""
    before = children(running, kind)
    rounds = running.err.count("all processes are restarted")
    running.signal(signal.SIGHUP)
    holds = lambda: running.err.count("all processes are restarted") > rounds  # noqa: E731
    await asyncio.to_thread(until, holds, "all are restarted")
    now = children(running, kind)
    assert len(now) == len(before)
    assert not set(before) & set(now)


async def test_rolling_restarts_lose_and_double_nothing(database_url: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """While signed webhooks keep coming, every API process and every worker is restarted, one after another, twice.

    Each webhook is in the log and in the feed once, in order. A connection that a process closes as it ends is all that
    a sender sees of it; what it had on its way there it posts again.
    """
    seed, port = random.randrange(10**6), free_port()
    phone, settings = await phone_connected(pool, seed), settings_of(database_url, tmp_path)
    apis, workers = ["api", "--workers", "2", "--port", str(port)], ["worker", "--processes", "2"]
    with (
        program(apis, tmp_path / "api", settings, ready_fd=True) as api,
        program(workers, tmp_path / "worker", settings, ready_fd=True) as worker,
    ):
        assert api.ready() == str(port)
        worker.ready()
        url = f"http://127.0.0.1:{port}/api/webhooks/WHATSAPP"
        load = Load(url, phone=phone, seed=seed, secret=SECRET, redelivers=True)
        with sending(load) as task:
            for _ in range(2):
                await load.goes_on()
                await restarted(api, "api")
                await load.goes_on()
                await restarted(worker, "worker")
            await load.goes_on()
            load.stop()
            await task
        await wait_until_processed(pool)
        await compare(pool, load, phone)
        assert load.refused < len(load.acknowledged) / 20
        assert len(load.acknowledged) == await pool.fetchval("SELECT count(*) FROM messages")
        counted = metric(port, 'hookline_webhooks_total{answer="received",provider="WHATSAPP"}')
        assert counted >= len(load.acknowledged), "the counts of processes that ended are kept"
        assert (api.stop(), worker.stop()) == (0, 0)
        assert "Traceback" not in api.err + worker.err


async def test_two_machines_share_nothing_but_the_database(
    database_url: str, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    """Two groups of processes with nothing in common work side by side; when one dies as a whole, in the middle, the
    other goes on with what it left, and nothing is lost or doubled.
    """
    seed = random.randrange(10**6)
    phone = await phone_connected(pool, seed)
    with ExitStack() as stack:
        machines: list[list[Program]] = []
        urls: list[str] = []
        for name in ("one", "two"):
            port, settings = free_port(), settings_of(database_url, tmp_path / name)
            apis, workers = ["api", "--workers", "2", "--port", str(port)], ["worker", "--processes", "2"]
            machines.append(
                [
                    stack.enter_context(program(apis, tmp_path / name / "api", settings, ready_fd=True)),
                    stack.enter_context(program(workers, tmp_path / name / "worker", settings, ready_fd=True)),
                ]
            )
            urls.append(f"http://127.0.0.1:{port}/api/webhooks/WHATSAPP")
        for running in [*machines[0], *machines[1]]:
            await asyncio.to_thread(running.ready)
        load = Load(*urls, phone=phone, seed=seed, secret=SECRET)
        with sending(load) as task:
            await load.goes_on(100)
            for running in machines[0]:
                os.killpg(running.process.pid, signal.SIGKILL)
            await load.goes_on(100)
            load.stop()
            await task
        assert load.refused, "one of the machines has gone"
        await wait_until_processed(pool)
        await compare(pool, load, phone)
        assert [running.stop() for running in machines[1]] == [0, 0]


def test_a_killed_process_is_started_again_and_the_port_stays_open(database_url: str, tmp_path: Path) -> None:
    """One of two API processes dies: the port answers all the while, and soon there are two again."""
    port, settings = free_port(), settings_of(database_url, tmp_path)
    with program(["api", "--workers", "2", "--port", str(port)], tmp_path, settings, ready_fd=True) as running:
        running.ready()
        before = children(running, "api")
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        for _ in range(20):
            assert listens(port)
        until(lambda: len(children(running, "api")) == 2 and before[0] not in children(running, "api"), "two again")
        assert before[1] in children(running, "api")
        assert running.stop() == 0


@pytest.mark.parametrize("kind", ["api", "worker"])
def test_a_dead_parent_ends_its_processes(database_url: str, tmp_path: Path, kind: str) -> None:
    """After kill -9 of the parent the children end by themselves, and nothing keeps the port."""
    port, settings = free_port(), settings_of(database_url, tmp_path)
    arguments = ["api", "--workers", "2", "--port", str(port)] if kind == "api" else ["worker", "--processes", "2"]
    with program(arguments, tmp_path, settings, ready_fd=True) as running:
        running.ready()
        pids = children(running, kind)
        assert len(pids) == 2
        running.kill()
        until(lambda: not any(lives(pid) for pid in pids), "the children have ended", 30)
        assert not listens(port)


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_workers_answer_prometheus_where_they_are_told(
    database_url: str, pool: asyncpg.Pool, tmp_path: Path, processes: str
) -> None:
    """One worker or several count on one port, each process's old rows among them."""
    port = free_port()
    arguments = ["worker", "--processes", processes, "--metrics-port", str(port)]
    await pool.execute(
        "INSERT INTO integration_jobs (id, organization_id, provider, job_type, payload_json, status, lane, updated_at)"
        " VALUES (id_of_moment(gen_random_uuid(), now() - interval '9 days'), 'o', 'WHATSAPP', 'T', '{}', 'DONE', 64,"
        " now() - interval '9 days')"
    )
    with program(arguments, tmp_path, settings_of(database_url, tmp_path), ready_fd=True) as running:
        await asyncio.to_thread(running.ready)
        sample = 'hookline_pruned_rows_total{table="integration_jobs"}'
        await asyncio.to_thread(until, lambda: metric(port, sample) == 1, "the pruned row is counted")
        assert await asyncio.to_thread(running.stop) == 0
    with socket.create_server(("127.0.0.1", port)), program(arguments, tmp_path, {"DATA_DIR": "d"}) as refused:
        assert refused.wait() == 2
        assert f"cannot listen on 127.0.0.1:{port} for metrics" in refused.err


def test_what_cannot_start_is_said_once_and_ends_with_2(database_url: str, tmp_path: Path) -> None:
    """Children that cannot start, for a reason that a person can mend, end the parent too."""
    settings = settings_of(database_url, tmp_path) | {"DATABASE_URL": f"postgresql://x@127.0.0.1:{free_port()}/x"}
    with program(["worker", "--processes", "2"], tmp_path, settings) as running:
        assert running.wait() == 2
        assert "cannot be reached" in running.err
        assert "Traceback" not in running.err


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", "257", "99999999999999999999", "²"])
@pytest.mark.parametrize("option", ["api --workers", "worker --processes"])
def test_a_number_of_processes_that_does_not_fit_is_refused(tmp_path: Path, option: str, number: str) -> None:
    """The option says what it takes, and nothing is started."""
    with program([*option.split(), number], tmp_path, {}) as running:
        assert running.wait() == 2
        assert "must be a whole number from 1 to 256" in running.err
