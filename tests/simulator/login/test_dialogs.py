"""The consent dialogs: pages for people, and what an app gets back from them."""

from html.parser import HTMLParser
from typing import Any

import pytest
from tests.simulator.login.steps import (
    REDIRECT,
    answer_in,
    consent,
    decide,
    exchange,
    exchange_instagram,
    facebook_dialog,
    instagram_dialog,
)
from tests.simulator.stage import Stage

from hookline.simulator import default


class Labels(HTMLParser):
    """Counts the inputs that stand in a label, and those that do not."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.labelled = self.bare = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note a label or an input."""
        self.depth += tag == "label"
        if tag == "input":
            self.labelled += self.depth > 0
            self.bare += self.depth == 0

    def handle_endtag(self, tag: str) -> None:
        """Leave a label."""
        self.depth -= tag == "label"


DIALOGS = {
    "facebook": facebook_dialog(),
    "facebook with instagram": facebook_dialog(scope="pages_show_list,instagram_basic,instagram_manage_messages"),
    "signup": facebook_dialog(scope="", config_id=default.EMBEDDED_SIGNUP_CONFIG),
    "instagram": instagram_dialog(),
}


@pytest.mark.parametrize("dialog", DIALOGS.values(), ids=DIALOGS)
async def test_a_dialog_is_a_page_that_everybody_can_use(stage: Stage, dialog: str) -> None:
    """It has a language, a heading, a label for every box, buttons in words, and loads nothing from elsewhere."""
    reply = await stage.call("GET", dialog)
    text = reply.body.decode()
    labels = Labels()
    labels.feed(text)
    assert reply.status == 200
    assert labels.labelled > 0
    assert labels.bare == 0
    assert '<html lang="en">' in text
    assert text.count("<h1>") == 1
    assert ">Allow</button>" in text
    assert "<script" not in text
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    style = await stage.call("GET", "static/simulator.css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")


async def test_what_an_app_sends_is_only_text_on_the_page(stage: Stage) -> None:
    """Signs of HTML in the query do not become part of the page."""
    reply = await stage.call(
        "GET", facebook_dialog(state='"><script>alert(1)</script>', redirect_uri=f'{REDIRECT}?"<b>')
    )
    assert reply.status == 200
    assert b"<script>" not in reply.body
    assert b"<b>" not in reply.body


async def test_allow_sends_back_a_code_and_the_state_as_it_was(stage: Stage) -> None:
    """The code comes with the exact state; Facebook adds its fragment, which can be turned off."""
    reply = await decide(stage, facebook_dialog(), ("scope", "pages_show_list"), ("page", default.PAGE))
    location = reply.headers["Location"]
    assert reply.status == 302
    assert location.startswith(REDIRECT + "?code=")
    assert location.endswith("#_=_")
    assert answer_in(location)["state"] == "a state/with & signs"
    stage.sim.behaviour.facebook_fragment = False
    again = await decide(stage, facebook_dialog(redirect_uri=f"{REDIRECT}?kept=1"))
    assert again.headers["Location"].startswith(f"{REDIRECT}?kept=1&code=")
    assert "#" not in again.headers["Location"]


async def test_deny_sends_back_the_documented_error(stage: Stage) -> None:
    """Facebook and Instagram say access_denied and user_denied, with the state."""
    facebook = answer_in((await decide(stage, facebook_dialog(), decision="deny")).headers["Location"])
    assert (facebook["error"], facebook["error_reason"]) == ("access_denied", "user_denied")
    assert facebook["state"] == "a state/with & signs"
    instagram = answer_in((await decide(stage, instagram_dialog(), decision="deny")).headers["Location"])
    assert (instagram["error"], instagram["error_reason"]) == ("access_denied", "user_denied")
    assert "code" not in facebook | instagram


async def test_only_what_is_ticked_is_granted(stage: Stage) -> None:
    """Scopes and pages that were not ticked are not in the token; nor is what was not asked for."""
    reply = await decide(
        stage,
        facebook_dialog(),
        ("scope", "pages_show_list"),
        ("scope", "pages_messaging"),
        ("scope", "business_management"),
        ("page", default.BUSINESS_PAGE),
    )
    token = (await exchange(stage, answer_in(reply.headers["Location"])["code"])).json["access_token"]
    granted = stage.sim.world.records.tokens[token]
    assert granted.scopes == ["public_profile", "pages_show_list", "pages_messaging"]
    assert granted.granular["pages_messaging"] == [default.BUSINESS_PAGE]


