"""What follows when the platform no longer lets us act for an account: ERROR, with a reason that the CRM can show."""

from uuid import UUID

import structlog

from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.security.vault import Vault
from hookline.services import facts
from hookline.services.tokens import credentials
from hookline.store import accounts, outbox, tokens
from hookline.store.pool import Connection

log = structlog.get_logger(__name__)


async def note_refusal(
    connection: Connection,
    vault: Vault,
    account_id: UUID,
    organization_id: str,
    error: ProviderError,
    *,
    used: str | None = None,
) -> bool:
    """Put an account into ERROR if the error means that its owner must connect it again; True if that is news.

    It is told once, and the token is left alone until somebody connects again. The caller's transaction: if that fails
    and is tried again, the log says it again.
    used: the token that was refused; one that was replaced meanwhile says nothing about the present one.
    """
    if error.error_class is not ErrorClass.REAUTHORIZE:
        return False
    found = await credentials(connection, vault, organization_id, account_id)
    if used is not None and found is not None and found[1].access_token != used:
        return False
    account = await accounts.fail(connection, organization_id, account_id, reason(error))
    if account is None:
        return False
    if found is not None:
        await tokens.set_due(connection, found[0], None)
    infos = await tokens.infos(connection, organization_id, [account_id])
    await outbox.add(connection, facts.account_changed(account, "error", infos.get(account_id)))
    log.warning("an account must be connected again", account_id=str(account_id), code=error.code)
    return True


def reason(error: ProviderError) -> str:
    """Say to a person what happened and what to do."""
    said = f"{error.text} ({error.code})" if error.code else error.text
    return f"The platform does not let us act for this account any more: {said}. Connect the account again."
