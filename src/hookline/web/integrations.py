"""/api/integrations: the accounts that an organization has connected. Connecting by consent is in web/consent.py."""

from fastapi import APIRouter, Request

from hookline.domain.account import ConnectedAccountStatus
from hookline.domain.errors import Conflict, InvalidRequest, NotFound
from hookline.domain.ids import parse_id
from hookline.domain.job import IntegrationJobType
from hookline.services import account_jobs, shapes
from hookline.services.connect import Connected, Connector, connect, provider_named
from hookline.services.disconnect import disconnect
from hookline.services.oauth import Offer, begin
from hookline.services.proof import Wanted, connect_by_code, connect_by_token
from hookline.store import accounts, tokens
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Caller, Context, Manager, Member
from hookline.web.connection import Connection
from hookline.web.consent import callback_url, connector_of, offer_shape
from hookline.web.described import answer, answers, body_of
from hookline.web.return_urls import allowed_return_url
from hookline.web.validation import read_body

router = APIRouter(prefix="/api/integrations", tags=["Integrations"])


@router.get(
    "",
    summary="List connected accounts",
    responses=answers(200, list[models.ConnectedAccount], [examples.ACCOUNT], "The accounts, oldest first"),
    response_class=Json,
)
async def list_integrations(context: Context, caller: Member) -> Json:
    """List all accounts of the organization, disconnected ones too. Of tokens only what is known of them is shown."""
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        rows = await accounts.list_all(connection, caller.organization_id)
        known = await tokens.infos(connection, caller.organization_id, [row.id for row in rows])
    return Json([shapes.account(row, known.get(row.id)) for row in rows])


@router.post(
    "/{provider}/connect",
    summary="Connect an account, or begin to",
    status_code=201,
    responses={
        200: answer(
            models.ConnectedAccount | models.Begun | models.Offer,
            examples.BEGUN,
            "The dialog's address; or accounts to choose from; or the account, which was live here already",
        ),
        **answers(
            201,
            models.ConnectedAccount,
            examples.ACCOUNT,
            "Connected, or live again",
            *(404, 409, 413, 422, 501, 502, 504),
        ),
    },
    response_class=Json,
    openapi_extra=body_of(Connection, examples.CONNECTION),
)
async def connect_integration(provider: str, request: Request, context: Context, caller: Manager) -> Json:
    """Connect an account in one of three ways. Needs the role OWNER, ADMIN or MANAGER.

    With `externalAccountId`: the account of that id, if the platform confirms by `accessToken` that you control it
    (development takes your word for it without one). With `code`, from the platform's SDK in the browser: the account
    that the consent reaches; several are offered. With neither: the address of the platform's dialog, which brings the
    browser back to `returnUrl` in the end.
    A disconnected account of this organization is revived under its id; one in ERROR is mended. An account that is live
    in another organization is a conflict.
    """
    platform = provider_named(context.providers, provider)
    body = await read_body(request, Connection)
    connector = connector_of(context, platform, caller.organization_id)
    if body.code is None and body.external_account_id is None:
        return await _begin(context, connector, caller, body)
    if body.code is None and body.access_token is None:
        return await _connect_unproved(context, connector, body)
    done = await _connect_proved(connector, caller, body)
    if isinstance(done, Offer):
        return Json(offer_shape(done))
    context.bell.ring()
    return Json(shapes.account(done.account, done.token), 201 if done.opened else 200)


async def _connect_unproved(context: Context, connector: Connector, body: Connection) -> Json:
    if context.settings.production:
        raise InvalidRequest("production needs proof that you control this account: give its access token, or a code")
    account, opened = await connect(
        connector.pool,
        connector.provider,
        connector.organization_id,
        body.external_account_id or "",
        display_name=body.display_name,
        metadata=body.metadata,
    )
    return Json(shapes.account(account), 201 if opened else 200)


async def _connect_proved(connector: Connector, caller: Caller, body: Connection) -> Connected | Offer:
    wanted = Wanted(
        external_account_id=body.external_account_id,
        display_name=body.display_name,
        login=body.login,
        pin=body.pin,
        metadata=body.metadata or {},
    )
    if body.code is not None:
        return await connect_by_code(connector, caller.principal.subject, body.code, wanted)
    return await connect_by_token(connector, body.access_token or "", wanted)


async def _begin(context: Context, connector: Connector, caller: Caller, body: Connection) -> Json:
    settings = context.settings
    return_url = body.return_url and allowed_return_url(
        body.return_url, settings.return_urls, this_machine=not settings.production
    )
    begun = await begin(
        connector,
        caller.principal.subject,
        body.login,
        callback_url(settings, connector.provider.name),
        return_url,
    )
    return Json(begun)


@router.post(
    "/{accountId}/sync",
    summary="Ask the platform about an account",
    status_code=202,
    responses=answers(202, models.Job, examples.SYNC_JOB, "The job that does it", 404, 409),
    response_class=Json,
)
async def sync_integration(accountId: str, context: Context, caller: Member) -> Json:
    """Bring name, picture, quality, limits, permissions and subscription up to date, in the background."""
    account_id = parse_id(accountId)
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        account = account_id and await accounts.get(connection, caller.organization_id, account_id)
        if not account:
            raise NotFound("there is no such account in this organization")
        if account.status is ConnectedAccountStatus.DISCONNECTED:
            raise Conflict("the account is disconnected; connect it again")
        job = await account_jobs.enqueue(
            connection, IntegrationJobType.SYNC_ACCOUNT, account.provider, account.organization_id, account.id
        )
    context.bell.ring()
    return Json(shapes.job(job), 202)


@router.get(
    "/{accountId}/health",
    summary="Look at an account's health",
    responses=answers(200, models.AccountHealth, examples.ACCOUNT_HEALTH, "What was found, and how to mend it", 404),
    response_class=Json,
)
async def integration_health(accountId: str, context: Context, caller: Member) -> Json:
    """Say what is wrong with an account, connected or not, and how to mend each thing.

    The platform is asked now, for ten seconds at most; what it does not answer is a finding, and never ok. Whoever asks
    again within fifteen seconds is given the same answer.
    """
    account_id = parse_id(accountId)
    if account_id is None:
        raise NotFound("there is no such account in this organization")
    return Json(shapes.health(await context.health.of(caller.organization_id, account_id)))


@router.delete(
    "/{accountId}/disconnect",
    summary="Disconnect an account",
    responses=answers(200, models.DisconnectedAccount, examples.DISCONNECTED, "Disconnected", 404),
    response_class=Json,
)
async def disconnect_integration(accountId: str, context: Context, caller: Manager) -> Json:
    """Let no webhook reach the account from now on; its history stays. Needs the role OWNER, ADMIN or MANAGER.

    In the background its subscription ends, its consent is given back, and its tokens are deleted. Disconnecting twice
    changes nothing.
    """
    account_id = parse_id(accountId)
    if account_id is None:
        raise NotFound("there is no such account in this organization")
    account = await disconnect(context.pool, caller.organization_id, account_id)
    context.bell.ring()
    return Json({"id": account.id, "status": account.status, "updatedAt": account.updated_at})
