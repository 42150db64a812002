"""A simulator in a thread of its own, for programs and tests that do other things meanwhile."""

import asyncio
import threading
from typing import Self

from hookline.simulator.client import SimulatorClient
from hookline.simulator.options import Options
from hookline.simulator.server import serve
from hookline.simulator.simulator import Simulator

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


class BackgroundSimulator(SimulatorClient):
    """A simulator that runs while this is open. `options` are those it was started with, secrets included.

    with BackgroundSimulator(Options(port=0)) as simulator:
        simulator.subscribe("http://127.0.0.1:3000/api/webhooks")
        simulator.act(PHONE_NUMBER, "ann", "text", text="Hello")
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def __enter__(self) -> Self:
        """Start, and wait until it answers.

        Raises: OSError, if its address cannot be listened on.
        """
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            raise TimeoutError("the simulator did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_SECONDS)

    def environment(self) -> dict[str, str]:
        """The settings with which a Hookline process talks to this simulator, by their names without the prefix."""
        return {
            "SIMULATOR": "true",
            "SIMULATOR_PORT": self.url.rpartition(":")[2],
            "META_APP_ID": self.options.app_id,
            "META_APP_SECRETS": self.options.app_secret,
            "META_VERIFY_TOKEN": self.options.verify_token,
            "INSTAGRAM_APP_ID": self.options.instagram_app_id,
            "INSTAGRAM_APP_SECRETS": self.options.instagram_app_secret,
        }

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self.options, self._stop, listening=self._listening)

    def _listening(self, sim: Simulator) -> None:
        super().__init__(sim.url)
        self._started.set()
