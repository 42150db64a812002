"""What a WhatsApp send may look like: a table of bodies that are taken, and one of those that are refused."""

from typing import Any

import pytest

from hookline.simulator.errors import Refusal
from hookline.simulator.whatsapp.body import Outgoing, Reading, read_body

TO: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+16505551234"}
LINK = "https://example.test/a"


def send(kind: str, content: Any, **more: Any) -> dict[str, Any]:
    """A send of one type."""
    return {**TO, "type": kind, kind: content, **more}


def interactive(kind: str, action: Any, **more: Any) -> dict[str, Any]:
    """An interactive send."""
    return send("interactive", {"type": kind, "body": {"text": "Choose"}, "action": action, **more})


def button(index: int, title: str = "") -> dict[str, Any]:
    """A reply button."""
    return {"type": "reply", "reply": {"id": f"id-{index}", "title": title or f"Title {index}"}}


def rows(count: int, first: int = 0) -> list[dict[str, str]]:
    """Rows of a list."""
    return [{"id": f"row-{index}", "title": f"Row {index}"} for index in range(first, first + count)]


def named(name: str, **parameters: Any) -> dict[str, Any]:
    """An action with a name."""
    return {"name": name, "parameters": parameters}


CARD = {
    "type": "cta_url",
    "header": {"type": "image", "image": {"link": LINK}},
    "action": named("cta_url", display_text="See", url=LINK),
}
ANSWERS = {"buttons": [{"type": "quick_reply", "quick_reply": {"id": "y", "title": "Yes"}}]}
PRODUCTS = {"catalog_id": "1", "sections": [{"title": "A", "product_items": [{"product_retailer_id": "sku"}]}]}

TAKEN = {
    "text": send("text", {"body": "Hello"}),
    "text without a type": {**TO, "text": {"body": "Hello", "preview_url": True}},
    "text of 4096 signs": send("text", {"body": "ä" * 4096}),
    "type in capitals": {**TO, "type": "TEXT", "text": {"body": "Hello"}},
    "reply": send("text", {"body": "Hello"}, context={"message_id": "wamid.A"}),
    "own id of 512 signs": send("text", {"body": "Hello"}, biz_opaque_callback_data="x" * 512),
    "image by link": send("image", {"link": LINK, "caption": "c" * 1024}),
    "image by id": send("image", {"id": "123"}),
    "image by a number": send("image", {"id": 123}),
    "voice note": send("audio", {"id": "1", "voice": True}),
    "video": send("video", {"link": LINK, "caption": "A film"}),
    "document": send("document", {"link": LINK, "filename": "a.pdf", "caption": "A paper"}),
    "sticker": send("sticker", {"id": "1"}),
    "location": send("location", {"latitude": 52.5, "longitude": "13.4", "name": "Office", "address": "Street 1"}),
    "contacts": send("contacts", [{"name": {"formatted_name": "Ada L."}, "phones": [{"phone": "+1650"}]}]),
    "reaction": send("reaction", {"message_id": "wamid.A", "emoji": "👍"}),
    "reaction taken back": send("reaction", {"message_id": "wamid.A", "emoji": ""}),
    "buttons": interactive("button", {"buttons": [button(1), button(2), button(3)]}, footer={"text": "f" * 60}),
    "buttons, in capitals, below a picture": interactive(
        "BUTTON", {"buttons": [button(1)]}, header={"type": "image", "image": {"link": LINK}}
    ),
    "list": interactive(
        "list",
        {"button": "Open", "sections": [{"title": "A", "rows": rows(5)}, {"title": "B", "rows": rows(5, 5)}]},
        header={"type": "text", "text": "h" * 60},
    ),
    "list of one section without a title": interactive("list", {"button": "Open", "sections": [{"rows": rows(1)}]}),
    "link": interactive("cta_url", named("cta_url", display_text="Open", url=LINK)),
    "flow": interactive("flow", named("flow", flow_message_version="3", flow_id="1", flow_cta="Book")),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "product": interactive("product", {"catalog_id": "1", "product_retailer_id": "sku"}),
    "products": interactive("product_list", PRODUCTS, header={"type": "text", "text": "Ours"}),
    "catalog": interactive("catalog_message", {"name": "catalog_message"}),
    "carousel": interactive("carousel", {"cards": [{**CARD, "card_index": 0}, {**CARD, "card_index": 1}]}),
    "carousel with answers": interactive(
        "carousel",
        {"cards": [{**CARD, "action": ANSWERS, "card_index": 0}, {**CARD, "action": ANSWERS, "card_index": 1}]},
    ),
    "call permission": interactive("call_permission_request", {"name": "call_permission_request"}),
    "address": interactive("address_message", named("address_message", country="IN")),
    "template": send("template", {"name": "hello_world", "language": {"code": "en_US", "policy": "deterministic"}}),
    "to somebody without a number": {
        "messaging_product": "whatsapp",
        "recipient": "US.13491208655302741918",
        "type": "text",
        "text": {"body": "Hello"},
    },
    "a number as people write it": {**send("text", {"body": "Hello"}), "to": "+1 (650) 555-1234"},
}

