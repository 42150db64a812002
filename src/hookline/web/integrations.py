"""/api/integrations: the accounts that an organization has connected."""

from fastapi import APIRouter, Request

from hookline.domain.errors import InvalidRequest, NotFound
from hookline.domain.ids import parse_id
from hookline.services import shapes
from hookline.services.connect import connect, disconnect, provider_named
from hookline.store import accounts
from hookline.store.pool import organization_transaction
from hookline.web import examples, models
from hookline.web.answers import Json
from hookline.web.caller import Context, Manager, Member
from hookline.web.connection import Connection
from hookline.web.described import answer, answers, body_of
from hookline.web.validation import read_body

router = APIRouter(prefix="/api/integrations", tags=["Integrations"])


@router.get(
    "",
    summary="List connected accounts",
    responses=answers(200, list[models.ConnectedAccount], [examples.ACCOUNT], "The accounts, oldest first"),
    response_class=Json,
)
async def list_integrations(context: Context, caller: Member) -> Json:
    """List all accounts of the organization, disconnected ones too. No token is ever shown."""
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        rows = await accounts.list_all(connection, caller.organization_id)
    return Json([shapes.account(row) for row in rows])


@router.post(
    "/{provider}/connect",
    summary="Connect an account",
    status_code=201,
    responses={
        200: answer(models.ConnectedAccount, examples.ACCOUNT, "It was live in this organization already"),
        **answers(201, models.ConnectedAccount, examples.ACCOUNT, "Connected, or live again", 404, 409, 413, 422),
    },
    response_class=Json,
    openapi_extra=body_of(Connection, examples.CONNECTION),
)
async def connect_integration(provider: str, request: Request, context: Context, caller: Manager) -> Json:
    """Connect an account by the platform's id. Needs the role OWNER, ADMIN or MANAGER.

    A disconnected account of this organization is revived under its id. An account that is live in another
    organization is a conflict. Production refuses: there, control of the account has to be proved.
    """
    platform = provider_named(context.providers, provider)
    body = await read_body(request, Connection)
    if context.settings.production:
        raise InvalidRequest(
            "production needs proof that you control this account (an access token), "
            "which this version cannot check yet"
        )
    account, opened = await connect(
        context.pool,
        platform,
        caller.organization_id,
        body.external_account_id,
        display_name=body.display_name,
        metadata=body.metadata,
    )
    return Json(shapes.account(account), 201 if opened else 200)


@router.delete(
    "/{accountId}/disconnect",
    summary="Disconnect an account",
    responses=answers(200, models.DisconnectedAccount, examples.DISCONNECTED, "Disconnected", 404),
    response_class=Json,
)
async def disconnect_integration(accountId: str, context: Context, caller: Manager) -> Json:
    """Let no webhook reach the account from now on; its history stays. Needs the role OWNER, ADMIN or MANAGER.

    Disconnecting twice changes nothing.
    """
    account_id = parse_id(accountId)
    if account_id is None:
        raise NotFound("there is no such account in this organization")
    account = await disconnect(context.pool, caller.organization_id, account_id)
    return Json({"id": account.id, "status": account.status, "updatedAt": account.updated_at})
