"""Sending by WhatsApp over HTTP: the reply, the statuses, the window, and who cannot be reached."""

from typing import Any

import pytest
from tests.simulator.stage import WHATSAPP_TOKEN, Stage

from hookline.simulator import default
from hookline.simulator.acts import whatsapp as acts
from hookline.simulator.conduct import Reads
from hookline.simulator.limits import Rates
from hookline.simulator.records import Message, Reachability, Token, TokenKind

DAY = 24 * 3600
ANN = "15550002001"


def text(to: str = f"+{ANN}", body: str = "Hello", **more: Any) -> dict[str, Any]:
    """A text to send."""
    return {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": body}, **more}


def template(to: str = f"+{ANN}", name: str = "order_sent", *values: str) -> dict[str, Any]:
    """A template to send."""
    parameters = [{"type": "text", "text": value} for value in values or ("Ann", "7")]
    found: dict[str, Any] = {"name": name, "language": {"code": "en_US"}}
    if name == "order_sent":
        found["components"] = [{"type": "body", "parameters": parameters}]
    return {"messaging_product": "whatsapp", "to": to, "type": "template", "template": found}


def hear(stage: Stage, who: str = "ann", **more: Any) -> Message:
    """Have somebody write, which opens their window."""
    return acts.write(stage.sim, stage.phone, stage.contact(who), "text", {"body": "Hi"}, **more)


async def test_reply(stage: Stage) -> None:
    """A send is answered with what was written, the wa_id, and the message's id."""
    hear(stage)
    reply = await stage.whatsapp(text("+1 (555) 000-2001"))
    assert reply.status == 200
    message_id = reply.json["messages"][0].pop("id")
    assert message_id.startswith("wamid.")
    assert reply.json["messaging_product"] == "whatsapp"
    assert reply.json["contacts"] == [{"input": "+1 (555) 000-2001", "wa_id": ANN}]


async def test_statuses(stage: Stage) -> None:
    """Sent and delivered come by themselves, with price and our own id; read comes when the chat is opened."""
    hear(stage)
    reply = await stage.whatsapp(text(biz_opaque_callback_data="own-7"))
    message_id = reply.json["messages"][0]["id"]
    first = await stage.statuses(message_id)
    assert [status["status"] for status in first] == ["sent", "delivered"]
    for status in first:
        assert (status["recipient_id"], status["biz_opaque_callback_data"]) == (ANN, "own-7")
        assert status["pricing"] == {
            "billable": False,
            "pricing_model": "PMP",
            "category": "service",
            "type": "free_customer_service",
        }
        assert status["timestamp"].isdecimal()
    acts.read(stage.sim, stage.phone, stage.contact())
    acts.read(stage.sim, stage.phone, stage.contact())
    assert [status["status"] for status in await stage.statuses(message_id)] == ["sent", "delivered", "read"]


async def test_statuses_bear_the_contact(stage: Stage) -> None:
    """Sent, delivered and read name the contact; failed does not (reference 2.2)."""
    hear(stage)
    await stage.whatsapp(text())
    stage.contact("joao").reachability = Reachability.UNREACHABLE
    await stage.whatsapp(template("+5511900002002"))
    values = [value for value in await stage.told("messages") if "statuses" in value]
    told = [(value["statuses"][0]["status"], "contacts" in value) for value in values]
    assert told == [("sent", True), ("failed", False), ("delivered", True)]


async def test_older_statuses_bear_the_conversation(stage: Stage) -> None:
    """Versions before v24 tell the conversation; it is the same one for the same person and day."""
    stage.sim.conduct.conversations = True
    hear(stage)
    await stage.whatsapp(text())
    await stage.whatsapp(text())
    conversations = [status["conversation"] for status in await stage.statuses()]
    assert len({conversation["id"] for conversation in conversations}) == 1
    assert conversations[0]["origin"] == {"type": "service"}


async def test_read_by_itself(stage: Stage) -> None:
    """People can be told to read everything at once."""
    stage.sim.conduct.reads = Reads.ALWAYS
    hear(stage)
    await stage.whatsapp(text())
    assert [status["status"] for status in await stage.statuses()] == ["sent", "delivered", "read"]


async def test_played(stage: Stage) -> None:
    """A voice note that was listened to is played, which is more than read."""
    hear(stage)
    body = {**text(), "type": "audio", "audio": {"link": "https://example.test/a.ogg", "voice": True}}
    reply = await stage.whatsapp(body)
    await stage.statuses()
    acts.play(stage.sim, stage.sim.world.records.messages[reply.json["messages"][0]["id"]])
    acts.read(stage.sim, stage.phone, stage.contact())
    assert [status["status"] for status in await stage.statuses()] == ["sent", "delivered", "played"]


async def test_window_closed(stage: Stage) -> None:
    """A day after the person last wrote, a text is accepted and fails with 131047; a template arrives."""
    hear(stage)
    stage.sim.world.clock.advance(DAY)
    reply = await stage.whatsapp(text())
    assert reply.status == 200
    status = (await stage.statuses(reply.json["messages"][0]["id"]))[0]
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131047)
    assert status["errors"][0]["title"] == "Re-engagement message"
    assert "24 hours" in status["errors"][0]["error_data"]["details"]
    assert "pricing" not in status
    reply = await stage.whatsapp(template())
    told = await stage.statuses(reply.json["messages"][0]["id"])
    assert [status["status"] for status in told] == ["sent", "delivered"]
    assert told[0]["pricing"] == {
        "billable": True,
        "pricing_model": "PMP",
        "category": "utility",
        "type": "regular",
    }


