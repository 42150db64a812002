"""Comments and mentions on Instagram. They come in `changes`, or as field and value of the entry itself."""

from collections.abc import Iterator
from typing import Any

from hookline.domain.event import AccountItem, Contact, Item
from hookline.providers.meta import lenient
from hookline.providers.meta.comments import comment_item
from hookline.providers.meta.source import Source, unsupported

_COMMENT_FIELDS = frozenset({"comments", "live_comments"})
_FEED_FIELDS = frozenset({"mentions", "story_insights"})


def read(found: Source, value: dict[str, Any], index: int) -> Iterator[Item]:
    """Read a change of an Instagram account.

    {"field": "comments", "value": {"id", "text", "from": {"id", "username"}, "media": {…}, "parent_id"?}}
    Source: protocol reference 4.
    """
    if found.field in _COMMENT_FIELDS:
        author = lenient.mapping(value.get("from"))
        yield comment_item(
            value,
            index,
            found.entry_id or "",
            Contact(
                external_id=lenient.identifier(author.get("id")),
                username=lenient.optional_string(author.get("username")),
            ),
            external_id=lenient.identifier(value.get("id")),
            text=lenient.string(value.get("text")),
            reply_to=lenient.identifier(value.get("parent_id")),
            at=lenient.moment(value.get("timestamp")) or found.at,
        )
    elif found.field in _FEED_FIELDS:
        yield AccountItem(
            index=index,
            kind="feed",
            external_id=lenient.first_identifier(value.get("comment_id"), value.get("media_id")),
            at=found.at,
            data={"field": found.field, **value},
        )
    else:
        yield unsupported(index, found.field, f"field {found.field} is not known")
