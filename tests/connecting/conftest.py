"""A town over a fresh database."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SettingsFor
from tests.connecting.town import RETURN_URL, Town, know_each_other, town

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
    know_each_other(OPTIONS, monkeypatch)
    settings = settings_for(database_url, return_urls=(RETURN_URL.rsplit("/", 1)[0],))
    async with town(settings, OPTIONS, monkeypatch) as opened:
        yield opened
