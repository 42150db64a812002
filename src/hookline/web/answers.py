"""Answers in JSON: records in the shapes of services/shapes.py, encoded without looking at stored JSON text."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from starlette.responses import JSONResponse

from hookline.services.shapes import Shape
from hookline.web.query import encode_id_cursor

Row = TypeVar("Row")

_encoder = msgspec.json.Encoder()


class Json(JSONResponse):
    """A JSON answer: times as RFC 3339 with Z, bytes as base64, `msgspec.Raw` byte for byte."""

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return _encoder.encode(content)


def page(rows: Sequence[Row], limit: int, shape: Callable[[Row], Shape], id_of: Callable[[Row], UUID]) -> Json:
    """Answer one page of a list, newest first, out of `limit + 1` rows: the extra one only says that there is more."""
    shown = rows[:limit]
    following = encode_id_cursor(id_of(shown[-1])) if len(rows) > limit else None
    return Json({"items": [shape(row) for row in shown], "nextCursor": following})
