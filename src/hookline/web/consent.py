"""Connecting by consent over HTTP: the browser that comes back from the platform, and the choice among accounts."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from hookline.bootstrap import ApiContext
from hookline.domain.account import IntegrationProvider
from hookline.domain.connect_error import NotConfigured, StateUnknown
from hookline.providers.base import Provider
from hookline.services import shapes
from hookline.services.connect import Connected, Connector, provider_named
from hookline.services.oauth import Callback, Finished, Offer, choose, finish, offered, organization_of
from hookline.settings import Settings
from hookline.web import consent_page, examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Manager
from hookline.web.connection import Choice
from hookline.web.described import answer, answers, body_of, errors
from hookline.web.problems import TYPE_PREFIX
from hookline.web.return_urls import with_parameters
from hookline.web.validation import read_body

router = APIRouter(prefix="/api/integrations", tags=["Integrations"])

_MAX_CHARACTERS = 4096

_Text = Annotated[str | None, Query(max_length=_MAX_CHARACTERS)]


def callback_url(settings: Settings, provider: IntegrationProvider) -> str:
    """Give the address to which the platform sends the browser back. It must be known there, letter for letter.

    Raises: NotConfigured.
    """
    if settings.base_url is None:
        raise NotConfigured("set HOOKLINE_PUBLIC_URL to connect accounts by the platform's dialog")
    return f"{settings.base_url}/api/integrations/{provider.lower()}/callback"


def connector_of(context: ApiContext, platform: Provider, organization_id: str) -> Connector:
    """Give what connects accounts of a platform for an organization."""
    return Connector(context.pool, context.vault, platform, context.accounts(platform.name), organization_id)


def offer_shape(offer: Offer) -> dict[str, Any]:
    """Show accounts to choose from."""
    shown = [
        {
            "externalAccountId": one.external_account_id,
            "displayName": one.display_name,
            "needsPin": one.needs_pin,
            "metadata": one.metadata,
        }
        for one in offer.accounts
    ]
    return {"state": offer.state, "expiresAt": offer.expires_at, "accounts": shown}


@router.get(
    "/connections/{state}",
    summary="List the accounts to choose from",
    responses=answers(200, models.Offer, examples.OFFER, "The accounts that the consent reaches", 404, 409, 410),
    response_class=Json,
)
async def list_connection(state: str, context: Context, caller: Manager) -> Json:
    """List the accounts that a consent reaches. Only who began the connection sees them, for half an hour."""
    _, offer = await offered(context.pool, caller.organization_id, caller.principal.subject, state)
    return Json(offer_shape(offer))


@router.post(
    "/connections/{state}",
    summary="Choose accounts to connect",
    responses=answers(
        200, models.Chosen, examples.CHOSEN, "What was connected, and what was not", 404, 409, 410, 413, 422, 502, 504
    ),
    response_class=Json,
    openapi_extra=body_of(Choice, examples.CHOICE),
)
async def choose_connection(state: str, request: Request, context: Context, caller: Manager) -> Json:
    """Connect some of the accounts that were offered. What one of them is refused for does not hold the others.

    If all are refused, the answer is the first one's error.
    """
    flow, offer = await offered(context.pool, caller.organization_id, caller.principal.subject, state)
    body = await read_body(request, Choice)
    connector = connector_of(context, context.providers[flow.provider], caller.organization_id)
    done = await choose(connector, flow, offer, body.external_account_ids, body.pin)
    connected = [one for one in done if isinstance(one, Connected)]
    refused = [one for one in done if not isinstance(one, Connected)]
    if not connected:
        raise refused[0][1]
    context.bell.ring()
    return Json(
        {
            "accounts": [shapes.account(one.account, one.token) for one in connected],
            "refused": [
                {"externalAccountId": name, "type": TYPE_PREFIX + error.slug, "detail": str(error)}
                for name, error in refused
            ],
        }
    )


@router.get(
    "/{provider}/callback",
    summary="Come back from the platform's dialog",
    responses={
        200: answer(
            models.ConnectedAccount | models.Offer,
            examples.ACCOUNT,
            "Connected; or several accounts to choose from. For a browser, a page that says so",
        ),
        303: {"description": "To `returnUrl`, with `accountId`, or `state` to choose, or `error` and `errorDetail`"},
        **errors(403, 404, 409, 410, 422, 501, 502, 503, 504),
    },
    response_class=Json,
    openapi_extra={"security": []},
)
async def finish_connection(
    provider: str,
    request: Request,
    context: Context,
    state: _Text = None,
    code: _Text = None,
    error: _Text = None,
    error_description: _Text = None,
    error_code: _Text = None,
    error_message: _Text = None,
) -> Response:
    """End what `connect` began: here the platform sends the person's browser, which is known by the state alone.

    The code is exchanged at once. One eligible account is connected; among several, who began chooses. Without a
    `returnUrl`, a browser (`Accept: text/html`) is shown a page that says how it ended; anything else gets JSON.
    """
    platform = provider_named(context.providers, provider)
    if not state:
        raise StateUnknown("the platform's dialog was not begun here: there is no state")
    connector = connector_of(context, platform, await organization_of(context.pool, state))
    told = Callback(state, code, error or error_code, error_description or error_message)
    finished = await finish(connector, told)
    if finished.connected is not None:
        context.bell.ring()
    if finished.return_url is not None:
        target = with_parameters(finished.return_url, _parameters(finished))
        return RedirectResponse(target, 303, consent_page.PRIVATE)
    if finished.error is not None:
        raise finished.error
    if consent_page.wanted(request):
        return _page(finished)
    return Json(_shape(finished), headers=consent_page.PRIVATE)


def _parameters(finished: Finished) -> dict[str, str]:
    """What the CRM learns from the address."""
    found = {}
    if finished.connected is not None:
        found["accountId"] = str(finished.connected.account.id)
    if finished.offer is not None:
        found["state"] = finished.offer.state
    if finished.error is not None:
        found |= {"error": finished.error.slug, "errorDetail": str(finished.error)}
    return found


def _shape(finished: Finished) -> dict[str, Any]:
    if finished.connected is not None:
        return shapes.account(finished.connected.account, finished.connected.token)
    assert finished.offer is not None  # noqa: S101 - one of the two is there where there is no error
    return offer_shape(finished.offer)


def _page(finished: Finished) -> Response:
    if finished.connected is not None:
        return consent_page.connected(finished.connected)
    assert finished.offer is not None  # noqa: S101 - as above
    return consent_page.offered(finished.offer)
