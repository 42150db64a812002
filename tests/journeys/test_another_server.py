"""The whole program on a PostgreSQL of somebody else's, the oldest version that it promises to work with."""

from collections.abc import Iterator

import pytest
from tests.journeys.processes import program, until
from tests.journeys.test_first_minutes import Place, started
from tests.servers import DEBIAN_15, open_folder, server

pytestmark = pytest.mark.skipif(not DEBIAN_15.exists(), reason="no PostgreSQL 15 is installed (Debian's postgresql-15)")


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder() as folder, server(DEBIAN_15) as url:
        place = Place(folder)
        place.settings["DATABASE_URL"] = url
        yield place


def test_with_a_url_that_server_is_used(place: Place) -> None:
    """With a database URL no server is started; the schema is made there, and a webhook becomes a message to find."""
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        assert not list((place.folder / "data").glob("postgres-*"))
        place.ask("POST", "/api/integrations/WHATSAPP/connect", {"externalAccountId": "number-1"}, place.caller)
        body = {"eventType": "message", "data": {"from": "+1234567890", "text": "Hello, I want to buy an iPhone"}}
        assert place.ask("POST", "/api/webhooks/WHATSAPP", body) == (200, {"status": "received"})
        until(place.messages, "the message is there")
        status, found = place.ask("GET", "/api/messages?q=iphone", headers=place.caller)
        assert (status, [one["text"] for one in found["items"]]) == (200, ["Hello, I want to buy an iPhone"])
        status, feed = place.ask("GET", "/api/events", headers=place.caller)
        assert [fact["type"] for fact in feed["items"]] == ["account.connected", "contact.created", "message.received"]
        assert running.stop() == 0
