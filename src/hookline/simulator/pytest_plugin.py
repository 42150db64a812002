"""The `simulator` fixture, for the tests of whoever builds on Hookline. Installed with the package.

def test_an_order_is_answered(simulator):
    simulator.subscribe("http://127.0.0.1:8000/api/webhooks")
    simulator.act("50100000000001", "ann", "text", text="Where is my order?")
    assert simulator.settle()
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hookline.simulator.background import BackgroundSimulator
    from hookline.simulator.options import Options


@pytest.fixture(scope="session")
def simulator_options() -> "Options":
    """What the simulator of this test process starts with; override it to set app ids and secrets.

    Redeliveries come a thousand times faster than the platforms'.
    """
    from hookline.simulator.options import Options

    return Options(port=0, retry_factor=1000)


@pytest.fixture(scope="session")
def running_simulator(simulator_options: "Options") -> Iterator["BackgroundSimulator"]:
    """The one simulator of this test process; tests take `simulator`."""
    from hookline.simulator.background import BackgroundSimulator

    with BackgroundSimulator(simulator_options) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: "BackgroundSimulator") -> "BackgroundSimulator":
    """A simulator whose world is as new: the default accounts and people, no faults, no subscriptions."""
    running_simulator.reset(running_simulator.options.seed)
    return running_simulator
