"""Whether a filled-in template can be sent: by what is stored of the account's templates, and its platform's rules.

Where an account's templates were never read, nothing is known, and the platform decides.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from hookline.domain.outbound_template import Template
from hookline.domain.refusal import TemplateRefused
from hookline.domain.template import Misfit, MisfitReason
from hookline.providers.templates import Templates
from hookline.services.template_news import SYNCED_AT
from hookline.store import templates
from hookline.store.accounts import ConnectedAccount
from hookline.store.pool import Connection


async def check(
    connection: Connection, rules: Templates | None, account: ConnectedAccount, filled: Template | None
) -> None:
    """Refuse a template that the platform would refuse.

    Raises: TemplateRefused, with the difference.
    """
    if rules is None or filled is None:
        return
    key = (account.id, filled.name, filled.language)
    known = (await templates.find(connection, [key])).get(key)
    found: Misfit | None
    if known is not None:
        found = rules.misfit(filled, known.definition)
    else:
        metadata: dict[str, Any] = msgspec.json.decode(account.metadata)
        found = None if metadata.get(SYNCED_AT) is None else await _unknown(connection, account.id, filled)
    if found is not None:
        raise TemplateRefused(filled.name, filled.language, found)


async def _unknown(connection: Connection, account_id: UUID, filled: Template) -> Misfit:
    """Name the languages in which there is a template, as the wrong one is the usual mistake."""
    languages = [row.language for row in await templates.of_name(connection, account_id, filled.name)]
    there_is = f"it is there in {', '.join(languages)}" if languages else "there is none of this name"
    return Misfit(
        reason=MisfitReason.UNKNOWN,
        text=(
            f"this account has no template {filled.name} in {filled.language}: {there_is}."
            " If it is new at the platform, synchronize the templates"
        ),
    )


Wanted = tuple[UUID, Template, Templates]


async def misfits(connection: Connection, wanted: Sequence[Wanted]) -> list[Misfit | None]:
    """Say of many templates at once (account, template, rules) what speaks against each now.

    One that is not stored passes: it passed when its message was accepted.
    """
    known = await templates.find(connection, [(account, one.name, one.language) for account, one, _ in wanted])
    found: list[Misfit | None] = []
    for account, filled, rules in wanted:
        row = known.get((account, filled.name, filled.language))
        found.append(None if row is None else rules.misfit(filled, row.definition))
    return found