async def test_nobody_grants_what_is_not_theirs(stage: Stage) -> None:
    """A colleague sees and grants only the pages they have a role on, and no WhatsApp account at all."""
    dialog = facebook_dialog(person=default.COLLEAGUE)
    shown = (await stage.call("GET", dialog)).body.decode()
    assert "Phone Store" in shown
    assert "Outlet" not in shown
    reply = await decide(stage, dialog, ("scope", "pages_show_list"), ("page", default.BUSINESS_PAGE))
    token = (await exchange(stage, answer_in(reply.headers["Location"])["code"])).json["access_token"]
    assert stage.sim.world.records.tokens[token].granular["pages_show_list"] == []
    signup = await stage.call("GET", facebook_dialog(scope="whatsapp_business_management", person=default.COLLEAGUE))
    assert "You manage no WhatsApp account" in signup.body.decode()


REFUSED = {
    "unknown app": facebook_dialog(client_id="12"),
    "relative redirect": facebook_dialog(redirect_uri="/callback"),
    "redirect with a fragment": facebook_dialog(redirect_uri=REDIRECT + "#x"),
    "redirect to a script": facebook_dialog(redirect_uri="javascript:alert(1)"),
    "unknown scope": facebook_dialog(scope="pages_show_list,read_minds"),
    "a token instead of a code": facebook_dialog(response_type="token"),
    "unknown configuration": facebook_dialog(scope="", config_id="1"),
    "instagram with the Meta app's id": instagram_dialog(client_id=default.PAGE),
    "instagram's dead scopes": instagram_dialog(scope="business_basic,business_manage_messages"),
    "instagram without the basic scope": instagram_dialog(scope="instagram_business_manage_messages"),
}


@pytest.mark.parametrize("dialog", REFUSED.values(), ids=REFUSED)
async def test_a_dialog_that_is_wrongly_asked_for_sends_nobody_anywhere(stage: Stage, dialog: str) -> None:
    """The person is told why, on a page; there is no redirect, and no code."""
    for method in ("GET", "POST"):
        reply = await stage.call(method, dialog, data={"decision": "allow"} if method == "POST" else None)
        assert reply.status == 400
        assert b'role="alert"' in reply.body
    assert stage.sim.world.records.codes == {}


async def test_a_listed_redirect_must_be_the_listed_one(stage: Stage) -> None:
    """Once an app lists its redirect URIs, any other is blocked."""
    stage.sim.world.records.apps[stage.sim.options.app_id].redirect_uris = [REDIRECT]
    assert (await stage.call("GET", facebook_dialog())).status == 200
    blocked = await stage.call("GET", facebook_dialog(redirect_uri=REDIRECT + "/"))
    assert (blocked.status, b"URL blocked" in blocked.body) == (400, True)


async def test_instagram_sends_back_its_own_fragment(stage: Stage) -> None:
    """Instagram's redirect ends in `#_`, behind a code that can be exchanged."""
    reply = await decide(stage, instagram_dialog(), ("scope", "instagram_business_basic"))
    location = reply.headers["Location"]
    assert location.endswith("#_")
    assert not location.endswith("_#_=_")
    exchanged = await exchange_instagram(stage, answer_in(location)["code"])
    assert exchanged.json["permissions"] == "instagram_business_basic"


async def test_a_personal_instagram_account_cannot_connect(stage: Stage) -> None:
    """A personal account is shown why it cannot, and gets no code even if the button is pressed."""
    stage.sim.world.records.instagram_accounts[default.INSTAGRAM_ACCOUNT].account_type = "PERSONAL"
    assert b"personal account" in (await stage.call("GET", instagram_dialog())).body
    reply = await decide(stage, instagram_dialog(), ("scope", "instagram_business_basic"))
    assert answer_in(reply.headers["Location"])["error"] == "access_denied"


async def test_signup_by_redirect_yields_a_business_token(stage: Stage) -> None:
    """Embedded Signup as a page: the chosen account is in the token's granular scopes, and nothing else."""
    other = await stage.call("POST", "control/world/wabas", json={"name": "Other", "admins": [default.OWNER]})
    dialog = DIALOGS["signup"]
    shown = (await stage.call("GET", dialog)).body.decode()
    assert "+1 555-000-1001" in shown
    location = await consent(stage, dialog, wabas=[other.json["id"]])
    token = (await exchange(stage, answer_in(location)["code"])).json["access_token"]
    granted = stage.sim.world.records.tokens[token]
    assert granted.kind == "SYSTEM_USER"
    assert set(map(tuple, granted.granular.values())) == {(other.json["id"],)}
