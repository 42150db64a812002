"""A worker process that sends to a simulator: `python sender.py DATABASE_URL SIMULATOR_URL TOKENS_BY_ACCOUNT`."""

import asyncio
import json
import signal
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

from hookline.bootstrap import WorkerContext
from hookline.domain.job import IntegrationJobType
from hookline.domain.provider_error import ProviderError
from hookline.providers import PROVIDERS
from hookline.providers.http import HttpClient
from hookline.services.deliver import Deliver, DeliveryOptions
from hookline.services.failure import DEFAULT_POLICY
from hookline.settings import Settings
from hookline.store.pool import Connection, open_pool
from hookline.worker import Worker


async def main(database_url: str, simulator_url: str, tokens: dict[str, str]) -> None:
    """Work until SIGTERM."""
    platforms = {
        "META_GRAPH_URL": f"{simulator_url}/graph",
        "META_GRAPH_VERSION": "v25.0",
        "META_APP_SECRETS": "the simulated app's secret",
        "INSTAGRAM_GRAPH_URL": f"{simulator_url}/instagram-graph",
        "INSTAGRAM_APP_SECRETS": "the simulated Instagram app's secret",
    }

    async def access_token(_: Connection, account_id: UUID, organization_id: str) -> str:
        return tokens[str(account_id)]

    async def note_refusal(
        _: Connection, account_id: UUID, organization: str, error: ProviderError, token: Any
    ) -> None:
        print(f"{account_id} was refused: {error}", file=sys.stderr)

    settings = Settings(_env_file=None, database_url=database_url, jwt_secret="x" * 40)  # type: ignore[call-arg]
    pool = await open_pool(database_url, size=8, application_name="sender", batches=True)
    async with pool, HttpClient() as http:
        deliver = Deliver(
            pool,
            PROVIDERS,
            http,
            platforms,
            DEFAULT_POLICY,
            access_token=access_token,
            note_refusal=note_refusal,
            options=DeliveryOptions(unknown_for=timedelta(seconds=2)),
        )
        context = WorkerContext(settings, PROVIDERS, pool, http, platforms)
        worker = Worker(context, {IntegrationJobType.SEND_MESSAGE: deliver})
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()
        await deliver.close()


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
