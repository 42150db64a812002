"""What a simulator starts with."""

from pathlib import Path

import msgspec

DEFAULT_PORT = 3001
DEFAULT_APP_ID = "1020304050607080"
DEFAULT_INSTAGRAM_APP_ID = "9080706050403020"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulator starts with.

    app_id to verify_token: those of the program that is developed. callback_base: where it takes webhooks
    (`…/api/webhooks`); the simulator then subscribes its app by itself, as somebody does in the dashboard.
    retry_factor: redeliveries come so many times faster. state_path: where the world outlives a restart.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    seed: int = 1
    app_id: str = DEFAULT_APP_ID
    app_secret: str = "the simulated app's secret"  # noqa: S105
    instagram_app_id: str = DEFAULT_INSTAGRAM_APP_ID
    instagram_app_secret: str = "the simulated Instagram app's secret"  # noqa: S105
    verify_token: str = "the simulated verify token"  # noqa: S105
    callback_base: str = ""
    retry_factor: float = 1.0
    state_path: Path | None = None
