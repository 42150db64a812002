"""The simulator and the providers agree about sending: all that can be built is taken there, up to the same lengths."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.sends import CASES, EVERYTHING, FACEBOOK, HEARD, INSTAGRAM, LENGTHS, UPLOADED, WHATSAPP, Content
from tests.providers.outbound import MESSAGE, account, message
from tests.simulator.stage import INSTAGRAM_TOKEN, PAGE_TOKEN, WHATSAPP_TOKEN, Stage, open_stage

from hookline.domain.account import IntegrationProvider
from hookline.domain.capability import Limit, NotSupported, check
from hookline.domain.outbound import OutboundMessage, OutboundType
from hookline.providers import PROVIDERS
from hookline.simulator import default
from hookline.simulator.control.perform import perform
from hookline.simulator.files import keep
from hookline.simulator.records import Template

# Each platform's account, its token and its host in the simulator; Instagram by its own login, and by its page's.
ACCOUNTS: dict[str, tuple[IntegrationProvider, str, str, str, dict[str, Any]]] = {
    "whatsapp": (WHATSAPP, default.PHONE_NUMBER, WHATSAPP_TOKEN, "graph", {}),
    "facebook": (FACEBOOK, default.PAGE, PAGE_TOKEN, "graph", {}),
    "instagram": (INSTAGRAM, default.INSTAGRAM_ACCOUNT, INSTAGRAM_TOKEN, "instagram-graph", {"login": "instagram"}),
    "instagram by page": (INSTAGRAM, default.INSTAGRAM_OF_PAGE, PAGE_TOKEN, "graph", {"pageId": default.PAGE}),
}


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    """A simulator in which Ann has written to every account, with the templates and files that are sent."""
    async with open_stage() as found:
        for _, account_id, _, _, _ in ACCOUNTS.values():
            perform(found.sim, account_id, "ann", "text", {"text": "Hello"})
        for name, category, parts in (
            ("sale", "MARKETING", [{"type": "BODY", "text": "Sale"}]),
            ("everything", "UTILITY", EVERYTHING),
        ):
            found.sim.world.add_template(
                Template(
                    id=found.sim.world.ids.digits("template", 16),
                    waba_id=default.WABA,
                    name=name,
                    language="en_US",
                    category=category,
                    status="APPROVED",
                    components=parts,
                    parameter_format="NAMED" if name == "everything" else "POSITIONAL",
                )
            )
        yield found


def address(stage: Stage, name: str) -> str:
    """How Ann is written to by an account."""
    account_id = ACCOUNTS[name][1]
    return "+15550002001" if name == "whatsapp" else stage.sim.world.scoped_id(stage.contact(), account_id)


def ours(stage: Stage, name: str, content: Content) -> OutboundMessage:
    """A message of ours, with what there is put where the case names it."""
    account_id = ACCOUNTS[name][1]
    thread = stage.sim.threads.of(account_id, "ann")
    places = {HEARD: thread.message_ids[0]}
    if UPLOADED in str(content):
        places[UPLOADED] = keep(stage.sim.world, stage.sim.files, account_id, b"file", "image/png", days=1).id
    return message(address(stage, name), **filled(content, places))


def filled(value: Any, places: dict[str, str]) -> Any:
    """Put what there is where a case names it; None leaves out."""
    if isinstance(value, dict):
        return {key: filled(one, places) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [filled(one, places) for one in value]
    return places.get(value, value) if isinstance(value, str) else value


async def sent(stage: Stage, name: str, said: OutboundMessage) -> Any:
    """Build a message, send it, and give the simulator's reply."""
    provider, account_id, token, host, metadata = ACCOUNTS[name]
    sender = PROVIDERS[provider].sender
    call = sender.build(said, account(provider, account_id, **metadata), None if said.is_action else MESSAGE)
    reply = await stage.call("POST", f"{host}/v25.0/{call.path}", token, json=call.body)
    if reply.status == 200 and not said.is_action and said.reaction is None:
        assert sender.read_reply(reply.json).external_id in stage.sim.world.records.messages
    return reply


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name, found in ACCOUNTS.items() for case in CASES[found[0]]]
)
async def test_everything_is_taken(stage: Stage, name: str, case: str) -> None:
    """Whatever we let a CRM send is taken by the platform, and its answer is read."""
    provider = ACCOUNTS[name][0]
    said = ours(stage, name, CASES[provider][case])
    sender = PROVIDERS[provider].sender
    check(said, sender.capabilities, provider)
    sender.check(said)
    reply = await sent(stage, name, said)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("provider", CASES)
def test_every_kind_is_tried(provider: IntegrationProvider) -> None:
    """No kind that a platform can carry is without a case here."""
    capable = set(PROVIDERS[provider].sender.capabilities)
    kinds = {kind.value for kind in OutboundType} & capable
    kinds |= {name.removeprefix("interactive.") for name in capable if name.count(".") == 1 and "interactive" in name}
    said = CASES[provider].values()
    tried = {content.get("interactive", content)["type"] for content in said}
    assert kinds - tried == set()


@pytest.mark.parametrize(("provider", "rule"), [(provider, rule) for provider in LENGTHS for rule in LENGTHS[provider]])
async def test_lengths(stage: Stage, provider: IntegrationProvider, rule: str) -> None:
    """What is as long as our table allows is taken; what is longer by one is refused here, and by the platform."""
    name = next(name for name, found in ACCOUNTS.items() if found[0] is provider)
    sender = PROVIDERS[provider].sender
    limit = sender.capabilities[rule]
    assert isinstance(limit, Limit)
    fits = ours(stage, name, LENGTHS[provider][rule](limit.max))
    check(fits, sender.capabilities, provider)
    reply = await sent(stage, name, fits)
    assert reply.status == 200, reply.body
    longer = ours(stage, name, LENGTHS[provider][rule](limit.max + 1))
    with pytest.raises(NotSupported):
        check(longer, sender.capabilities, provider)
    reply = await sent(stage, name, longer)
    assert reply.status == 400, reply.body
