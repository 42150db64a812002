"""Which capabilities an outbound message makes use of, how much of each, and where in its body."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hookline.domain.outbound import OutboundMessage, QuickReply
from hookline.domain.outbound_interactive import Buttons, Carousel, CtaUrl, Flow, Interactive, List, ProductList
from hookline.domain.outbound_media import Audio, CaptionedFile, Document, File


class Use(NamedTuple):
    """A capability that a message makes use of, how, and where in its body."""

    capability: str
    value: str | int | File | None
    location: str


def uses(message: OutboundMessage) -> Iterator[Use]:
    """List the capabilities that a message makes use of."""
    content, name, place = message.content, str(message.type), f"body.{message.type}"
    match content:
        case str():
            yield Use(name, content, place)
        case File():
            yield from _file_uses(name, content, place)
        case tuple():
            yield Use(name, len(content), place)
        case _ if message.interactive is not None:
            yield from _interactive_uses(message.interactive)
        case _:
            yield Use(name, message.reaction.emoji if message.reaction is not None else None, place)
    if message.template is not None and message.template.marketing is not None:
        yield Use("template.marketing", None, f"{place}.marketing")
    yield from _envelope_uses(message)


def _envelope_uses(message: OutboundMessage) -> Iterator[Use]:
    if message.reply_to is not None:
        yield Use("replyTo", None, "body.replyTo")
    if message.tag is not None:
        yield Use(f"tag.{message.tag}", None, "body.tag")
    if message.preview_url:
        yield Use("previewUrl", None, "body.previewUrl")
    if message.quick_replies:
        yield Use("quickReplies", len(message.quick_replies), "body.quickReplies")
        yield from _quick_reply_uses(message.quick_replies)


def _quick_reply_uses(replies: Iterable[QuickReply]) -> Iterator[Use]:
    for index, reply in enumerate(replies):
        place = f"body.quickReplies[{index}]"
        yield Use("quickReplies.title", reply.title, f"{place}.title")
        yield Use("quickReplies.payload", reply.payload, f"{place}.payload")
        if reply.image_url is not None:
            yield Use("quickReplies.imageUrl", None, f"{place}.imageUrl")


def _file_uses(name: str, file: File, place: str) -> Iterator[Use]:
    yield Use(name, file, place)
    if isinstance(file, CaptionedFile) and file.caption is not None:
        yield Use(f"{name}.caption", file.caption, f"{place}.caption")
    if isinstance(file, Document) and file.filename is not None:
        yield Use(f"{name}.filename", file.filename, f"{place}.filename")
    if isinstance(file, Audio) and file.voice:
        yield Use(f"{name}.voice", None, f"{place}.voice")


def _interactive_uses(content: Interactive) -> Iterator[Use]:
    kind, place = f"interactive.{content.__struct_config__.tag}", "body.interactive"
    yield Use(kind, None, place)
    if content.header is not None:
        (given,) = content.header.given
        yield Use(f"{kind}.header.{given}", getattr(content.header, given), f"{place}.header.{given}")
    if content.body is not None:
        yield Use(f"{kind}.body", content.body, f"{place}.body")
    if content.footer is not None:
        yield Use(f"{kind}.footer", content.footer, f"{place}.footer")
    match content:
        case Buttons():
            yield from _button_uses(f"{kind}.buttons", content, place)
        case List():
            yield from _list_uses(kind, content, place)
        case CtaUrl():
            yield Use(f"{kind}.button.title", content.button.title, f"{place}.button.title")
        case Flow():
            yield Use(f"{kind}.cta", content.cta, f"{place}.cta")
        case ProductList():
            yield Use(f"{kind}.sections", len(content.sections), f"{place}.sections")
            products = sum(len(section.products) for section in content.sections)
            yield Use(f"{kind}.products", products, f"{place}.sections")
        case Carousel():
            yield from _carousel_uses(kind, content, place)


def _button_uses(kind: str, content: Buttons, place: str) -> Iterator[Use]:
    yield Use(kind, len(content.buttons), f"{place}.buttons")
    for index, button in enumerate(content.buttons):
        yield Use(f"{kind}.title", button.title, f"{place}.buttons[{index}].title")
        yield Use(f"{kind}.id", button.id, f"{place}.buttons[{index}].id")


def _list_uses(kind: str, content: List, place: str) -> Iterator[Use]:
    yield Use(f"{kind}.button", content.button, f"{place}.button")
    yield Use(f"{kind}.rows", sum(len(section.rows) for section in content.sections), f"{place}.sections")
    for index, section in enumerate(content.sections):
        if section.title is not None:
            yield Use(f"{kind}.sections.title", section.title, f"{place}.sections[{index}].title")
        for number, row in enumerate(section.rows):
            at = f"{place}.sections[{index}].rows[{number}]"
            yield Use(f"{kind}.rows.title", row.title, f"{at}.title")
            yield Use(f"{kind}.rows.id", row.id, f"{at}.id")
            if row.description is not None:
                yield Use(f"{kind}.rows.description", row.description, f"{at}.description")


def _carousel_uses(kind: str, content: Carousel, place: str) -> Iterator[Use]:
    yield Use(f"{kind}.cards", len(content.cards), f"{place}.cards")
    for index, card in enumerate(content.cards):
        at = f"{place}.cards[{index}]"
        yield Use(f"{kind}.cards.title", card.title, f"{at}.title")
        if card.text is not None:
            yield Use(f"{kind}.cards.text", card.text, f"{at}.text")
        if card.video is not None:
            yield Use(f"{kind}.cards.video", card.video, f"{at}.video")
        yield Use(f"{kind}.cards.buttons", len(card.buttons), f"{at}.buttons")
        for number, button in enumerate(card.buttons):
            yield Use(f"{kind}.cards.buttons.title", button.title, f"{at}.buttons[{number}].title")
