"""Texts as people see them: links that can be followed, and WhatsApp's *bold*, _italic_, ~struck~ and ```code```."""

import re

from markupsafe import Markup, escape

# Over text that is escaped already: none of these signs comes from an escape.
_CODE = re.compile(r"```(.+?)```", re.DOTALL)
_MARKS = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_/])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_/])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])"), r"<s>\1</s>"),
)
_LINK = re.compile(r"https?://[^\s<>&\"']+(?:&amp;[^\s<>&\"']+)*")


def formatted(text: str, *, marks: bool = True) -> Markup:
    """Make HTML of a text."""
    pieces: list[str] = []
    end = 0
    escaped = str(escape(text))
    for link in _LINK.finditer(escaped):
        pieces.append(_marked(escaped[end : link.start()], marks=marks))
        pieces.append(f'<a href="{link[0]}" target="_blank" rel="noopener noreferrer">{link[0]}</a>')
        end = link.end()
    pieces.append(_marked(escaped[end:], marks=marks))
    return Markup("".join(pieces))  # noqa: S704 - every piece was escaped above


def _marked(escaped: str, *, marks: bool) -> str:
    if not marks:
        return escaped
    pieces = _CODE.split(escaped)
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = f"<code>{piece}</code>"
        else:
            for pattern, html in _MARKS:
                piece = pattern.sub(html, piece)  # noqa: PLW2901
            pieces[index] = piece
    return "".join(pieces)
