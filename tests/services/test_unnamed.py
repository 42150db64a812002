"""Generic webhooks that name no account, which development takes: they wait for the account that connects next."""

import pytest
from tests.services import bodies
from tests.services.desk import Desk, result_of


async def test_the_first_account_gets_what_came_before_it(desk: Desk) -> None:
    """The specification's curl line works in any order: posted first, its message is there once an account connects."""
    await desk.post(bodies.generic("m-1"), latest=True)
    event = await desk.event()
    assert (event["status"], event["organization_id"], event["external_account_id"]) == ("PENDING", None, None)
    await desk.connect("page-1", provider="FACEBOOK")
    assert not await desk.keep_up(), "it is for another platform"
    account = await desk.connect()
    assert await desk.keep_up()
    assert (await desk.event())["connected_account_id"] == account.id
    assert await desk.process() == 1
    assert bodies.ids(await desk.messages()) == ["m-1"]


async def test_the_organization_that_is_named_gets_it(desk: Desk) -> None:
    """It waits for an account of that organization, and passes over others."""
    await desk.connect("phone-1", "org-1")
    await desk.post(bodies.generic("m-2"), latest=True, hint="org-2")
    await desk.keep_up()
    assert (await desk.event())["organization_id"] is None
    await desk.connect("phone-2", "org-2")
    await desk.keep_up()
    assert (await desk.event())["organization_id"] == "org-2"


async def test_one_account_gets_it(desk: Desk) -> None:
    """Where several connect at the same time, the latest gets it, and no other."""
    await desk.post(bodies.generic("m-1"), latest=True)
    await desk.connect("phone-1", wabaId="waba-1", displayPhoneNumber="15550783881")
    latest = await desk.connect("phone-2", "org-2", wabaId="waba-2", displayPhoneNumber="15550783882")
    await desk.keep_up()
    assert (await desk.event())["connected_account_id"] == latest.id
    assert await desk.process() == 1


async def test_elsewhere_it_has_no_owner(desk: Desk) -> None:
    """Production gives nobody what names no account: it has ended, and no account that connects changes that."""
    await desk.post(bodies.generic("m-1"), latest=False)
    await desk.connect()
    await desk.keep_up()
    event = await desk.event()
    assert (event["status"], event["organization_id"]) == ("PROCESSED", None)
    assert result_of(event)[0]["outcome"] == "unsupported"


@pytest.mark.parametrize("name", ["latest:", "latest:org-1"])
async def test_nobody_can_claim_to_name_no_account(desk: Desk, name: str) -> None:
    """An account id that looks like none is an id that nobody has."""
    await desk.post(bodies.dump({"eventType": "message", "data": {"text": "x"}, "externalAccountId": name}))
    await desk.connect()
    await desk.keep_up()
    assert (await desk.event())["organization_id"] is None
