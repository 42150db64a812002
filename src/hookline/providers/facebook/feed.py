"""What happens on a page outside Messenger: comments, and everything else of the feed; leads, ratings, mentions."""

from collections.abc import Callable, Iterator
from typing import Any

from hookline.domain.event import AccountItem, Contact, EditItem, Item, Media, UnsendItem
from hookline.providers.meta import lenient
from hookline.providers.meta.comments import comment_item
from hookline.providers.meta.source import Source, unsupported

# Field → our kind. Source: protocol reference 1.5, 3.
_KINDS = {"feed": "feed", "mention": "feed", "ratings": "feed", "leadgen": "lead"}


def read(found: Source, value: dict[str, Any], index: int) -> Iterator[Item]:
    """Read a change of a page.

    {"field": "feed", "value": {"item": "comment|post|reaction|…", "verb": "add|edited|remove|hide|unhide|…",
     "comment_id", "post_id", "parent_id", "from"?: {"id", "name"}, "message", "created_time"}}
    Source: protocol reference 3.
    """
    kind = _KINDS.get(found.field)
    verb = lenient.string(value.get("verb"))
    if kind is None:
        yield unsupported(index, found.field, f"field {found.field} is not known")
    elif found.field == "feed" and value.get("item") == "comment" and verb in _COMMENT_VERBS:
        yield _COMMENT_VERBS[verb](found, value, index)
    else:
        yield AccountItem(
            index=index,
            kind=kind,
            external_id=_subject(value),
            at=lenient.moment(value.get("created_time")) or found.at,
            data={"field": found.field, **value},
        )


def _subject(value: dict[str, Any]) -> str | None:
    """Name what happened to what: the most particular id that a feed item has."""
    names = ("comment_id", "leadgen_id", "open_graph_story_id", "post_id", "video_id", "photo_id", "album_id")
    return lenient.first_identifier(*(value.get(name) for name in names))


def _added(found: Source, value: dict[str, Any], index: int) -> Item:
    """Read a new comment. At the root of a post, its parent is the post."""
    parent = lenient.identifier(value.get("parent_id"))
    return comment_item(
        value,
        index,
        found.entry_id or "",
        _author(value),
        external_id=lenient.identifier(value.get("comment_id")),
        text=lenient.string(value.get("message")),
        reply_to=None if parent == lenient.identifier(value.get("post_id")) else parent,
        at=lenient.moment(value.get("created_time")) or found.at,
        media=tuple(
            Media(type=name, url=url)
            for name in ("photo", "video")
            if (url := lenient.optional_string(value.get(name)))
        ),
    )


def _author(value: dict[str, Any]) -> Contact:
    """Name who wrote: `from`, or what older versions have beside it."""
    author = lenient.mapping(value.get("from"))
    return Contact(
        external_id=lenient.first_identifier(author.get("id"), value.get("sender_id")),
        name=lenient.optional_string(author.get("name")) or lenient.optional_string(value.get("sender_name")),
    )


def _edited(found: Source, value: dict[str, Any], index: int) -> Item:
    comment = lenient.identifier(value.get("comment_id"))
    if comment is None:
        return unsupported(index, "edit", "an edit that names no comment")
    at = found.at or lenient.moment(value.get("created_time"))
    return EditItem(index=index, kind="edit", external_id=comment, text=lenient.string(value.get("message")), at=at)


def _removed(found: Source, value: dict[str, Any], index: int) -> Item:
    comment = lenient.identifier(value.get("comment_id"))
    if comment is None:
        return unsupported(index, "unsend", "a removal that names no comment")
    return UnsendItem(index=index, kind="unsend", external_id=comment, at=found.at)


# What is done to a comment → how it is read. Hiding and the rest are facts of the feed.
_COMMENT_VERBS: dict[str, Callable[[Source, dict[str, Any], int], Item]] = {
    "add": _added,
    "edited": _edited,
    "edit": _edited,
    "remove": _removed,
}
