"""Errors over HTTP: problem details (RFC 9457), whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from structlog.testing import CapturingLogger
from tests.conftest import SettingsFor
from tests.web.conftest import Client, OpenApi

from hookline.domain.errors import RequestError, Unavailable
from hookline.web import app, integrations
from hookline.web.app import STATUS


async def test_no_such_route(api: Client) -> None:
    """A path that is none of ours is a 404 problem, with or without a token."""
    for path in ("/", "/api", "/api/integrations/", "/api/nothing", "/%00", "/api//messages"):
        answer = await api.get(path, headers={})
        assert (answer.status, answer.problem) == (404, "not-found"), path


async def test_no_such_method(api: Client) -> None:
    """A method that a path does not know is a 405 problem which names those it knows."""
    answer = await api.request("PATCH", "/api/integrations")
    assert (answer.status, answer.problem, answer.headers["Allow"]) == (405, "method-not-allowed", "GET")


async def test_a_problem_has_the_members_of_the_standard(api: Client) -> None:
    """A problem has type, title, status and detail; its type is stable."""
    answer = await api.get("/api/jobs/x")
    assert answer.json == {
        "type": "urn:hookline:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such job in this organization",
    }


async def test_what_was_sent_is_never_repeated(api: Client) -> None:
    """A 422 names each place that does not fit, and repeats no value."""
    answer = await api.get("/api/messages?limit=sesame&provider=sesame&since=sesame&accountId=sesame&cursor=sesame")
    assert answer.status == 422
    places = {error["location"] for error in answer.json["errors"]}
    assert places == {f"query.{name}" for name in ("limit", "provider", "since", "accountId", "cursor")}
    assert all(set(error) == {"location", "message"} for error in answer.json["errors"])
    assert "sesame" not in answer.text


async def test_complaints_are_bounded(api: Client) -> None:
    """However many places do not fit, the answer stays short."""
    body = {f"field{number}": 1 for number in range(5000)}
    answer = await api.post("/api/integrations/WHATSAPP/connect", body)
    assert (answer.status, len(answer.json["errors"])) == (422, 20)


def raising(error: BaseException) -> Any:
    @asynccontextmanager
    async def transaction(*_: Any) -> AsyncIterator[Any]:
        raise error
        yield

    return transaction


AWAY = [
    ConnectionRefusedError(),
    OSError("Multiple exceptions"),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.InterfaceError("pool is closing"),
    Unavailable("later"),
]


async def test_a_database_that_is_away(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database cannot do it now, the answer is 503 with Retry-After, and says no more than that."""
    for error in AWAY:
        monkeypatch.setattr(integrations, "organization_transaction", raising(error))
        answer = await api.get("/api/integrations")
        assert (answer.status, answer.problem, answer.headers["Retry-After"]) == (503, "unavailable", "5")
        assert str(error) not in answer.text or not str(error)


async def test_a_bug_is_500_and_logged(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is 500 without any detail, and is in the log with its path."""
    monkeypatch.setattr(integrations, "organization_transaction", raising(ZeroDivisionError("sesame")))
    log = CapturingLogger()
    monkeypatch.setattr(app, "log", log)
    answer = await api.get("/api/integrations")
    assert (answer.status, answer.problem) == (500, "internal")
    assert "sesame" not in answer.text
    (call,) = log.calls
    assert (call.method_name, call.args, call.kwargs["path"]) == (
        "exception",
        ("a request failed",),
        "/api/integrations",
    )


async def test_the_connection_survives_a_bug(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a 500, the next request is answered as always."""
    with monkeypatch.context() as patch:
        patch.setattr(integrations, "organization_transaction", raising(ZeroDivisionError()))
        assert (await api.get("/api/integrations")).status == 500
    assert (await api.get("/api/integrations")).status == 200


async def test_lost_connections_heal(api: Client, database_url: str) -> None:
    """When the server ends all connections, requests are answered again at once or after a 503; never with 500."""
    assert (await api.get("/api/integrations")).status == 200
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'hookline%' AND datname = current_database()"
        )
    finally:
        await owner.close()
    statuses = [(await api.get("/api/integrations")).status for _ in range(20)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200


async def test_readiness_is_the_database_s_and_liveness_is_not(
    open_api: OpenApi, settings_for: SettingsFor, database_url: str
) -> None:
    """Without free connections the process is alive and not ready; with one, it is ready again."""
    settings = settings_for(database_url, database_pool_size=4, worker_slots=1)
    api = await open_api(settings)
    assert (await api.get("/readyz", headers={})).json == {"status": "ok"}
    owner = await asyncpg.connect(database_url)
    transaction = owner.transaction()
    try:
        await transaction.start()
        await owner.execute("LOCK TABLE connected_accounts")
        stuck = [asyncio.create_task(api.get("/api/integrations")) for _ in range(4)]
        await asyncio.sleep(0.3)
        answer = await api.get("/readyz", headers={})
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert (await api.get("/healthz", headers={})).json == {"status": "ok"}
        await transaction.rollback()
        assert {(await one).status for one in stuck} == {200}
        assert (await api.get("/readyz", headers={})).status == 200
    finally:
        await owner.close()


async def test_metrics_are_prometheus_text(api: Client) -> None:
    """Metrics are given without a token, in Prometheus' format."""
    answer = await api.get("/metrics", headers={})
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "# TYPE" in answer.text


async def test_answers_are_neither_sniffed_nor_kept(api: Client) -> None:
    """Every answer, errors too, forbids sniffing and keeping."""
    for path in ("/api/integrations", "/api/messages?limit=0", "/nothing", "/healthz", "/docs"):
        answer = await api.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


PREFLIGHT = {
    "Origin": "https://crm.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, x-organization-id, idempotency-key, content-type",
}


async def test_the_crm_s_front_end_may_ask(open_api: OpenApi, settings_for: SettingsFor, database_url: str) -> None:
    """A browser of a configured origin may send our headers, without cookies; errors are readable too."""
    api = await open_api(settings_for(database_url, cors_origins="https://crm.example, https://other.example"))
    answer = await api.request("OPTIONS", "/api/integrations/WHATSAPP/connect", headers=PREFLIGHT)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://crm.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    refused = await api.get("/api/integrations", headers={"Origin": "https://crm.example"})
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://crm.example")


async def test_other_front_ends_may_not(open_api: OpenApi, settings_for: SettingsFor, database_url: str) -> None:
    """A browser of any other origin is not let in; nor is any, where none is configured."""
    api = await open_api(settings_for(database_url, cors_origins="https://crm.example"))
    answer = await api.get("/healthz", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    closed = await open_api(settings_for(database_url))
    answer = await closed.request("OPTIONS", "/api/integrations", headers=PREFLIGHT)
    assert (answer.status, "Access-Control-Allow-Origin" in answer.headers) == (405, False)


def kinds_of(error: type[RequestError]) -> list[type[RequestError]]:
    """An error and everything that is one."""
    return [error, *(kind for one in error.__subclasses__() for kind in kinds_of(one))]


def test_every_error_that_a_caller_can_mend_has_a_status() -> None:
    """Each class of RequestError has a status by the table, its own or its kind's, and each slug means one thing."""
    mendable = [kind for kind in dict.fromkeys(kinds_of(RequestError)) if kind.__module__.startswith("hookline.")]
    assert [kind for kind in mendable[1:] if not STATUS.keys() & set(kind.__mro__)] == []
    assert len({kind.slug for kind in STATUS}) == len(STATUS)
    own = [vars(kind)["slug"] for kind in mendable if "slug" in vars(kind)]
    assert len(set(own)) == len(own)