async def test_window_refused_at_once(stage: Stage) -> None:
    """The other documented way: the send itself is refused with 131047."""
    stage.sim.conduct.window_refused = True
    reply = await stage.whatsapp(text())
    assert (reply.status, reply.error) == (400, (131047, None))
    assert reply.json["error"]["error_data"]["messaging_product"] == "whatsapp"


async def test_window_is_as_long_as_a_day(stage: Stage) -> None:
    """A second before its end the window is open, and writing again opens it anew."""
    hear(stage)
    stage.sim.world.clock.advance(DAY - 2)
    await stage.whatsapp(text())
    hear(stage)
    stage.sim.world.clock.advance(DAY - 2)
    await stage.whatsapp(text())
    assert [status["status"] for status in await stage.statuses()].count("failed") == 0


@pytest.mark.parametrize(
    ("prepare", "statuses"),
    [
        ({"reachability": Reachability.OFFLINE}, ["sent"]),
        ({"reachability": Reachability.UNREACHABLE}, ["failed 131026"]),
        ({"blocks": [default.PHONE_NUMBER]}, ["sent"]),
    ],
)
async def test_people_who_are_not_reached(stage: Stage, prepare: dict[str, Any], statuses: list[str]) -> None:
    """A phone that is off, and one that has blocked the number, leave a message at sent; nobody at all fails it."""
    hear(stage)
    for name, value in prepare.items():
        setattr(stage.contact(), name, value)
    await stage.whatsapp(text())
    told = [f"{one['status']} {one['errors'][0]['code'] if 'errors' in one else ''}" for one in await stage.statuses()]
    assert [one.strip() for one in told] == statuses


async def test_coming_online(stage: Stage) -> None:
    """What was sent to a phone that was off arrives when it goes on."""
    hear(stage)
    stage.contact().reachability = Reachability.OFFLINE
    await stage.whatsapp(text())
    assert [status["status"] for status in await stage.statuses()] == ["sent"]
    acts.come_online(stage.sim, stage.contact())
    assert [status["status"] for status in await stage.statuses()] == ["sent", "delivered"]


async def test_marketing_unwanted(stage: Stage) -> None:
    """Who has stopped marketing gets other templates, and marketing fails with 131050 until they resume."""
    stage.sim.world.records.templates["70100000000002"].category = "MARKETING"
    acts.want_marketing(stage.sim, stage.phone, stage.contact(), wanted=False)
    await stage.whatsapp(template())
    await stage.whatsapp(template(f"+{ANN}", "hello_world"))
    acts.want_marketing(stage.sim, stage.phone, stage.contact(), wanted=True)
    await stage.whatsapp(template())
    statuses = await stage.statuses()
    assert [status["errors"][0]["code"] for status in statuses if status["status"] == "failed"] == [131050]
    assert [status["status"] for status in statuses].count("delivered") == 2
    preferences = await stage.told("user_preferences")
    assert [one["user_preferences"][0]["value"] for one in preferences] == ["stop", "resume"]


async def test_strangers(stage: Stage) -> None:
    """A number that nobody has is given to somebody new; or, if control says so, it is not on WhatsApp."""
    reply = await stage.whatsapp(template("+4917012345678"))
    assert reply.json["contacts"] == [{"input": "+4917012345678", "wa_id": "4917012345678"}]
    stage.sim.conduct.strangers = False
    reply = await stage.whatsapp(template("+4917087654321"))
    status = (await stage.statuses(reply.json["messages"][0]["id"]))[0]
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131026)


