"""What somebody can do on Instagram alone: stories, shares, hearts, comments, mentions. Source: reference 4."""

from typing import Any

from hookline.simulator.cdn import open_url
from hookline.simulator.control.acting import Act, Acting
from hookline.simulator.control.messaging_acts import attachment, say
from hookline.simulator.records import Comment, InstagramAccount, Message
from hookline.simulator.subscriptions import INSTAGRAM, Notice

_POST = "17800000000000001"
_POST_OF_THEIRS = "17800000000000002"


def _story_mention(acting: Acting) -> Message | dict[str, Any]:
    """The person mentions the account in their story."""
    return say(acting, "story_mention", attachment("story_mention", {"url": _picture(acting)}))


def _story_reply(acting: Acting) -> Message | dict[str, Any]:
    """The person answers the account's story."""
    story = {"id": acting.text("storyId", "18000000000000001"), "url": _picture(acting)}
    return say(acting, "text", {"text": acting.text("text"), "reply_to": {"story": story}})


def _shared(kind: str) -> Act:
    """A post or a reel is shared; with `private`, one whose URL is not told."""

    def act(acting: Acting) -> Message | dict[str, Any]:
        payload: dict[str, Any] = {} if acting.flag("private") else {"url": _picture(acting)}
        if kind == "ig_reel":
            payload |= {"title": "A reel", "reel_video_id": "17900000000000001"}
        return say(acting, kind, attachment(kind, payload))

    return act


def _like_heart(acting: Acting) -> Message | dict[str, Any]:
    return say(acting, "like_heart", attachment("like_heart", None))


def _ephemeral(acting: Acting) -> Message | dict[str, Any]:
    return say(acting, "ephemeral", attachment("ephemeral", {}))


def _picture(acting: Acting) -> str:
    return open_url(acting.sim, acting.media("image"))


def _comment(field: str) -> Act:
    """A comment on a post, or in a live video."""

    def act(acting: Acting) -> dict[str, Any]:
        account = acting.account.as_(InstagramAccount)
        comment = acting.sim.world.add_comment(
            Comment(
                id=acting.sim.world.ids.digits("comment", 17),
                account_id=account.id,
                contact_id=acting.contact.id,
                post_id=acting.text("postId", _POST),
                text=acting.text("text"),
                made_at=acting.sim.world.clock.now(),
                parent_id=acting.text("parentId", ""),
            )
        )
        person_id = acting.sim.world.scoped_id(acting.contact, account.id)
        kind = "LIVE" if field == "live_comments" else "FEED"
        value: dict[str, Any] = {
            "id": comment.id,
            "text": comment.text,
            "from": {"id": person_id, "username": acting.contact.username},
            "media": {"id": comment.post_id, "media_product_type": kind},
        }
        if comment.parent_id:
            value["parent_id"] = comment.parent_id
        _tell(acting, field, value)
        return {"commentId": comment.id}

    return act


def _mention(acting: Acting) -> dict[str, Any]:
    """The person mentions the account in a comment below a post of their own."""
    comment_id = acting.sim.world.ids.digits("comment", 17)
    _tell(acting, "mentions", {"media_id": acting.text("postId", _POST_OF_THEIRS), "comment_id": comment_id})
    return {"commentId": comment_id}


def _tell(acting: Acting, field: str, value: dict[str, Any]) -> None:
    """Tell a change, in one of the two shapes (4)."""
    account = acting.account.as_(InstagramAccount)
    acting.sim.outbox.put(
        Notice(
            object=INSTAGRAM,
            entry_id=account.id,
            field=field,
            content=value,
            slot=acting.sim.behaviour.instagram_comments,
            lane=f"{account.id} feed",
            time=acting.sim.world.clock.seconds(),
        )
    )


ACTS: dict[str, Act] = {
    "story_mention": _story_mention,
    "story_reply": _story_reply,
    **{kind: _shared(kind) for kind in ("share", "ig_reel", "reel", "ig_post")},
    "like_heart": _like_heart,
    "ephemeral": _ephemeral,
    "comment": _comment("comments"),
    "live_comment": _comment("live_comments"),
    "mention": _mention,
}
