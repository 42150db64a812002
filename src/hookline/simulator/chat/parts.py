"""What a conversation looks like, whatever the platform: bubbles, and the parts that they are made of. Data only."""

from typing import Any

import msgspec


class Tap(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tap: `act` is what is then done (control's words); `url` a link instead."""

    label: str
    act: dict[str, Any] = {}
    url: str = ""
    hint: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a bubble; `kind` chooses how it is drawn.

    heading, text, small: `text`. image, video, audio, sticker, file: `url`, and `text` for who cannot see it.
    place, person, note: a card of `text` and `lines`. taps: buttons. menu: a button `text` that opens `sections`.
    cards: `cards`, side by side.
    """

    kind: str
    text: str = ""
    url: str = ""
    lines: list[str] = []
    taps: list[Tap] = []
    sections: list[tuple[str, list[Tap]]] = []
    cards: list[list["Part"]] = []


class Bubble(msgspec.Struct, frozen=True, kw_only=True):
    """One message. own: the person's. state: sent, delivered, read, played, failed, waiting, or empty."""

    id: str
    own: bool
    at: float
    parts: list[Part]
    state: str = ""
    why: str = ""  # it failed
    quote: str = ""  # of the message that it answers
    reactions: list[str] = []
    own_reaction: str = ""
    deleted: bool = False
    edited: bool = False
    editable: str = ""  # its text, if it can be edited


def text(value: Any, kind: str = "text") -> list[Part]:
    """A part of text, if there is any."""
    return [Part(kind=kind, text=value)] if isinstance(value, str) and value else []


def taps(*found: Tap) -> list[Part]:
    """A part of buttons, if there are any."""
    return [Part(kind="taps", taps=list(found))] if found else []


def excerpt(parts: list[Part]) -> str:
    """A line that stands for a message."""
    for part in parts:
        if part.kind in ("text", "heading", "small", "place", "person", "note") and part.text:
            return part.text[:80]
    kinds = {"image": "Picture", "video": "Video", "audio": "Sound", "sticker": "Sticker", "file": "File"}
    return next((kinds[part.kind] for part in parts if part.kind in kinds), "Message")
