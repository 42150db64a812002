"""`hookline prune`: what is old is deleted now, or counted."""

import sys

from hookline.cli.operate import operating, print_json
from hookline.services.prune import count_old, prune_all
from hookline.settings import Settings

# The settings' names for tables, as operators know them.
_NAMES = {
    "integration_jobs": "jobs",
    "webhook_events": "webhook events",
    "messages": "messages",
    "outbox": "facts of the feed",
}


async def prune_now(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    """Delete, or count, whatever is older than the settings keep it; progress goes to standard error."""
    rows: dict[str, int] = {}
    async with operating(settings) as context:
        if dry_run:
            async for table, count in count_old(context.pool, context.retention):
                rows[table] = count
        else:
            async for table, count in prune_all(context.pool, context.retention):
                if count != rows.get(table, 0):
                    print(f"{count} {_NAMES[table]} so far", file=sys.stderr)
                rows[table] = count
    if as_json:
        print_json({"dryRun": dry_run, "rows": rows})
    else:
        done = "would go" if dry_run else "deleted"
        print("\n".join(f"{count} {_NAMES[table]} {done}" for table, count in rows.items()))
    return 0
