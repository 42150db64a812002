"""A town over a fresh database."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettingsFor
from tests.connecting.town import RETURN_URL, Town, town

from hookline.simulator.options import Options

OPTIONS = Options(
    port=0,
    app_secret="the-app-secret-of-the-test",
    instagram_app_secret="the-instagram-secret-of-the-test",
    verify_token="the-verify-token-of-the-test",
)


@pytest.fixture
async def place(settings_for: SettingsFor, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """The API, a worker, and the simulated platforms, which know each other."""
    given = {
        "META_APP_ID": OPTIONS.app_id,
        "META_APP_SECRETS": OPTIONS.app_secret,
        "META_VERIFY_TOKEN": OPTIONS.verify_token,
        "INSTAGRAM_APP_ID": OPTIONS.instagram_app_id,
        "INSTAGRAM_APP_SECRETS": OPTIONS.instagram_app_secret,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"HOOKLINE_{name}", value)
    settings = settings_for(database_url, return_urls=(RETURN_URL.rsplit("/", 1)[0],))
    async with town(settings, OPTIONS, monkeypatch) as opened:
        yield opened
