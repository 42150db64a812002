"""/api/contacts: the people that connected accounts talk to."""

from typing import Annotated

import fastapi
from fastapi import APIRouter
from pydantic import Field

from hookline.domain.ids import stored_external_id
from hookline.services import shapes
from hookline.store import contact_lists, contacts
from hookline.store.contact_lists import Filter
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Context, Member
from hookline.web.described import answers
from hookline.web.query import PageQuery, Text, Words
from hookline.web.records import Records

router = APIRouter(prefix="/api/contacts", tags=["Contacts"])

CONTACTS = Records("contact", contacts.get)


class ContactQuery(PageQuery):
    """What a list of contacts can be narrowed to."""

    external_id: Text | None = Field(None, description="Only with this id, or a former one, at the platform.")
    q: Words | None = Field(None, description="Only whose names, user name or phone contain this, case ignored.")


@router.get(
    "",
    summary="Search contacts",
    responses=answers(200, models.ContactPage, examples.page(examples.CONTACT), "Contacts, the newest first", 422),
    response_class=Json,
)
async def list_contacts(context: Context, caller: Member, query: Annotated[ContactQuery, fastapi.Query()]) -> Json:
    """List contacts, the newest first, narrowed by any combination of filters.

    `since` and `until` are about `createdAt`. A `q` of one or two characters looks through the newest 5,000.
    """
    organization_id, wanted = caller.organization_id, query.limit + 1
    chosen = Filter(
        account_id=query.account_id,
        provider=query.provider,
        external_id=None if query.external_id is None else stored_external_id(query.external_id),
        since=query.since,
        until=query.until,
    )
    async with organization_transaction(context.pool, organization_id) as connection:
        if query.q is None:
            rows = await contact_lists.list_page(connection, organization_id, chosen, before=query.cursor, limit=wanted)
        else:
            rows = await contact_lists.search_page(
                connection, organization_id, query.q, chosen, before=query.cursor, limit=wanted
            )
    return page(rows, query.limit, shapes.contact, lambda row: row.id)


@router.get(
    "/{contactId}",
    summary="Read a contact",
    responses=answers(200, models.Contact, examples.CONTACT, "The contact", 404),
    response_class=Json,
)
async def read_contact(contactId: str, context: Context, caller: Member) -> Json:
    """Read what is known of one person."""
    return Json(shapes.contact(await CONTACTS.read(context, caller, contactId)))
