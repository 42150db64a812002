"""Who calls: from the headers `Authorization` and `X-Organization-Id` to a caller with a role in one organization.

The checks come in this order: token (401), header (400), membership (403), role (403). All else is looked at later.
"""

import asyncio
from typing import Annotated, cast

import msgspec
from fastapi import Depends, Request

from hookline.bootstrap import ApiContext
from hookline.domain.errors import Forbidden, OrganizationMissing, Unauthenticated
from hookline.domain.principal import Principal, Role
from hookline.security.auth import Authenticator

ORGANIZATION_HEADER = "X-Organization-Id"
MAX_ORGANIZATION_BYTES = 512


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller, acting for one of their organizations."""

    principal: Principal
    organization_id: str
    role: Role


async def context_of(request: Request) -> ApiContext:
    """Give what the process works with."""
    return cast(ApiContext, request.app.state.context)


Context = Annotated[ApiContext, Depends(context_of)]


async def member(request: Request, context: Context) -> Caller:
    """Let a member of the named organization in.

    Raises: Unauthenticated, OrganizationMissing, Forbidden.
    """
    principal = await _authenticate(context.authenticator, _bearer_token(request))
    organization_id = _organization_id(request)
    role = principal.organizations.get(organization_id)
    if role is None:
        raise Forbidden("you are not a member of this organization")
    return Caller(principal, organization_id, role)


Member = Annotated[Caller, Depends(member)]


async def manager(caller: Member) -> Caller:
    """Let only an owner, admin or manager in.

    Raises: what `member` raises; Forbidden.
    """
    if not caller.role.manages:
        raise Forbidden("this needs the role OWNER, ADMIN or MANAGER")
    return caller


Manager = Annotated[Caller, Depends(manager)]


def _bearer_token(request: Request) -> str:
    values = request.headers.getlist("Authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise Unauthenticated("send the header Authorization: Bearer <token>")
    return token


async def _authenticate(authenticator: Authenticator, token: str) -> Principal:
    if authenticator.blocks:
        return await asyncio.to_thread(authenticator.authenticate, token)
    return authenticator.authenticate(token)


def _organization_id(request: Request) -> str:
    values = request.headers.getlist(ORGANIZATION_HEADER)
    if len(set(values)) > 1:
        raise OrganizationMissing(f"the header {ORGANIZATION_HEADER} must name one organization")
    name = _utf8(values[0].strip(" \t")) if values else ""
    if not name:
        raise OrganizationMissing(f"send the header {ORGANIZATION_HEADER}")
    if len(name.encode()) > MAX_ORGANIZATION_BYTES or not name.isprintable():
        raise OrganizationMissing(f"the header {ORGANIZATION_HEADER} holds no organization id")
    return name


def _utf8(value: str) -> str:
    """Read a header's bytes, which came as Latin-1, as the UTF-8 that they are."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise OrganizationMissing(f"the header {ORGANIZATION_HEADER} must be UTF-8") from None