@pytest.mark.parametrize("dialled", ["+551100002002", "+5511900002002"])
async def test_brazils_ninth_digit(stage: Stage, dialled: str) -> None:
    """The wa_id may differ from the number that was dialled (reference 0.2)."""
    reply = await stage.whatsapp(template(dialled))
    assert reply.json["contacts"] == [{"input": dialled, "wa_id": "5511900002002"}]


async def test_hidden_phone(stage: Stage) -> None:
    """Somebody with a user name is written to by their business-scoped id, and no webhook shows their number."""
    hear(stage, "hidden")
    user_id = stage.sim.world.scoped_id(stage.contact("hidden"), default.BUSINESS)
    body = {**text(), "recipient": user_id}
    del body["to"]
    reply = await stage.whatsapp(body)
    assert reply.json["contacts"] == [{"input": user_id, "user_id": user_id}]
    statuses = await stage.statuses()
    assert [status["status"] for status in statuses] == ["sent", "delivered"]
    assert {status["recipient_user_id"] for status in statuses} == {user_id}
    assert "4915500002004" not in str(stage.posts)


async def test_code_to_a_hidden_phone(stage: Stage) -> None:
    """Authentication templates cannot go to a business-scoped id: 131062."""
    one = stage.sim.world.records.templates["70100000000001"]
    one.category = "AUTHENTICATION"
    one.components = [{"type": "BODY"}]
    user_id = stage.sim.world.scoped_id(stage.contact("hidden"), default.BUSINESS)
    body = template(name="hello_world")
    del body["to"]
    body["template"]["components"] = [{"type": "body", "parameters": [{"type": "text", "text": "123456"}]}]
    assert (await stage.whatsapp({**body, "recipient": user_id})).error == (131062, None)


REFUSED = {
    "to itself": (text("+15550001001"), 131021),
    "nobody by this id": ({"messaging_product": "whatsapp", "recipient": "US.1", "text": {"body": "H"}}, 131026),
    "an unknown file": ({**text(), "type": "image", "image": {"id": "1"}}, 131009),
    "a reaction to an unknown message": (
        {**text(), "type": "reaction", "reaction": {"message_id": "wamid.X", "emoji": "👍"}},
        131009,
    ),
    "an unknown template": (template(f"+{ANN}", "nothing"), 132001),
    "a template with too little": (template(f"+{ANN}", "order_sent", "Ann"), 132000),
    "having read an unknown message": ({"messaging_product": "whatsapp", "status": "read", "message_id": "w"}, 131009),
    "nothing": ({}, 100),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(stage: Stage, case: str) -> None:
    """What names something that is not there is refused with its code, in the vendor's envelope."""
    body, code = REFUSED[case]
    reply = await stage.whatsapp(body)
    error = reply.json["error"]
    assert reply.status == (404 if code == 132001 else 400)
    assert (error["code"], error["type"], bool(error["fbtrace_id"])) == (code, "OAuthException", True)
    assert error["message"].startswith(f"(#{code})")
    assert not stage.sim.counters.sends


async def test_not_registered(stage: Stage) -> None:
    """A number that is not registered sends nothing."""
    assert (await stage.whatsapp(text(), phone=default.SECOND_PHONE_NUMBER)).error == (133010, None)


async def test_allow_list(stage: Stage) -> None:
    """A test number writes to those alone who are on its list."""
    stage.sim.conduct.allowed = ["15550009999"]
    assert (await stage.whatsapp(template())).error == (131030, None)


async def test_tokens(stage: Stage) -> None:
    """A send needs a token that is valid, reaches the number, and may send."""
    path = f"graph/v25.0/{default.PHONE_NUMBER}/messages"
    assert (await stage.call("POST", path, json=text())).error == (190, None)
    stage.sim.world.records.tokens[WHATSAPP_TOKEN].dead = "password"
    reply = await stage.whatsapp(text())
    assert (reply.status, reply.error) == (401, (190, 460))
    for value, user, scopes in (
        ("reads", default.OWNER, ["whatsapp_business_management"]),
        ("elsewhere", default.COLLEAGUE, ["whatsapp_business_messaging"]),
    ):
        token = Token(
            value=value,
            kind=TokenKind.SYSTEM_USER,
            app_id=next(iter(stage.sim.world.records.apps)),
            user_id=user,
            subject_id=user,
            scopes=scopes,
        )
        stage.sim.world.add_token(token)
    assert (await stage.call("POST", path, "reads", json=text())).error == (10, None)
    assert (await stage.call("POST", path, "elsewhere", json=text())).error == (100, 33)


async def test_reaction(stage: Stage) -> None:
    """A reaction is only ever sent, and is no line of the conversation; one to an old message is refused."""
    heard = hear(stage)
    body = {**text(), "type": "reaction", "reaction": {"message_id": heard.id, "emoji": "👍"}}
    await stage.whatsapp(body)
    assert [status["status"] for status in await stage.statuses()] == ["sent"]
    assert list(heard.reactions.values()) == ["👍"]
    thread = stage.sim.threads.of(stage.phone.id, "ann")
    assert len(list(stage.sim.threads.messages(thread))) == 1
    stage.sim.world.clock.advance(31 * DAY)
    assert (await stage.whatsapp(body)).error == (131009, None)


async def test_mark_read_and_typing(stage: Stage) -> None:
    """Marking a message as read marks earlier ones too; the typing indicator ends by itself or with the answer."""
    first, second = hear(stage), hear(stage)
    third = hear(stage, at=stage.sim.world.clock.now() + 5)
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": second.id}
    reply = await stage.whatsapp({**body, "typing_indicator": {"type": "text"}})
    assert reply.json == {"success": True}
    assert [first.status, second.status, third.status] == ["read", "read", ""]
    thread = stage.sim.threads.of(stage.phone.id, "ann")
    assert 20 < thread.typing_until - stage.sim.world.clock.now() <= 25
    await stage.whatsapp(text())
    assert thread.typing_until == 0


async def test_links_are_looked_at_if_told_to(stage: Stage) -> None:
    """By itself the simulator takes every link; told to look, it fails a message whose link leads nowhere."""
    hear(stage)
    body = {**text(), "type": "image", "image": {"link": f"{stage.sim.url}/nothing.png"}}
    await stage.whatsapp(body)
    assert [status["status"] for status in await stage.statuses()] == ["sent", "delivered"]
    stage.sim.conduct.check_links = True
    reply = await stage.whatsapp(body)
    status = (await stage.statuses(reply.json["messages"][0]["id"]))[0]
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131053)


