"""The fake platforms beside the program: `hookline run` brings them along, `hookline simulator` runs them alone."""

import signal
from collections.abc import Iterator

import pytest
from tests.journeys.processes import Program, listens, program, until
from tests.journeys.test_first_minutes import Place, started
from tests.servers import open_folder

from hookline.simulator import default
from hookline.simulator.client import SimulatorClient


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder() as folder:
        yield Place(folder)


def test_a_customer_writes_in_the_first_minute(place: Place) -> None:
    """After `hookline run` the app is subscribed by itself; what a customer writes at the simulator is in our log."""
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        simulator = SimulatorClient(f"http://127.0.0.1:{place.simulator_port}")
        assert simulator.url in running.out
        until(lambda: all(_subscribed(simulator)), "the app's callbacks are set", 20)
        connected = {"externalAccountId": default.PHONE_NUMBER, "metadata": {"wabaId": default.WABA}}
        status, _ = place.ask("POST", "/api/integrations/WHATSAPP/connect", connected, place.caller)
        assert status == 201
        simulator.connect(default.PHONE_NUMBER)
        said = simulator.act(default.PHONE_NUMBER, "mona", "text", text="هل هذا متوفر؟ 👋")
        assert simulator.settle()
        until(place.messages, "the message is in the log", 20)
        (message,) = place.messages()
        assert (message["externalId"], message["text"]) == (said["messageId"], "هل هذا متوفر؟ 👋")
        assert [one["state"] for one in simulator.deliveries()] == ["delivered"]
        assert running.stop() == 0, running.err
        assert not listens(place.simulator_port)
        assert "Traceback" not in running.err


def _subscribed(simulator: SimulatorClient) -> list[bool]:
    (app,) = simulator.world()["apps"]
    return [name in app["subscriptions"] for name in ("whatsapp_business_account", "page", "instagram")]


def test_without_the_simulator_nothing_listens(place: Place) -> None:
    """HOOKLINE_SIMULATOR=false leaves it out, and the banner does not speak of it."""
    place.settings["SIMULATOR"] = "false"
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        assert "fake platforms" not in running.out
        assert not listens(place.simulator_port)
        assert running.stop() == 0, running.err


def test_it_runs_alone_and_remembers(place: Place) -> None:
    """`hookline simulator` needs no database; Ctrl-C ends it at once, and the next start knows its tokens."""
    tokens = []
    for _ in range(2):
        with program(["simulator"], place.folder, place.settings, ready_fd=True) as running:
            simulator = SimulatorClient(running.ready())
            if not tokens:
                tokens.append(simulator.connect(default.PAGE)["accessToken"])
            assert tokens[0] in {token["accessToken"] for token in simulator.tokens()}
            running.signal(signal.SIGINT)
            assert running.wait(20) == 0, running.err


def test_a_port_that_is_taken_is_one_line(place: Place) -> None:
    """A second simulator says what is wrong and what to do, and ends with code 2."""
    with program(["simulator"], place.folder, place.settings, ready_fd=True) as running:
        running.ready()
        done = place.hookline("simulator")
        assert done.returncode == 2
        assert f"cannot listen on 127.0.0.1:{place.simulator_port}" in done.stderr
        assert "HOOKLINE_SIMULATOR_PORT" in done.stderr
        assert _lines(running) == 0


def _lines(running: Program) -> int:
    return running.out.count("\n")


def test_production_has_no_fake_platforms(place: Place) -> None:
    """It refuses to start there."""
    place.settings |= {
        "ENVIRONMENT": "production",
        "JWT_SECRET": "x" * 32,
        "KMS_URI": "aws-kms://arn:aws:kms:x:1:key/1",
    }
    done = place.hookline("simulator")
    assert done.returncode == 2
    assert "the simulator is for development" in done.stderr
