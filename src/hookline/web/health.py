"""/healthz, /readyz, /metrics: for whoever keeps the process running."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from hookline.domain.errors import Unavailable
from hookline.settings import metrics_folder
from hookline.web import models
from hookline.web.answers import Json
from hookline.web.caller import Context
from hookline.web.described import answer, errors
from hookline.web.metrics import registry

READY_SECONDS = 2

router = APIRouter(tags=["Health"])

_OK: Final[dict[str, Any]] = {"status": "ok"}


@router.get(
    "/healthz",
    summary="Is the process alive",
    responses={200: answer(models.Health, _OK, "It is")},
    response_class=Json,
)
async def healthz() -> Json:
    """Answer as long as the process runs, whatever the database does: restart it only if this fails."""
    return Json(_OK)


@router.get(
    "/readyz",
    summary="Is the process ready",
    responses={200: answer(models.Health, _OK, "It is"), **errors(503)},
    response_class=Json,
)
async def readyz(context: Context) -> Json:
    """Answer 200 if the database answers within two seconds, else 503: send no requests here meanwhile."""
    try:
        async with asyncio.timeout(READY_SECONDS), context.pool.acquire() as connection:
            await connection.fetchval("SELECT 1")
    except TimeoutError:
        raise Unavailable("the database does not answer") from None
    return Json(_OK)


@router.get(
    "/metrics",
    summary="Measure the program",
    responses={200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics() -> Response:
    """Answer metrics in Prometheus' text format: of this process, or of all that were started with it by one command.

    Started by `hookline run` or `hookline api --workers`, the processes count together, so that it does not matter
    which of them answers; counts outlive a process that ended. What only one process knows (its memory, its garbage
    collector) is told by a process that runs alone.
    """
    return Response(generate_latest(registry(metrics_folder())), media_type=CONTENT_TYPE_LATEST)
