"""`hookline keys`: the keys that encrypt tokens, listed and rotated."""

import msgspec

from hookline.bootstrap import database, worker_context
from hookline.services import rotate
from hookline.settings import Settings


async def print_keys(settings: Settings, *, as_json: bool) -> int:
    """List the keys, oldest first: which one encrypts, since when it exists, and how much it encrypts."""
    async with database(settings) as url, worker_context(settings, url) as context:
        found = await rotate.list_keys(context.pool, context.vault)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return 0
    for key in found:
        made = key.made_at.isoformat(timespec="seconds") if key.made_at else "before any record"
        print(f"{key.id:>10}  {'encrypts' if key.primary else 'decrypts'}  since {made}  {key.rows} rows")
    return 0


async def rotate_keys(settings: Settings, *, as_json: bool) -> int:
    """Make a new key, encrypt everything with it, and drop those that are not needed any more; 1 if any must stay."""
    async with database(settings) as url, worker_context(settings, url) as context:
        done = await rotate.rotate(context.pool, context.vault)
    if as_json:
        print(msgspec.json.encode(done).decode())
    else:
        print(f"key {done.key_id} encrypts from now on; {done.resealed} rows were encrypted again")
        if done.dropped:
            print(f"dropped: {', '.join(done.dropped)}")
        if done.unreadable:
            print(f"{done.unreadable} rows cannot be decrypted by any key; the old keys stay")
    return 1 if done.unreadable else 0
