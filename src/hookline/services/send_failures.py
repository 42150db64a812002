"""Failures that the platform reports afterwards, by a status: explained to people, and told where they concern others.

Source: protocol reference 6.2 (codes of `statuses[].errors`).
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from hookline.domain.provider_error import ProviderError
from hookline.providers import PROVIDERS
from hookline.services import facts
from hookline.services.consequence import ACCOUNT_AGAIN
from hookline.store import paces
from hookline.store.messages import Message
from hookline.store.outbox import Fact
from hookline.store.pool import Connection


def explain(row: Message) -> ProviderError | None:
    """Put a sentence for people before the vendor's words of a message that has just failed; what the code means."""
    failure = PROVIDERS[row.provider].sender.read_failure(row.error_code, row.error_text)
    if failure is not None:
        row.error_text = f"{failure.error_class.sentence} {failure.text}".strip()
    return failure


async def alert(
    connection: Connection, failures: Mapping[UUID, tuple[Message, ProviderError]], now: datetime
) -> list[Fact]:
    """Stop what accounts send for a while that the platform has restricted, and give what is to be told of it, once."""
    told: list[Fact] = []
    for account_id, (row, failure) in sorted(failures.items()):
        wait = failure.wait or ACCOUNT_AGAIN
        reason = f"{failure.code}: {failure.text}"[:500]
        if await paces.block(connection, paces.account_key(account_id), wait, reason):
            told.append(facts.account_alert(row.organization_id, account_id, failure, wait, now))
    return told