REFUSED = {
    "no product": ({"to": "+16505551234", "text": {"body": "Hello"}}, 100),
    "another product": ({**TO, "messaging_product": "sms", "text": {"body": "Hello"}}, 100),
    "nobody": ({"messaging_product": "whatsapp", "text": {"body": "Hello"}}, 100),
    "no number": ({**send("text", {"body": "Hello"}), "to": "somebody"}, 131009),
    "an id for a number": ({**send("text", {"body": "Hello"}), "to": "US.13491208655302741918"}, 131009),
    "no business-scoped id": ({"messaging_product": "whatsapp", "recipient": "+1650", "text": {"body": "H"}}, 131009),
    "a group": ({**send("text", {"body": "Hello"}), "recipient_type": "group"}, 131020),
    "another recipient type": ({**send("text", {"body": "Hello"}), "recipient_type": "everybody"}, 131009),
    "another type": (send("poll", {}), 131051),
    "a type that is no text": ({**TO, "type": 7}, 131051),
    "no content": ({**TO, "type": "text"}, 131008),
    "content of another type": ({**TO, "type": "image", "text": {"body": "Hello"}}, 131008),
    "content that is no object": (send("text", "Hello"), 100),
    "an empty text": (send("text", {"body": "  "}), 131009),
    "a text that is a number": (send("text", {"body": 7}), 131009),
    "a text of 4097 signs": (send("text", {"body": "x" * 4097}), 100),
    "an unknown key": (send("text", {"body": "Hello", "colour": "red"}), 100),
    "a preview that is no boolean": (send("text", {"body": "Hello", "preview_url": "yes"}), 131009),
    "a reply to nothing": (send("text", {"body": "Hello"}, context={}), 131008),
    "an own id of 513 signs": (send("text", {"body": "Hello"}, biz_opaque_callback_data="x" * 513), 100),
    "a picture of nothing": (send("image", {"caption": "Look"}), 131008),
    "a picture by id and link": (send("image", {"id": "1", "link": LINK}), 131009),
    "a picture by no link": (send("image", {"link": "ftp://example.test/a"}), 131009),
    "a caption of 1025 signs": (send("image", {"link": LINK, "caption": "c" * 1025}), 100),
    "a caption to a voice": (send("audio", {"link": LINK, "caption": "Listen"}), 100),
    "a name for a picture": (send("image", {"link": LINK, "filename": "a.png"}), 100),
    "a caption to a sticker": (send("sticker", {"id": "1", "caption": "Ha"}), 100),
    "no place": (send("location", {"latitude": 52.5}), 131008),
    "a place off the earth": (send("location", {"latitude": 91, "longitude": 0}), 131009),
    "contacts without a name": (send("contacts", [{"phones": []}]), 131008),
    "no contacts": (send("contacts", []), 131009),
    "a reaction to nothing": (send("reaction", {"emoji": "👍"}), 131008),
    "an unknown kind of interaction": (interactive("poll", {}), 131009),
    "no body": (send("interactive", {"type": "button", "action": {"buttons": [button(1)]}}), 131008),
    "four buttons": (interactive("button", {"buttons": [button(index) for index in range(4)]}), 131009),
    "no buttons": (interactive("button", {"buttons": []}), 131009),
    "a button title of 21 signs": (interactive("button", {"buttons": [button(1, "t" * 21)]}), 131009),
    "two buttons of one id": (interactive("button", {"buttons": [button(1, "A"), button(1, "B")]}), 131009),
    "two buttons of one title": (interactive("button", {"buttons": [button(1, "A"), button(2, "A")]}), 131009),
    "a footer of 61 signs": (interactive("button", {"buttons": [button(1)]}, footer={"text": "f" * 61}), 100),
    "a body of 1025 signs": (interactive("button", {"buttons": [button(1)]}, body={"text": "b" * 1025}), 100),
    "eleven rows": (
        interactive(
            "list",
            {"button": "Open", "sections": [{"title": "A", "rows": rows(6)}, {"title": "B", "rows": rows(5, 6)}]},
        ),
        131009,
    ),
    "two rows of one id": (interactive("list", {"button": "O", "sections": [{"rows": [*rows(1), *rows(1)]}]}), 131009),
    "sections without titles": (
        interactive("list", {"button": "O", "sections": [{"rows": rows(1)}, {"rows": rows(1, 1)}]}),
        131008,
    ),
    "a row title of 25 signs": (
        interactive("list", {"button": "O", "sections": [{"rows": [{"id": "1", "title": "t" * 25}]}]}),
        100,
    ),
    "a list below a picture": (
        interactive("list", {"button": "O", "sections": [{"rows": rows(1)}]}, header={"type": "image"}),
        131009,
    ),
    "a link to nowhere": (interactive("cta_url", named("cta_url", display_text="Open", url="nowhere")), 131009),
    "a flow of no name": (interactive("flow", named("flow", flow_message_version="3", flow_cta="Book")), 131008),
    "a product below a title": (
        interactive("product", {"catalog_id": "1", "product_retailer_id": "s"}, header={"type": "text", "text": "A"}),
        131009,
    ),
    "products without a title": (interactive("product_list", PRODUCTS), 131008),
    "a carousel of one card": (interactive("carousel", {"cards": [{**CARD, "card_index": 0}]}), 131009),
    "cards in disorder": (
        interactive("carousel", {"cards": [{**CARD, "card_index": 1}, {**CARD, "card_index": 0}]}),
        131009,
    ),
    "cards of two kinds": (
        interactive("carousel", {"cards": [{**CARD, "card_index": 0}, {**CARD, "action": ANSWERS, "card_index": 1}]}),
        131009,
    ),
    "a card of no type": (
        interactive("carousel", {"cards": [{**CARD, "type": None, "card_index": index} for index in range(2)]}),
        131008,
    ),
    "a card of 161 signs": (
        interactive(
            "carousel", {"cards": [{**CARD, "body": {"text": "x" * 161}, "card_index": index} for index in range(2)]}
        ),
        100,
    ),
    "a template without a language": (send("template", {"name": "hello_world"}), 131008),
    "a template without a name": (send("template", {"language": {"code": "en_US"}}), 131008),
    "reading nothing": ({"messaging_product": "whatsapp", "status": "read"}, 131008),
    "another status": ({"messaging_product": "whatsapp", "status": "seen", "message_id": "wamid.A"}, 100),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case: str) -> None:
    """A body that the platform documents is taken, and says to whom it goes."""
    read = read_body(TAKEN[case])
    assert isinstance(read, Outgoing)
    assert bool(read.phone) != bool(read.user_id)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """A body that the platform would not take is refused with its code, and told why."""
    body, code = REFUSED[case]
    with pytest.raises(Refusal) as refused:
        read_body(body)
    assert refused.value.code == code
    assert refused.value.details


def test_recipients() -> None:
    """The number is read as digits; it wins over a business-scoped id; the reply repeats what was written."""
    read = read_body({**TAKEN["a number as people write it"], "recipient": "US.13491208655302741918"})
    assert isinstance(read, Outgoing)
    assert (read.phone, read.user_id, read.written) == ("16505551234", "", "+1 (650) 555-1234")


@pytest.mark.parametrize(("indicator", "typing"), [({}, False), ({"typing_indicator": {"type": "text"}}, True)])
def test_reading(indicator: dict[str, Any], typing: bool) -> None:
    """The same endpoint takes that a message was read, and that an answer is being typed."""
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A", **indicator}
    assert read_body(body) == Reading("wamid.A", typing)
