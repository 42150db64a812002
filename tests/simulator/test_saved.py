"""The world over a restart, and the callbacks that the simulator sets by itself."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from hookline.simulator import default
from hookline.simulator.control.perform import perform
from hookline.simulator.grants import Consent, give_token
from hookline.simulator.options import Options
from hookline.simulator.records import TokenKind
from hookline.simulator.server import running
from hookline.simulator.simulator import Simulator


def token_of(sim: Simulator) -> str:
    """A token of the default owner."""
    consent = Consent(user_id=default.OWNER, scopes=["public_profile"])
    return give_token(
        sim, sim.options.app_id, consent, kind=TokenKind.USER, subject_id=default.OWNER, seconds=3600
    ).value


async def test_the_world_outlives_a_restart(tmp_path: Path) -> None:
    """Tokens, people, conversations and the clock are there again; ids are never given twice."""
    options = Options(port=0, state_path=tmp_path / "state" / "simulator.json")
    async with running(options) as sim:
        token = token_of(sim)
        said = perform(sim, default.PHONE_NUMBER, "ann", "text", {"text": "Remember me"})["messageId"]
        psid = sim.world.scoped_id(sim.world.records.contacts["ann"], default.PAGE)
        sim.world.clock.advance(1000)
    file = tmp_path / "state" / "simulator.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with running(options) as sim:
        assert token in sim.world.records.tokens
        assert sim.world.contact_of(default.PAGE, psid) is sim.world.records.contacts["ann"]
        assert sim.world.clock.offset_seconds == 1000
        thread = sim.threads.of(default.PHONE_NUMBER, "ann")
        assert [message.id for message in sim.threads.messages(thread)] == [said]
        assert perform(sim, default.PHONE_NUMBER, "ann", "text", {"text": "Again"})["messageId"] != said


async def test_a_restart_takes_the_programs_new_secrets(tmp_path: Path) -> None:
    """The app is that of the options, with the subscriptions that it had."""
    path = tmp_path / "simulator.json"
    async with running(Options(port=0, state_path=path)) as sim:
        sim.world.records.apps[sim.options.app_id].subscriptions.clear()
    async with running(Options(port=0, state_path=path, app_secret="another")) as sim:
        assert sim.world.records.apps[sim.options.app_id].secret == "another"


async def test_a_file_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    """What another version, or nobody, has written does not keep the simulator from starting."""
    path = tmp_path / "simulator.json"
    path.write_text('{"seed": "none"}')
    async with running(Options(port=0, state_path=path)) as sim:
        assert default.PHONE_NUMBER in sim.world.records.phone_numbers
    assert json.loads(path.read_text())["seed"] == 1


async def test_the_world_is_saved_while_it_runs(tmp_path: Path) -> None:
    """Whoever is killed loses seconds, not the world."""
    path = tmp_path / "simulator.json"
    async with running(Options(port=0, state_path=path)) as sim:
        token = token_of(sim)
        await until(lambda: path.exists() and token in path.read_text())


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(100):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come true")


async def test_the_app_is_subscribed_as_soon_as_its_callbacks_answer() -> None:
    """A program that starts after the simulator gets its webhooks all the same; and again after a reset."""
    ready, asked = False, []

    async def answer(request: web.BaseRequest) -> web.Response:
        if not ready:
            return web.Response(status=503)
        asked.append(request.path)
        return web.Response(text=request.query["hub.challenge"])

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/api/webhooks"
        async with running(Options(port=0, callback_base=base)) as sim:
            await asyncio.sleep(0.3)
            assert sim.world.records.apps[sim.options.app_id].subscriptions == {}
            ready = True
            await until(lambda: len(sim.subscribed) == 3)
            app = sim.world.records.apps[sim.options.app_id]
            assert app.subscriptions["page"].callback_url == f"{base}/facebook"
            assert app.data_deletion_url == f"{base}/facebook/data-deletion"
            await sim.reset(2)
            await until(lambda: len(sim.subscribed) == 3)
    finally:
        await runner.cleanup()
    assert sorted(set(asked)) == [f"/api/webhooks/{name}" for name in ("facebook", "instagram", "whatsapp")]
