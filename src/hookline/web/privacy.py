"""The platforms' callbacks about people, and the page that tells how far the deletion of somebody's data is.

A callback is proved, taken in durably, and answered; nothing else happens in the request (services/privacy.py).
Source: protocol reference 5.4.
"""

from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from hookline.domain.errors import NotFound
from hookline.domain.privacy import BadSignedRequest, PrivacyRequestKind
from hookline.services.connect import provider_named
from hookline.services.privacy_intake import take, take_forget
from hookline.store import privacy_requests
from hookline.store.privacy_requests import PrivacyRequest, State
from hookline.web import deletion_page, privacy_docs
from hookline.web.answers import Json
from hookline.web.bodies import read_all
from hookline.web.caller import Context, Manager
from hookline.web.contacts import CONTACTS
from hookline.web.described import answer, answers, errors
from hookline.web.pages import asked_for

router = APIRouter()

MAX_BYTES: Final = 16 * 1024
_MAX_FIELDS: Final = 16
_CODE_CHARACTERS: Final = 32


@router.post(
    "/api/webhooks/{provider}/deauthorize",
    tags=["Webhooks"],
    summary="Hear that somebody removed the app",
    responses={200: answer(privacy_docs.Received, privacy_docs.RECEIVED, "Stored"), **privacy_docs.REFUSED},
    response_class=Json,
    openapi_extra=privacy_docs.CALLBACK,
)
async def deauthorize(provider: str, request: Request, context: Context) -> Json:
    """Take in that a person took their consent back. In the background, the accounts that they gave us are
    disconnected, in every organization, and their tokens deleted.
    """
    await _take(PrivacyRequestKind.DEAUTHORIZE, provider, request, context)
    return Json(privacy_docs.RECEIVED)


@router.post(
    "/api/webhooks/{provider}/data-deletion",
    tags=["Webhooks"],
    summary="Hear that somebody wants their data deleted",
    responses={200: answer(privacy_docs.DeletionTaken, privacy_docs.DELETION_TAKEN, "Stored"), **privacy_docs.REFUSED},
    response_class=Json,
    openapi_extra=privacy_docs.CALLBACK,
)
async def delete_data(provider: str, request: Request, context: Context) -> Json:
    """Take in that a person's data must go; the person is given the address of a page that tells how far that is."""
    taken = await _take(PrivacyRequestKind.DATA_DELETION, provider, request, context)
    return Json(_answer(taken, request, context))


@router.delete(
    "/api/contacts/{contactId}",
    tags=["Contacts"],
    summary="Forget a contact",
    status_code=202,
    responses=answers(202, privacy_docs.DeletionTaken, privacy_docs.DELETION_TAKEN, "A job does it", 404),
    response_class=Json,
)
async def forget_contact(contactId: str, request: Request, context: Context, caller: Manager) -> Json:
    """Delete everything of one person at one account, in the background: messages, conversation, webhook events, facts,
    jobs and the contact, by all their ids. Needs the role OWNER, ADMIN or MANAGER.

    The address tells how far it is, and may be given to the person: it needs no login, and tells nothing about them.
    """
    row = await CONTACTS.read(context, caller, contactId)
    taken = await take_forget(context.pool, caller.organization_id, row.connected_account_id, row.external_id)
    context.bell.ring()
    return Json(_answer(taken, request, context), 202)


def _answer(taken: PrivacyRequest, request: Request, context: Context) -> dict[str, str]:
    base = (context.settings.public_url or str(request.base_url)).rstrip("/")
    return {"url": f"{base}/api/data-deletion/{taken.code}", "confirmation_code": taken.code}


async def _take(kind: PrivacyRequestKind, provider: str, request: Request, context: Context) -> PrivacyRequest:
    platform = provider_named(context.providers, provider)
    signed_request = _signed_request(request, await read_all(request, MAX_BYTES, "a callback"))
    callback = platform.callbacks.read(signed_request, context.secrets.callbacks[platform.name])
    taken = await take(context.pool, kind, platform, callback)
    context.bell.ring()
    return taken


def _signed_request(request: Request, body: bytes) -> str:
    """Take the one field out of a form. Nothing of it is repeated in what is raised."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != privacy_docs.FORM:
        raise BadSignedRequest(f"send a form of the type {privacy_docs.FORM}")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadSignedRequest("the body must be a form") from None
    values = fields.get(privacy_docs.FIELD, [])
    if len(values) != 1:
        raise BadSignedRequest(f"send one field {privacy_docs.FIELD}")
    return values[0]


@router.get(
    "/api/data-deletion/{code}",
    tags=["Webhooks"],
    summary="See how far the deletion of somebody's data is",
    responses={
        200: privacy_docs.shown("How far it is; HTML for a browser"),
        **errors(404, 503),
    },
    response_class=Json,
    openapi_extra={"security": []},
)
async def show_deletion(code: str, context: Context, accept: Annotated[str, Header()] = "") -> Response:
    """Show a person how far the deletion of their data is. Whoever holds the code may ask; nothing tells who it was.

    A page for people; JSON for programs, if `Accept` names `application/json` above `text/html`.
    """
    found = None
    if len(code) == _CODE_CHARACTERS and code.isascii() and code.isalnum():
        async with context.pool.acquire() as connection:
            found = await privacy_requests.state(connection, code)
    page, json = asked_for(accept)
    if page >= json:
        return deletion_page.show(found)
    if found is None:
        raise NotFound("there is no deletion with this code")
    return Json(_shape(found), headers=deletion_page.HEADERS)


def _shape(found: State) -> dict[str, Any]:
    return {"status": found.status, "receivedAt": found.received_at, "doneAt": found.done_at}
