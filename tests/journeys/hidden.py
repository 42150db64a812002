"""Looking for what must stand nowhere: the whole database as it is stored, and a secret in every writing of it."""

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import asyncpg

_RELATIONS = """
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY 1, 2
"""
_LARGE = "SELECT data FROM pg_largeobject"


async def dump(url: str) -> dict[str, str]:
    """Read every column of every row of every table, partitions too, by table; bytes as they are, as Latin-1."""
    connection = await asyncpg.connect(url)
    try:
        found = {}
        for relation in await connection.fetch(_RELATIONS):
            rows = await connection.fetch(f'SELECT * FROM "{relation["schema"]}"."{relation["name"]}"')
            found[relation["name"]] = "\n".join(_text(value) for row in rows for value in row.values())
        found["large objects"] = "\n".join(_text(row["data"]) for row in await connection.fetch(_LARGE))
        return found
    finally:
        await connection.close()


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else repr(value)


def writings(secret: str) -> set[str]:
    """A secret in the clear, URL-encoded, within JSON, in hex, and in base64 of whatever it may stand in."""
    data = secret.encode()
    found = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        data.hex(),
        data.hex().upper(),
    }
    for before in range(3):
        # What stands around it changes the first and the last characters alone.
        text = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        inner = text[-(-before * 8 // 6) :]
        inner = inner if (before + len(data)) % 3 == 0 else inner[:-1]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found


def places_of(secrets: Iterable[str], places: dict[str, str]) -> Iterator[str]:
    """Name the places that hold one of the secrets; never the secret itself."""
    for secret in secrets:
        for name, text in places.items():
            if any(one in text for one in writings(secret)):
                yield f"{name} holds {secret[:5]}… ({len(secret)} characters)"
