"""What somebody can do on Messenger alone, comments on a page included. Source: protocol reference 3."""

from datetime import UTC, datetime
from typing import Any

from hookline.simulator.cdn import open_url
from hookline.simulator.control.acting import Act, Acting, Unfit
from hookline.simulator.control.messaging_acts import attachment, say, tell
from hookline.simulator.records import Comment, Message, Page
from hookline.simulator.subscriptions import PAGE, Notice

_THUMBS_UP = 369239263222822
# From then on a sticker is told as a sticker alone, and not as an image besides (reference 3).
_STICKERS_ALONE_FROM = datetime(2026, 8, 30, tzinfo=UTC).timestamp()
_POST = "122100000000001"


def _sticker(acting: Acting) -> Message | dict[str, Any]:
    """A sticker; until 30 August 2026 (and with `both`) an image attachment is sent beside it."""
    sticker_id = int(acting.number("stickerId", _THUMBS_UP))
    payload = {"url": open_url(acting.sim, acting.media("sticker")), "sticker_id": sticker_id}
    both = acting.flag("both") or acting.sim.world.clock.now() < _STICKERS_ALONE_FROM
    attachments = [{"type": kind, "payload": payload} for kind in (("sticker", "image") if both else ("sticker",))]
    return say(acting, "sticker", {"sticker_id": sticker_id, "attachments": attachments})


def _location(acting: Acting) -> Message | dict[str, Any]:
    coordinates = {"lat": acting.number("latitude", 48.1371), "long": acting.number("longitude", 11.5754)}
    title = acting.text("name", "Marienplatz")
    return say(acting, "location", attachment("location", {"coordinates": coordinates}, title=title, url=None))


def _account_linking(acting: Acting) -> None:
    status = acting.choice("status", ("linked", "unlinked"))
    linking = {"status": status, **({"authorization_code": "simulated"} if status == "linked" else {})}
    tell(acting, "messaging_account_linking", account_linking=linking)


def _feedback(acting: Acting) -> None:
    answer = {"myquestion1": {"type": "CSAT", "payload": "4", "follow_up": {"type": "FREE_FORM", "payload": "Good"}}}
    screens = [{"screen_id": 0, "questions": answer}]
    tell(acting, "messaging_feedback", messaging_feedback={"feedback_screens": screens})


def _comment(acting: Acting) -> dict[str, Any]:
    """A comment on one of the page's posts; every `verb` but add is about an earlier one, named by `commentId`."""
    page = acting.account.as_(Page)
    verb = acting.choice("verb", ("add", "edited", "remove", "hide", "unhide"))
    comment = _new_comment(acting, page) if verb == "add" else _known_comment(acting)
    if verb == "edited":
        comment.text = acting.text("text")
    now = acting.sim.world.clock.seconds()
    value: dict[str, Any] = {
        "item": "comment",
        "verb": verb,
        "comment_id": comment.id,
        "post_id": comment.post_id,
        "parent_id": comment.parent_id or comment.post_id,
        "from": {"id": acting.sim.world.scoped_id(acting.contact, page.id), "name": acting.contact.name},
        "created_time": now,
    }
    if verb in ("add", "edited"):
        value["message"] = comment.text
    if verb == "remove":
        acting.sim.world.remove(comment.id)
    acting.sim.outbox.put(
        Notice(object=PAGE, entry_id=page.id, field="feed", content=value, lane=f"{page.id} feed", time=now)
    )
    return {"commentId": comment.id}


def _new_comment(acting: Acting, page: Page) -> Comment:
    post = acting.text("postId", f"{page.id}_{_POST}")
    return acting.sim.world.add_comment(
        Comment(
            id=f"{post.rpartition('_')[2]}_{acting.sim.world.ids.digits('comment', 15)}",
            account_id=page.id,
            contact_id=acting.contact.id,
            post_id=post,
            text=acting.text("text"),
            made_at=acting.sim.world.clock.now(),
            parent_id=acting.text("parentId", ""),
        )
    )


def _known_comment(acting: Acting) -> Comment:
    comment = acting.sim.world.records.comments.get(acting.text("commentId"))
    if comment is None or comment.account_id != acting.account.record_id:
        raise Unfit("commentId: there is no such comment")
    return comment


ACTS: dict[str, Act] = {
    "sticker": _sticker,
    "location": _location,
    "account_linking": _account_linking,
    "feedback": _feedback,
    "comment": _comment,
}
