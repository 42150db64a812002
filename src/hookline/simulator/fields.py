"""The `fields` parameter, and paging through lists: the Graph's own manners.

Source: protocol reference 5.1.5 (`a{b,c}`, `paging.next`), 7.1 (`limit`, `after`, a bad cursor is refused).
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from yarl import URL

from hookline.simulator.errors import Refusal
from hookline.simulator.http import Call, split_names

# A field is a value, or a function of the nested fields that gives one. None: the object does not have it.
Field = Any | Callable[[list[str]], Any]
Item = TypeVar("Item")

MOST_PER_PAGE = 1000


def select(asked: Sequence[str], fields: Mapping[str, Field], default: Sequence[str]) -> dict[str, Any]:
    """Give the fields that are asked for, and the id always; fields that the object does not have are left out.

    Raises: Refusal (100), for a field that no object of its kind has.
    """
    chosen: dict[str, Any] = {}
    for one in asked or default:
        name, _, nested = one.partition("{")
        name = name.partition(".")[0].strip()
        if name not in fields:
            raise Refusal(100, f"Tried accessing nonexisting field ({name[:100]})")
        value = fields[name]
        if callable(value):
            value = value(split_names(nested.removesuffix("}")))
        if value is not None:
            chosen[name] = value
    chosen["id"] = fields["id"]
    return chosen


def page_of(call: Call, items: Sequence[Item], show: Callable[[Item], Any], size: int) -> dict[str, Any]:
    """Give one page of a list: `limit` items behind the cursor `after`, with a URL to the next page if there is one.

    Raises: Refusal, if limit or cursor cannot be.
    """
    limit = _limit(call, size)
    start = _position(call.text("after"))
    shown = items[start : start + limit]
    page: dict[str, Any] = {"data": [show(item) for item in shown]}
    if shown:
        end = start + len(shown)
        cursors = {"before": _cursor(start), "after": _cursor(end)}
        page["paging"] = {"cursors": cursors}
        if end < len(items):
            page["paging"]["next"] = _next(call, cursors["after"], limit)
    return page


def origin(call: Call) -> str:
    """The address under which the caller reaches the simulator."""
    return str(call.request.url.origin())


def _limit(call: Call, size: int) -> int:
    text = call.text("limit")
    if not text:
        return size
    if not text.isdecimal() or not 0 < int(text) <= MOST_PER_PAGE:
        raise Refusal(100, "Param limit must be a positive number")
    return int(text)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        if text.startswith("at:"):
            return int(text[3:])
    except (binascii.Error, ValueError):
        pass
    raise Refusal(131059, "Invalid cursor; start again from the first page")


def _next(call: Call, after: str, limit: int) -> str:
    """The next page's URL; as the platform's own, it bears the access token."""
    query = {**call.query, "limit": str(limit), "after": after, "access_token": call.token}
    return str(URL(f"{origin(call)}{call.request.path}").with_query(query))
