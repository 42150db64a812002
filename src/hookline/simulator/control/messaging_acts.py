"""What somebody can do on Messenger and on Instagram alike, by the names that control takes. Source: reference 3, 4."""

from collections.abc import Mapping
from typing import Any, Final

from hookline.simulator.acts import messaging
from hookline.simulator.cdn import open_url
from hookline.simulator.control.acting import Act, Acting
from hookline.simulator.messenger.events import by_person, notice
from hookline.simulator.records import Message
from hookline.simulator.subscriptions import Notice
from hookline.simulator.world import Kind

# The same event is subscribed to by another name on Instagram (reference 1.5).
_FIELDS = {
    "referral": ("messaging_referrals", "messaging_referral"),
    "handover": ("messaging_handovers", "messaging_handover"),
    "optin": ("messaging_optins", "messaging_optins"),
    "message": ("messages", "messages"),
    "postback": ("messaging_postbacks", "messaging_postbacks"),
}
_STANDBY: Final = "standby"
PAGE_INBOX = "263902037430900"


def tell(acting: Acting, field: str, **event: Any) -> None:
    """Tell the business of one event; with `standby`, as another app has the conversation (3)."""
    item = by_person(acting.sim, acting.account.record_id, acting.contact, **event)
    made = notice(acting.sim, acting.account.record_id, acting.contact, field, item)
    acting.sim.outbox.put(_standing_by(made) if acting.flag(_STANDBY) else made)


def field_of(acting: Acting, event: str) -> str:
    """What must be subscribed to be told of an event."""
    return _FIELDS[event][acting.account.kind is Kind.INSTAGRAM]


def _standing_by(made: Notice) -> Notice:
    return Notice(
        object=made.object,
        entry_id=made.entry_id,
        field=_STANDBY,
        content=made.content,
        slot=_STANDBY,
        lane=made.lane,
        time=made.time,
    )


def say(acting: Acting, kind: str, content: Mapping[str, Any]) -> Message | dict[str, Any]:
    """Write something; in standby it is told to whoever watches, and is no line of our conversation."""
    if "referral" in acting.given:
        content = {**content, "referral": acting.object("referral")}
    if acting.flag(_STANDBY):
        mid = acting.sim.world.ids.mid("aWdf" if acting.account.kind is Kind.INSTAGRAM else "m_")
        tell(acting, _STANDBY, message={"mid": mid, **content})
        return {"messageId": mid}
    reply_to = acting.message("replyTo").id if acting.given.get("replyTo") is not None else ""
    return messaging.write(acting.sim, acting.account.record_id, acting.contact, kind, content, reply_to=reply_to)


def attachment(kind: str, payload: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
    """A message's content of one attachment; with payload None it has none."""
    found: dict[str, Any] = {"type": kind, **more}
    if payload is not None:
        found["payload"] = payload
    return {"attachments": [found]}


def _text(acting: Acting) -> Message | dict[str, Any]:
    quick_reply = {"quick_reply": {"payload": acting.text("payload")}} if "payload" in acting.given else {}
    return say(acting, "text", {"text": acting.text("text"), **quick_reply})


def _file(kind: str) -> Act:
    """One file, or `copies` of it in one message; with `text`, a text beside it."""

    def act(acting: Acting) -> Message | dict[str, Any]:
        media = acting.media("document" if kind == "file" else kind)
        files = [{"type": kind, "payload": {"url": open_url(acting.sim, media)}}]
        text = {"text": acting.text("text")} if "text" in acting.given else {}
        return say(acting, kind, {**text, "attachments": files * acting.count("copies", 1)})

    return act


def _link(acting: Acting) -> Message | dict[str, Any]:
    """A link, of which the platform makes a fallback attachment; with `bare`, one without a payload."""
    url = acting.text("url", "https://example.com/offer")
    title = acting.text("title", "An offer")
    payload = None if acting.flag("bare") else {"url": url, "title": title}
    return say(acting, "fallback", {"text": url, **attachment("fallback", payload, title=title, url=url)})


def _postback(acting: Acting) -> Message | dict[str, Any]:
    """A button is tapped; in standby its payload is not told (3)."""
    title, payload = acting.text("title", "Start"), acting.text("payload", "GET_STARTED")
    if not acting.flag(_STANDBY):
        return messaging.tap(acting.sim, acting.account.record_id, acting.contact, title, payload)
    tell(acting, _STANDBY, postback={"title": title})
    return {}


def _reaction(acting: Acting) -> None:
    """An emoji; without one, it is taken back."""
    account_id = acting.account.record_id
    messaging.react(acting.sim, account_id, acting.contact, acting.message(), acting.text("emoji", ""))


def _edit(acting: Acting) -> None:
    account_id = acting.account.record_id
    messaging.edit(acting.sim, account_id, acting.contact, acting.own_message("text"), acting.text("text"))


def _unsend(acting: Acting) -> None:
    messaging.take_back(acting.sim, acting.account.record_id, acting.contact, acting.own_message())


def _unsupported(acting: Acting) -> Message | dict[str, Any]:
    return say(acting, "unsupported", {"is_unsupported": True})


def _read(acting: Acting) -> None:
    messaging.read(acting.sim, acting.account.record_id, acting.contact)


def _referral(acting: Acting) -> None:
    """The conversation is opened by a link or an ad."""
    referral = {"ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD", **acting.object("referral")}
    tell(acting, field_of(acting, "referral"), referral=referral)


def _optin(acting: Acting) -> None:
    tell(acting, field_of(acting, "optin"), optin={"ref": "checkbox", **acting.object("optin")})


def _handover(acting: Acting) -> None:
    """Control over the conversation passes: `how` is pass (to us), take (from us) or request."""
    app = acting.text("app", PAGE_INBOX)
    ours = next(iter(acting.sim.world.records.apps))
    about = {"metadata": acting.text("metadata", "")}
    events = {
        "pass": {"pass_thread_control": {"previous_owner_app_id": app, "new_owner_app_id": ours, **about}},
        "take": {"take_thread_control": {"previous_owner_app_id": ours, "new_owner_app_id": app, **about}},
        "request": {"request_thread_control": {"requested_owner_app_id": app, **about}},
    }
    tell(acting, field_of(acting, "handover"), **events[acting.choice("how", tuple(events))])


def _inbox(acting: Acting) -> Message:
    """The business answers in its own inbox: an echo, and another sender (3)."""
    content = {"text": acting.text("text")}
    return messaging.write_in_inbox(acting.sim, acting.account.record_id, acting.contact, "text", content)


def _raw(acting: Acting) -> None:
    """An event as it is given: kinds that nobody knows yet."""
    tell(acting, acting.text("field", "messages"), **acting.object("event"))


ACTS: dict[str, Act] = {
    "text": _text,
    **{kind: _file(kind) for kind in ("image", "video", "audio", "file")},
    "link": _link,
    "postback": _postback,
    "reaction": _reaction,
    "edit": _edit,
    "unsend": _unsend,
    "unsupported": _unsupported,
    "read": _read,
    "referral": _referral,
    "optin": _optin,
    "handover": _handover,
    "inbox": _inbox,
    "raw": _raw,
}