async def test_pair_limit(stage: Stage) -> None:
    """45 messages at once to one person, then one every six seconds; others are not affected."""
    for number in range(45):
        assert (await stage.whatsapp(template())).status == 200, number
    refused = await stage.whatsapp(template())
    assert (refused.status, refused.error) == (400, (131056, None))
    assert (await stage.whatsapp(template("+201000002003"))).status == 200
    stage.sim.world.clock.advance(6)
    assert [(await stage.whatsapp(template())).status for _ in range(2)] == [200, 400]
    assert stage.sim.counters.over_limit == {"pair": 2}


@pytest.mark.parametrize(
    ("throughput", "on_business_app", "rate"), [("STANDARD", False, 80), ("HIGH", False, 1000), ("STANDARD", True, 20)]
)
async def test_throughput(stage: Stage, throughput: str, on_business_app: bool, rate: int) -> None:
    """A number sends 80 messages a second, 1000 after its upgrade, 20 beside the phone app; then 130429."""
    stage.phone.throughput, stage.phone.on_business_app = throughput, on_business_app
    stage.sim.limits.rates = Rates(pair_seconds=0)
    frozen = stage.sim.world.clock.now()
    stage.sim.world.clock.now = lambda: frozen  # type: ignore[method-assign]
    for _ in range(rate):
        stage.sim.limits.number(stage.phone)
    refused = await stage.whatsapp(template())
    assert (refused.status, refused.error) == (400, (130429, None))
    assert stage.sim.counters.over_limit == {"number": 1}


async def test_sends_are_counted_by_own_id(stage: Stage) -> None:
    """Whoever sends a message twice under one id of their own can be told so."""
    hear(stage)
    await stage.whatsapp(text(biz_opaque_callback_data="own-1"))
    await stage.whatsapp(text(biz_opaque_callback_data="own-2"))
    await stage.whatsapp(text(biz_opaque_callback_data="own-2"))
    report = stage.sim.counters.report()
    assert (report["sends"], report["messages"], report["sentMoreThanOnce"]) == (3, 2, {"own-2": 2})


async def test_marketing_endpoint(stage: Stage) -> None:
    """The marketing endpoint takes marketing templates and nothing else."""
    assert (await stage.whatsapp(template(), edge="marketing_messages")).error == (134100, None)
    assert (await stage.whatsapp(text(), edge="marketing_messages")).error == (134100, None)
    stage.sim.world.records.templates["70100000000002"].category = "MARKETING"
    reply = await stage.whatsapp(template(), edge="marketing_messages")
    assert (reply.status, reply.json["success"]) == (200, True)
