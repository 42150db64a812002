"""Odd webhooks through the whole spine, with the database: none is lost, none is tried for ever, none harms another."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.providers.cases import body, cases
from tests.services.desk import Desk

from hookline.domain.account import IntegrationProvider
from hookline.providers import PROVIDERS

Path = tuple[str | int, ...]

OBJECTS = {"whatsapp_business_account": "WHATSAPP", "page": "FACEBOOK", "instagram": "INSTAGRAM"}
SAMPLES = [json.loads(body(name, case)) for name in ("whatsapp", "instagram", "facebook") for case in cases(name)]
ODD: list[Any] = [
    None, True, 0, -1, 7, 1.5, 1e308, 10**25, "", "0", " ", "x", "a\x00b", "\ud800", "é😀", "x" * 3000, [], {}, [[]],
    [{}], [None], {"id": 5}, {"a": {"b": {}}}, ["text"], "2026-01-01T00:00:00Z", "-5", "1769262486", 1769262486123,
    "99999999999999", "latest:", "waba:1",
]  # fmt: skip
NAMES = ["field", "value", "messages", "statuses", "contacts", "errors", "from", "id", "messaging", "message", "read"]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """List every place below a value."""
    steps: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in steps:
        yield (*path, step)
        yield from places(below, (*path, step))


def at(value: Any, path: Path) -> Any:
    """Give what lies at a place."""
    for step in path:
        value = value[step]
    return value


def mutated(tree: Any, chance: random.Random) -> Any:
    """A sample with a few things wrong with it."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice([1, 1, 2, 4])):
        found = list(places(tree))
        if not found:
            break
        *way, step = chance.choice(found)
        around = at(tree, tuple(way))
        match chance.randrange(6):
            case 0 | 1:
                around[step] = copy.deepcopy(chance.choice(ODD))
            case 2:
                del around[step]
            case 3:
                around[step] = [around[step]]
            case 4:
                around[step] = copy.deepcopy(at(tree, chance.choice(found)))
            case _ if isinstance(around, list):
                around.append(copy.deepcopy(around[int(step)]))
            case _:
                around[chance.choice(NAMES)] = copy.deepcopy(chance.choice(ODD))
    return tree


async def connect_everybody(desk: Desk) -> None:
    """Connect an account for every id that a sample names."""
    known: set[tuple[str, str]] = set()
    for sample in SAMPLES:
        provider = OBJECTS.get(sample["object"], "FACEBOOK")
        for part in PROVIDERS[IntegrationProvider(provider)].split(json.dumps(sample).encode()):
            if part.address and ":" not in part.address:
                known.add((provider, part.address))
    for number, (provider, external_id) in enumerate(sorted(known)):
        await desk.connect(external_id, f"org-{number % 3}", provider, wabaId=str(number % 2))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_odd_webhooks_end_with_a_reason(desk: Desk, seed: int) -> None:
    """Each ends PROCESSED with outcomes, FAILED with a reason, or waits for its owner; none is tried twice."""
    chance = random.Random(seed)
    await connect_everybody(desk)
    for _ in range(400):
        sample = chance.choice(SAMPLES)
        text = json.dumps(mutated(sample, chance), ensure_ascii=chance.random() < 0.8)
        await desk.post(text.encode(errors="surrogatepass"), OBJECTS.get(sample["object"], "FACEBOOK"))
    await desk.process()
    webhooks = "SELECT * FROM integration_jobs WHERE job_type = 'PROCESS_WEBHOOK'"
    assert await desk.rows(f"{webhooks} AND (status <> 'DONE' OR attempts > 0)") == []
    for event in await desk.events():
        results = json.loads(event["result"] or "[]")
        owned = event["organization_id"] is not None
        assert event["status"] == "PROCESSED" if owned else True, event
        assert event["status"] != "PROCESSED" or results, event["payload_json"]
        assert event["status"] != "FAILED" or event["error"], event
        assert all(one.get("reason") or one["outcome"] in ("applied", "duplicate", "held") for one in results), event
