"""Forget people: what is theirs is deleted or redacted, table by table, a few hundred rows a transaction.

How far it is travels as a value (`Progress`), which whoever does it keeps in the same transaction: killed anywhere, it
goes on from there. A pass over all tables that found something is followed by another, until one finds nothing: what
was on its way while the first one went by is found by the next.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from hookline.domain.privacy import Person
from hookline.store.personal_events import EVENTS, NOBODYS
from hookline.store.personal_rows import CONTACTS, CONVERSATIONS, MESSAGES, PAIR_PACES, WATERMARKS, Sweep
from hookline.store.personal_walks import FACTS, JOBS
from hookline.store.pool import Connection

# Every table that holds personal data has its sweep here. What brings forth others' rows comes first.
SWEEPS: Final[tuple[Sweep, ...]] = (
    JOBS,
    EVENTS,
    NOBODYS,
    MESSAGES,
    FACTS,
    CONVERSATIONS,
    WATERMARKS,
    PAIR_PACES,
    CONTACTS,
)
# Somebody who goes on writing while they are forgotten is found for ever.
MAX_PASSES: Final = 5


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How far it is: at which person, in which table, after which place; and what this pass has found.

    busy: rows are left that somebody is at work with. through: passes that are through. counts: rows by table, so far.
    """

    people: list[Person]
    person: int = 0
    table: str = SWEEPS[0].table
    after: str | None = None
    found: int = 0
    busy: bool = False
    through: int = 0
    counts: dict[str, int] = {}

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do: the last pass found nothing, or there were enough of them."""
        enough = not self.found or self.through >= MAX_PASSES
        return self.through > 0 and self.at_start and enough and not self.busy

    @property
    def at_start(self) -> bool:
        """Whether a pass begins here; what the last one found is still to be read."""
        return self.person == 0 and self.table == SWEEPS[0].table and self.after is None


def _applying(person: Person) -> list[Sweep]:
    """List the sweeps for a person: of somebody who is at no account, only what nobody owns."""
    return list(SWEEPS) if person.account_id is not None else [NOBODYS]


async def advance(connection: Connection, progress: Progress) -> Progress:
    """Take the next step, in the caller's transaction. Not to be called when it is complete."""
    if progress.at_start:
        progress = msgspec.structs.replace(progress, found=0, busy=False)
    if progress.person >= len(progress.people):
        return msgspec.structs.replace(progress, person=0, through=progress.through + 1)
    person = progress.people[progress.person]
    sweeps = _applying(person)
    place = next((at for at, one in enumerate(sweeps) if one.table == progress.table), 0)
    sweep = sweeps[place]
    found = await sweep.find(connection, person, progress.after)
    erased = await sweep.erase(connection, person, found) if found.count else 0
    progress = msgspec.structs.replace(
        progress,
        after=found.following,
        found=progress.found + found.count,
        busy=progress.busy or erased < found.count,
        counts={**progress.counts, sweep.table: progress.counts.get(sweep.table, 0) + erased},
    )
    if found.following is not None:
        return progress
    if place + 1 < len(sweeps):
        return msgspec.structs.replace(progress, table=sweeps[place + 1].table)
    return msgspec.structs.replace(progress, table=SWEEPS[0].table, person=progress.person + 1)


async def count(pool: asyncpg.Pool, people: Sequence[Person]) -> dict[str, int]:
    """Count what would go now, by table."""
    counts = {sweep.table: 0 for sweep in SWEEPS}
    for person in people:
        for sweep in _applying(person):
            after, ended = None, False
            while not ended:
                async with pool.acquire() as connection:
                    found = await sweep.find(connection, person, after)
                counts[sweep.table] += found.count
                after, ended = found.following, found.following is None
    return counts
