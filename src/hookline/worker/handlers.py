"""Which use case runs a job of which type."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from hookline.bootstrap import WorkerContext
from hookline.domain.job import ENDED, Ended, IntegrationJobType
from hookline.services import bulk
from hookline.services.deliver import Deliver, DeliveryOptions
from hookline.services.disconnect import AccountDisconnect
from hookline.services.inbound_media import MediaFetch
from hookline.services.privacy import PrivacyRequests
from hookline.services.profiles import ProfileFetch
from hookline.services.refresh import TokenRefresh
from hookline.services.retry import run_retry
from hookline.services.sync import AccountSync
from hookline.store.jobs import Job

__all__ = ["ENDED", "Ended", "Handler", "attempt", "default_handlers"]

# A handler that returns None has done its job, and the worker completes it, with others in one statement. One that
# completes it in the transaction of its effects (`claims.finish`) returns ENDED. What it raises is a failed attempt;
# domain/errors.py says of which kind.
Handler: TypeAlias = Callable[[Job], Awaitable[Ended | None]]


async def attempt(handler: Handler, job: Job) -> Ended | None:
    """Have a handler do its job; whatever comes out of it is an attempt that failed.

    So is the cancellation of something that it waited for. That of the task itself goes on.
    """
    try:
        return await handler(job)
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        raise RuntimeError("something that the handler waited for was cancelled") from error


def default_handlers(context: WorkerContext) -> dict[str, Handler]:
    """The handlers of the types that run one by one. (PROCESS_WEBHOOK runs in batches: services/process.py.)"""
    days = context.settings.profile_refresh_days
    outside = (context.pool, context.vault, context.accounts)
    return {
        IntegrationJobType.RETRY: partial(run_retry, context.pool),
        IntegrationJobType.BULK: partial(bulk.go_on, context.pool),
        IntegrationJobType.SEND_MESSAGE: _deliver(context),
        IntegrationJobType.SYNC_ACCOUNT: AccountSync(*outside, context.templates),
        IntegrationJobType.REFRESH_TOKEN: TokenRefresh(*outside),
        IntegrationJobType.DISCONNECT_ACCOUNT: AccountDisconnect(*outside),
        IntegrationJobType.FETCH_MEDIA: _fetch(context),
        IntegrationJobType.FETCH_PROFILE: ProfileFetch(*outside, timedelta(days=days) if days else None),
        IntegrationJobType.PRIVACY_REQUEST: PrivacyRequests(context.pool, context.providers),
    }


def _fetch(context: WorkerContext) -> MediaFetch:
    return MediaFetch(
        context.pool,
        context.providers,
        context.http,
        context.platforms,
        context.objects,
        context.policy,
        max_bytes=context.settings.max_media_bytes,
        access_token=context.access_token,
        note_refusal=context.note_refusal,
    )


def _deliver(context: WorkerContext) -> Deliver:
    settings = context.settings
    return Deliver(
        context.pool,
        context.providers,
        context.http,
        context.platforms,
        context.policy,
        access_token=context.access_token,
        note_refusal=context.note_refusal,
        links=context.links,
        options=DeliveryOptions(
            unknown_for=timedelta(minutes=settings.send_unknown_minutes),
            expiry=timedelta(hours=settings.send_expiry_hours),
        ),
    )
