"""DELETE /api/contacts/{id}: whoever manages the organization lets a person be forgotten."""

import asyncpg
from tests.services import bodies
from tests.services.desk import Desk
from tests.web.conftest import Client

from hookline.domain.principal import Role
from hookline.providers import PROVIDERS
from hookline.services.privacy import PrivacyRequests


async def contact(pool: asyncpg.Pool, api: Client) -> str:
    """Somebody who wrote to org-1."""
    desk = Desk(pool)
    await desk.connect()
    await desk.take_in(bodies.messages(bodies.text_message("wamid.1", "what-ann-wrote")))
    (found,) = (await api.get("/api/contacts")).json["items"]
    return str(found["id"])


async def test_a_contact_is_forgotten(api: Client, pool: asyncpg.Pool) -> None:
    """202 with the page that tells how far it is; asked twice, it is the same; then the contact is not there."""
    path = f"/api/contacts/{await contact(pool, api)}"
    first, again = await api.delete(path), await api.delete(path)
    assert (first.status, again.json) == (202, first.json)
    page = f"/api/data-deletion/{first.json['confirmation_code']}"
    headers = {"Accept": "application/json"}
    assert (await api.get(page, headers=headers)).json["status"] == "RECEIVED"
    await PrivacyRequests(pool, PROVIDERS).carry_out(await pool.fetchval("SELECT id FROM privacy_requests"))
    assert (await api.get(page, headers=headers)).json["status"] == "DONE"
    assert (await api.get(path)).status == (await api.delete(path)).status == 404
    assert (await api.get("/api/messages")).json["items"] == []


async def test_only_managers_and_only_their_own(api: Client, pool: asyncpg.Pool) -> None:
    """A member may not; another organization finds nobody there; nothing is stored."""
    path = f"/api/contacts/{await contact(pool, api)}"
    assert (await api.of("org-1", Role.MEMBER).delete(path)).status == 403
    assert (await api.of("org-2").delete(path)).status == 404
    assert (await api.delete("/api/contacts/x")).status == 404
    assert await pool.fetchval("SELECT count(*) FROM privacy_requests") == 0
