"""Connecting with what the caller brings: a code that the platform's SDK gave to the browser, or an access token.

Either is only a claim: what it reaches, the platform says.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.domain.connect_error import ControlUnproved, NoEligibleAccount
from hookline.services.connect import Connected, Connector
from hookline.services.oauth import Offer, eligible, exchange, login_named, offer
from hookline.services.platform_calls import told


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller says of the account; `login` is the dialog that the code or token comes from."""

    external_account_id: str | None
    display_name: str | None = None
    login: str | None = None
    pin: str | None = None
    metadata: Mapping[str, Any] = {}


async def connect_by_code(connector: Connector, subject: str, code: str, wanted: Wanted) -> Connected | Offer:
    """Connect by a code: one account at once; several are offered to `subject`, unless one of them is named.

    Raises: CodeRefused, NoEligibleAccount and the errors of connecting.
    """
    grant = await exchange(connector, login_named(connector, wanted.login), code, None)
    found = await eligible(connector, grant)
    if wanted.external_account_id is not None:
        found = [one for one in found if one.external_account_id == wanted.external_account_id]
        if not found:
            raise NoEligibleAccount("the consent does not reach this account")
    if len(found) > 1:
        return await offer(connector, subject, grant, found)
    return await connector.connect_candidate(found[0], grant, display_name=wanted.display_name, pin=wanted.pin)


async def connect_by_token(connector: Connector, token: str, wanted: Wanted) -> Connected:
    """Connect the account that is named, if the platform confirms that the token controls it.

    Raises: ControlUnproved, MissingPermissions and the errors of connecting.
    """
    with told():
        grant = await connector.client.inspect(login_named(connector, wanted.login), token)
        candidate = await connector.client.find(grant, wanted.external_account_id or "", wanted.metadata)
    if candidate is None:
        raise ControlUnproved("the platform does not confirm that this access token controls the account")
    return await connector.connect_candidate(candidate, grant, display_name=wanted.display_name, pin=wanted.pin)
