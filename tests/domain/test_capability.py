"""What a platform can carry: what its table does not name is refused, and sizes are counted in its own unit."""

from typing import Any

import pytest

from hookline.domain.capability import ALLOWED, Capabilities, Choice, Files, Limit, NotSupported, Unit, check
from hookline.domain.outbound import read_message

TABLE: Capabilities = {
    "text": Limit(4),
    "image": Files(100, ("image/png",)),
    "video": Files(100, needs_url=True),
    "sticker": Files(100),
    "reaction": Choice(("", "♥")),
    "contacts": Limit(1, Unit.ITEMS),
    "quickReplies": Limit(1, Unit.ITEMS),
    "quickReplies.title": Limit(3, Unit.BYTES),
    "quickReplies.payload": Limit(3),
    "interactive.list": ALLOWED,
    "interactive.list.body": Limit(4),
    "interactive.list.button": Limit(4),
    "interactive.list.rows": Limit(2, Unit.ITEMS),
    "interactive.list.rows.id": Limit(4),
    "interactive.list.rows.title": Limit(4),
}


def refused(**content: Any) -> tuple[str, str, str] | None:
    """Check a message: capability, place and reason of the refusal, if it is refused."""
    body = {"accountId": "0198c0de-0000-7000-8000-000000000001", "to": "1", **content}
    try:
        check(read_message(body), TABLE, "PIGEON")
    except NotSupported as error:
        return error.capability, error.location, error.reason
    return None


def rows(count: int, **more: str) -> dict[str, Any]:
    """A list in two sections."""
    made = [{"id": str(number), "title": "r", **more} for number in range(count)]
    sections = [{"rows": made[:1]}, {"rows": made[1:]}]
    return {
        "type": "interactive",
        "interactive": {"type": "list", "body": "?", "button": "go", "sections": sections},
    }


def suggestion(title: str) -> dict[str, Any]:
    """A text with one quick reply."""
    return {"type": "text", "text": "a", "quickReplies": [{"title": title, "payload": "p"}]}


@pytest.mark.parametrize(
    ("content", "capability", "location", "reason"),
    [
        ({"type": "audio", "audio": {"mediaId": "1"}}, "audio", "body.audio", "PIGEON cannot carry audio"),
        ({"type": "text", "text": "abcde"}, "text", "body.text", "PIGEON takes at most 4 characters here, not 5"),
        ({"type": "text", "text": "a", "replyTo": "1"}, "replyTo", "body.replyTo", "PIGEON cannot carry replyTo"),
        ({"type": "text", "text": "a", "tag": "HUMAN_AGENT"}, "tag.HUMAN_AGENT", "body.tag", "PIGEON cannot carry"),
        (suggestion("éé"), "quickReplies.title", "body.quickReplies[0].title", "at most 3 utf8 bytes here, not 4"),
        ({"type": "image", "image": {"url": "https://x/a.webp"}}, "image", "body.image", "ending says image/webp"),
        ({"type": "image", "image": {"mediaId": "1", "caption": "a"}}, "image.caption", "body.image.caption", ""),
        ({"type": "video", "video": {"mediaId": "1"}}, "video", "body.video", "files by URL only"),
        ({"type": "reaction", "reaction": {"messageId": "1", "emoji": "x"}}, "reaction", "body.reaction", "only"),
        (rows(3), "interactive.list.rows", "body.interactive.sections", "at most 2 items here, not 3"),
        (
            rows(2, description="d"),
            "interactive.list.rows.description",
            "body.interactive.sections[0].rows[0].description",
            "cannot carry",
        ),
    ],
    ids=lambda value: None,
)
def test_what_it_cannot_express_is_refused_by_name(
    content: dict[str, Any], capability: str, location: str, reason: str
) -> None:
    """With the capability's name, the place, and what is allowed instead."""
    found = refused(**content)
    assert found is not None
    assert found[:2] == (capability, location)
    assert reason in found[2]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "text": "äöüß"},
        {"type": "image", "image": {"url": "https://x/a.png?x=1"}},
        {"type": "image", "image": {"url": "https://x/a"}},
        {"type": "sticker", "sticker": {"url": "https://x/a.exe"}},
        {"type": "reaction", "reaction": {"messageId": "1", "emoji": ""}},
        suggestion("abc"),
        rows(2),
    ],
    ids=lambda value: None,
)
def test_what_fits_passes(content: dict[str, Any]) -> None:
    """Up to the limit; a URL without a telling ending is the platform's to judge."""
    assert refused(**content) is None
