"""What the resources have in common whose records are listed and repaired: jobs and webhook events."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

import msgspec
from pydantic import Field, StrictBool, StrictInt

from hookline.domain.errors import NotFound
from hookline.domain.ids import parse_id
from hookline.services.bulk import Bulk, begin, count_fitting
from hookline.store.pool import Connection, organization_transaction
from hookline.web.answers import Json
from hookline.web.caller import Caller, Context
from hookline.web.query import Narrowing

MAX_BULK = 1_000_000_000

Row = TypeVar("Row")
Result = TypeVar("Result")


class Records(msgspec.Struct, Generic[Row], frozen=True):
    """Records of one kind: what one is called, and how one of an organization is read."""

    noun: str
    get: Callable[[Connection, str, UUID], Awaitable[Row | None]]

    async def read(self, context: Context, caller: Caller, id_in_path: str) -> Row:
        """Read the record that a path names. Raises: NotFound."""
        record_id = parse_id(id_in_path)
        row = None
        if record_id is not None:
            async with organization_transaction(context.pool, caller.organization_id) as connection:
                row = await self.get(connection, caller.organization_id, record_id)
        if row is None:
            raise self._not_found()
        return row

    async def act(
        self,
        context: Context,
        caller: Caller,
        id_in_path: str,
        action: Callable[[Connection, str, UUID], Awaitable[Result]],
    ) -> Result:
        """Change the record that a path names, in a transaction; then wake the workers. Raises: NotFound."""
        record_id = parse_id(id_in_path)
        if record_id is None:
            raise self._not_found()
        async with organization_transaction(context.pool, caller.organization_id) as connection:
            result = await action(connection, caller.organization_id, record_id)
        context.bell.ring()
        return result

    def _not_found(self) -> NotFound:
        return NotFound(f"there is no such {self.noun} in this organization")


class BulkBody(Narrowing):
    """What a bulk action is for."""

    dry_run: StrictBool = Field(False, description="Only count what fits.")
    limit: StrictInt | None = Field(None, ge=1, le=MAX_BULK, description="How many at most, oldest first.")


async def bulk(context: Context, caller: Caller, asked: Bulk, *, dry_run: bool) -> Json:
    """Count what an action is for, or do it: at once if it is little, else with the rest left to a job, 202."""
    transaction = partial(organization_transaction, context.pool, caller.organization_id)
    outcome = await (count_fitting if dry_run else begin)(transaction, caller.organization_id, asked)
    if not dry_run:
        context.bell.ring()
    job_id = None if outcome.job is None else outcome.job.id
    answer = {"count": outcome.count, "exact": outcome.exact, "jobId": job_id}
    return Json(answer, 200 if job_id is None else 202)
