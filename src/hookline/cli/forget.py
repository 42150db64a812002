"""`hookline forget`: one person's data at one account is deleted now, or counted."""

import sys
from uuid import UUID

from hookline.bootstrap import WorkerContext
from hookline.cli.operate import operating, print_json
from hookline.domain.errors import InvalidRequest, NotFound
from hookline.domain.ids import parse_id
from hookline.services.privacy import PrivacyRequests
from hookline.services.privacy_intake import count_forgotten, take_forget
from hookline.settings import Settings

# The settings' names for tables, as operators know them.
_NAMES = {
    "integration_jobs": "jobs",
    "webhook_events": "webhook events",
    "unowned_events": "webhook events that nobody owns",
    "outbox": "facts of the feed",
    "contact_watermarks": "marks up to when they have read",
    "pair_paces": "paces",
}


async def forget_now(
    settings: Settings, organization_id: str, account: str, contact: str, *, dry_run: bool, as_json: bool
) -> int:
    """Delete or count what is a person's. Killed in the middle, a worker goes on with it."""
    account_id = parse_id(account)
    if account_id is None:
        raise InvalidRequest(f"{account} is not a UUID")
    async with operating(settings) as context:
        if dry_run:
            rows = await count_forgotten(context.pool, organization_id, account_id, contact)
        else:
            rows = await _forget(context, organization_id, account_id, contact)
    if as_json:
        print_json({"dryRun": dry_run, "rows": rows})
    else:
        done = "would go" if dry_run else "deleted or cut out of"
        print("\n".join(f"{count} {_NAMES.get(table, table)} {done}" for table, count in rows.items()))
    return 0


async def _forget(context: WorkerContext, organization_id: str, account_id: UUID, contact: str) -> dict[str, int]:
    request = await take_forget(context.pool, organization_id, account_id, contact)
    print(f"request {request.id}; a worker goes on with it if this is stopped", file=sys.stderr)
    requests = PrivacyRequests(context.pool, context.providers)
    await requests.carry_out(request.id)
    counts = await requests.counts(request.id)
    if counts is None:
        raise NotFound("the request is not there any more")
    return counts
