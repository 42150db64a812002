"""The REST API: its routes, and what every error is answered with."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hookline.bootstrap import ApiContext
from hookline.domain.capability import NotSupported
from hookline.domain.connect_error import Gone, NotConfigured, PlatformRefused, PlatformUnreachable
from hookline.domain.errors import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    OrganizationMissing,
    RequestError,
    SignatureMismatch,
    Unauthenticated,
    Unavailable,
)
from hookline.domain.privacy import BadSignedRequest
from hookline.domain.refusal import SendRefused
from hookline.store.pool import DATABASE_AWAY
from hookline.web import (
    capabilities,
    consent,
    consent_page,
    contacts,
    conversations,
    docs,
    events,
    health,
    integrations,
    jobs,
    media,
    messages,
    pauses,
    privacy,
    sends,
    templates,
    webhook_events,
)
from hookline.web.caller import ORGANIZATION_HEADER
from hookline.web.openapi import describe
from hookline.web.problems import CONTENT_TYPE, problem, problem_body
from hookline.web.validation import InvalidFields, complaints

RETRY_AFTER_SECONDS = 5

STATUS: Final[Mapping[type[RequestError], int]] = {
    OrganizationMissing: 400,
    BadSignedRequest: 400,
    Unauthenticated: 401,
    SignatureMismatch: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    BodyTooLarge: 413,
    InvalidRequest: 422,
    NotConfigured: 501,
    PlatformRefused: 502,
    PlatformUnreachable: 504,
    NotSupported: 422,
    SendRefused: 422,
}

# What a caller can only wait for.
AWAY: Final[tuple[type[Exception], ...]] = (Unavailable, *DATABASE_AWAY, asyncpg.TransactionRollbackError)

log = structlog.get_logger(__name__)


def create_api(context: ApiContext) -> FastAPI:
    """Put the API together. Webhooks are received in front of it (web/webhooks.py); it only documents them."""
    app = FastAPI(
        title="Hookline",
        version="1",
        middleware=[*_cross_origin(context.settings.cors_origins), Middleware(Guard)],
        exception_handlers=_handlers(),
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # Exporters are the operator's choice, and validation failures quote what was sent.
        telemetry={"auto_configure": False, "logs": False},
    )
    app.state.context = context
    # /api/jobs/pauses is not a job's id: it is asked first.
    app.include_router(pauses.jobs_router)
    app.include_router(pauses.accounts_router)
    for resource in (
        consent,
        integrations,
        templates,
        messages,
        sends,
        media,
        conversations,
        contacts,
        capabilities,
        webhook_events,
        privacy,
        jobs,
        events,
        health,
        docs,
    ):
        app.include_router(resource.router)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _cross_origin(origins: tuple[str, ...]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", ORGANIZATION_HEADER, "Idempotency-Key", "Content-Type"],
            expose_headers=["Retry-After"],
            allow_credentials=False,
        )
    ]


def _handlers() -> dict[int | type[Exception], Callable[[Request, Any], Any]]:
    return {
        RequestError: _refuse,
        RequestValidationError: _refuse_query,
        HTTPException: _refuse_route,
        **dict.fromkeys(AWAY, _ask_to_retry),
    }


def _answer(status: int, slug: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    return Response(problem_body(status, slug, detail, **more), status, headers, CONTENT_TYPE)


async def _refuse(request: Request, error: RequestError) -> Response:
    """Answer a request that cannot be fulfilled as it is, by the error's class."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if consent_page.wanted(request):
        return consent_page.refused(status, error)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    more = dict(error.more)
    if isinstance(error, InvalidRequest):
        more.setdefault("errors", [{"location": "request", "message": str(error)}])
    return _answer(status, error.slug, str(error), headers, **more)


async def _refuse_query(request: Request, error: RequestValidationError) -> Response:
    return await _refuse(request, InvalidFields(complaints(error.errors())))


async def _refuse_route(request: Request, error: HTTPException) -> Response:
    """Answer what the framework refuses: no such route, no such method there."""
    detail = {404: "there is nothing at this path", 405: "this path does not know this method"}
    phrase = HTTPStatus(error.status_code).phrase
    slug = phrase.lower().replace(" ", "-")
    return _answer(error.status_code, slug, detail.get(error.status_code, phrase), error.headers)


async def _ask_to_retry(request: Request, error: Exception) -> Response:
    """Answer that the database cannot do it now. What asyncpg calls an interface error may also be a bug of ours."""
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        raise error
    log.warning("something that is needed is not available", reason=type(error).__name__, path=request.url.path)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _answer(503, "unavailable", "this cannot be done at the moment; try again", headers)


class Guard:
    """The last word on every answer: headers that keep it from being sniffed or kept, and no error untold."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer 500 if it fails in a way that nobody foresaw."""
        started = False

        async def answer(message: Mapping[str, Any]) -> None:
            nonlocal started
            given = dict(message)
            if message["type"] == "http.response.start":
                started = True
                _secure(given)
            await send(given)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            log.info("the client went away", path=scope["path"])
        except Exception:
            if started:
                raise
            log.exception("a request failed", method=scope["method"], path=scope["path"])
            await problem(answer, 500, "internal", "something went wrong here; it has been noted")


def _secure(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
