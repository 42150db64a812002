"""Messages of ours for every platform, by case; and messages that are as long as a table allows."""

from collections.abc import Callable
from typing import Any

from hookline.domain.account import IntegrationProvider

WHATSAPP, FACEBOOK, INSTAGRAM = (
    IntegrationProvider.WHATSAPP,
    IntegrationProvider.FACEBOOK,
    IntegrationProvider.INSTAGRAM,
)
LINK = "https://example.test/a"
HEARD = "the newest message of the person"
UPLOADED = "an uploaded file"
PAGE_BUTTON = {"title": "Go", "url": LINK}
REPLY_BUTTON = {"id": "y", "title": "Yes"}

Content = dict[str, Any]


def interactive(kind: str, **more: Any) -> Content:
    """An interactive message of ours."""
    return {"type": "interactive", "interactive": {"type": kind, **more}}


def buttons(title: str = "Yes", **more: Any) -> Content:
    """A question with a button."""
    return interactive("buttons", **{"body": "?", "buttons": [{"id": "y", "title": title}], **more})


def carousel(**card: Any) -> Content:
    """Two cards."""
    one = {"title": "A", "text": "B", "image": {"url": LINK}, "urlButton": PAGE_BUTTON, **card}
    return interactive("carousel", body="?", cards=[one, one])


def choices(rows: int = 1, **row: Any) -> Content:
    """A list of so many rows."""
    made = [{"id": f"row-{number}", "title": f"Row {number}", **row} for number in range(rows)]
    return interactive("list", body="?", button="Open", sections=[{"rows": made}])


# The template of the case "template of all parts".
EVERYTHING = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Now", "has_expiration": True}},
    {"type": "BODY", "text": "Hi {{who}}, only {{price}}"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "URL", "text": "See", "url": "https://example.test/{{1}}"},
            {"type": "QUICK_REPLY", "text": "Stop"},
            {"type": "COPY_CODE", "example": "SAVE"},
        ],
    },
]


CASES: dict[IntegrationProvider, dict[str, Content]] = {
    WHATSAPP: {
        "text": {"type": "text", "text": "Hello 👋", "previewUrl": True},
        "reply": {"type": "text", "text": "Yes", "replyTo": HEARD},
        "image": {"type": "image", "image": {"url": LINK, "caption": "Look"}},
        "uploaded image": {"type": "image", "image": {"mediaId": UPLOADED}},
        "video": {"type": "video", "video": {"url": LINK, "caption": "Look"}},
        "audio": {"type": "audio", "audio": {"url": LINK}},
        "voice": {"type": "audio", "audio": {"url": LINK, "voice": True}},
        "document": {"type": "document", "document": {"url": LINK, "caption": "Read", "filename": "a.pdf"}},
        "sticker": {"type": "sticker", "sticker": {"url": LINK}},
        "location": {"type": "location", "location": {"latitude": 1.5, "longitude": 2, "name": "A", "address": "B"}},
        "contacts": {
            "type": "contacts",
            "contacts": [{"name": {"formattedName": "Ada L.", "firstName": "Ada"}, "phones": [{"phone": "+1650"}]}],
        },
        "reaction": {"type": "reaction", "reaction": {"messageId": HEARD, "emoji": "👍"}},
        "reaction taken back": {"type": "reaction", "reaction": {"messageId": HEARD, "emoji": ""}},
        "buttons": buttons(header={"text": "Above"}, footer="Below"),
        "buttons below a picture": buttons(header={"image": {"url": LINK}}),
        "buttons below a paper": buttons(header={"document": {"url": LINK}}),
        "list": choices(10, description="More"),
        "cta_url": interactive("cta_url", body="?", button=PAGE_BUTTON, header={"video": {"url": LINK}}),
        "flow": interactive("flow", body="?", cta="Go", flowId="7", token="t", screen="FIRST", data={"a": 1}),
        "flow by name, with data to come": interactive("flow", body="?", cta="Go", name="book", action="data_exchange"),
        "location_request": interactive("location_request", body="?"),
        "product": interactive("product", catalogId="1", productId="2", body="?"),
        "product_list": interactive(
            "product_list",
            body="?",
            catalogId="1",
            header={"text": "Ours"},
            sections=[{"title": "A", "products": ["1", "2"]}, {"title": "B", "products": ["3"]}],
        ),
        "catalog": interactive("catalog", body="?", thumbnailProductId="9"),
        "carousel": carousel(),
        "carousel with buttons": carousel(urlButton=None, buttons=[REPLY_BUTTON]),
        "call_permission": interactive("call_permission", body="?"),
        "address": interactive("address", body="?", parameters={"country": "IN"}),
        "order_details": interactive(
            "order_details",
            body="?",
            parameters={
                "reference_id": "1",
                "currency": "INR",
                "total_amount": {"value": 1, "offset": 100},
                "order": {},
            },
        ),
        "template": {
            "type": "template",
            "template": {
                "name": "order_sent",
                "language": "en_US",
                "components": [
                    {"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "7"}]}
                ],
            },
        },
        "template of all parts": {
            "type": "template",
            "template": {
                "name": "everything",
                "language": "en_US",
                "components": [
                    {"type": "header", "parameters": [{"type": "image", "image": {"url": LINK}}]},
                    {
                        "type": "body",
                        "parameters": [
                            {"type": "text", "text": "Ann", "parameterName": "who"},
                            {
                                "type": "currency",
                                "parameterName": "price",
                                "currency": {"fallbackValue": "1 €", "code": "EUR", "amount1000": 1000},
                            },
                        ],
                    },
                    {"type": "button", "subType": "url", "index": 0, "parameters": [{"type": "text", "text": "7"}]},
                    {
                        "type": "button",
                        "subType": "quick_reply",
                        "index": 1,
                        "parameters": [{"type": "payload", "payload": "STOP"}],
                    },
                    {
                        "type": "button",
                        "subType": "copy_code",
                        "index": 2,
                        "parameters": [{"type": "coupon_code", "couponCode": "SAVE"}],
                    },
                    {
                        "type": "limited_time_offer",
                        "parameters": [{"type": "limited_time_offer", "limitedTimeOffer": {"expirationTimeMs": 1}}],
                    },
                ],
            },
        },
        "marketing": {
            "type": "template",
            "template": {"name": "sale", "language": "en_US", "marketing": {"productPolicy": "STRICT"}},
        },
        "read": {"type": "read", "read": {"messageId": HEARD}},
        "typing": {"type": "typing", "typing": {"messageId": HEARD}},
        "raw": {"type": "raw", "raw": {"type": "text", "text": {"body": "raw"}}},
    },
    FACEBOOK: {
        "text": {"type": "text", "text": "Hello 👋"},
        "late": {"type": "text", "text": "Hello", "tag": "HUMAN_AGENT"},
        "reply": {"type": "text", "text": "Yes", "replyTo": HEARD},
        "quick replies": {
            "type": "text",
            "text": "?",
            "quickReplies": [{"title": "A", "payload": "a", "imageUrl": LINK}],
        },
        "image": {"type": "image", "image": {"url": LINK}},
        "uploaded image": {"type": "image", "image": {"mediaId": UPLOADED}},
        "video": {"type": "video", "video": {"url": LINK}},
        "audio": {"type": "audio", "audio": {"url": LINK}},
        "document": {"type": "document", "document": {"url": LINK}},
        "sticker": {"type": "sticker", "sticker": {"mediaId": "369239263222822"}},
        "reaction": {"type": "reaction", "reaction": {"messageId": HEARD, "emoji": "❤️"}},
        "reaction taken back": {"type": "reaction", "reaction": {"messageId": HEARD, "emoji": ""}},
        "buttons": buttons(),
        "cta_url": interactive("cta_url", body="?", button=PAGE_BUTTON),
        "carousel": interactive(
            "carousel",
            cards=[
                {"title": "A", "text": "B", "image": {"url": LINK}, "urlButton": PAGE_BUTTON},
                {"title": "C", "buttons": [REPLY_BUTTON]},
            ],
        ),
        "read": {"type": "read"},
        "typing": {"type": "typing"},
        "typing no more": {"type": "typing", "typing": {"on": False}},
        "raw": {"type": "raw", "raw": {"message": {"text": "raw"}}},
    },
    INSTAGRAM: {
        "text": {"type": "text", "text": "Hello 👋"},
        "late": {"type": "text", "text": "Hello", "tag": "HUMAN_AGENT"},
        "quick replies": {"type": "text", "text": "?", "quickReplies": [{"title": "A", "payload": "a"}]},
        "image": {"type": "image", "image": {"url": LINK}},
        "video": {"type": "video", "video": {"url": LINK}},
        "audio": {"type": "audio", "audio": {"url": LINK}},
        "sticker": {"type": "sticker", "sticker": {"mediaId": "like_heart"}},
        "reaction": {"type": "reaction", "reaction": {"messageId": HEARD, "emoji": "❤️"}},
        "reaction taken back": {"type": "reaction", "reaction": {"messageId": HEARD, "emoji": ""}},
        "buttons": buttons(),
        "cta_url": interactive("cta_url", body="?", button=PAGE_BUTTON),
        "carousel": interactive("carousel", cards=[{"title": "A", "urlButton": PAGE_BUTTON}]),
        "read": {"type": "read"},
        "typing": {"type": "typing"},
        "raw": {"type": "raw", "raw": {"message": {"text": "raw"}}},
    },
}

SECTIONS = [{"title": f"S{number}", "products": [str(number)]} for number in range(11)]
# How long, or how many, each may be: the rule's name, and a message that is of that length.
LENGTHS: dict[IntegrationProvider, dict[str, Callable[[int], Content]]] = {
    WHATSAPP: {
        "text": lambda size: {"type": "text", "text": "x" * size},
        "image.caption": lambda size: {"type": "image", "image": {"url": LINK, "caption": "x" * size}},
        "video.caption": lambda size: {"type": "video", "video": {"url": LINK, "caption": "x" * size}},
        "document.caption": lambda size: {"type": "document", "document": {"url": LINK, "caption": "x" * size}},
        "interactive.buttons.body": lambda size: buttons(body="x" * size),
        "interactive.buttons.footer": lambda size: buttons(footer="x" * size),
        "interactive.buttons.header.text": lambda size: buttons(header={"text": "x" * size}),
        "interactive.buttons.buttons": lambda size: buttons(
            buttons=[{"id": str(number), "title": str(number)} for number in range(size)]
        ),
        "interactive.buttons.buttons.title": lambda size: buttons("x" * size),
        "interactive.buttons.buttons.id": lambda size: buttons(buttons=[{"id": "x" * size, "title": "Yes"}]),
        "interactive.list.body": lambda size: interactive(
            "list", body="x" * size, button="Open", sections=[{"rows": [REPLY_BUTTON]}]
        ),
        "interactive.list.button": lambda size: interactive(
            "list", body="?", button="x" * size, sections=[{"rows": [REPLY_BUTTON]}]
        ),
        "interactive.list.rows": choices,
        "interactive.list.rows.title": lambda size: choices(title="x" * size),
        "interactive.list.rows.id": lambda size: choices(id="x" * size),
        "interactive.list.rows.description": lambda size: choices(description="x" * size),
        "interactive.list.sections.title": lambda size: interactive(
            "list", body="?", button="Open", sections=[{"title": "x" * size, "rows": [REPLY_BUTTON]}]
        ),
        "interactive.cta_url.button.title": lambda size: interactive(
            "cta_url", body="?", button={"title": "x" * size, "url": LINK}
        ),
        "interactive.flow.cta": lambda size: interactive("flow", body="?", cta="x" * size, flowId="7"),
        "interactive.product_list.sections": lambda size: interactive(
            "product_list", body="?", catalogId="1", header={"text": "Ours"}, sections=SECTIONS[:size]
        ),
        "interactive.product_list.products": lambda size: interactive(
            "product_list",
            body="?",
            catalogId="1",
            header={"text": "Ours"},
            sections=[{"title": "A", "products": [str(number) for number in range(size)]}],
        ),
        "interactive.carousel.cards": lambda size: interactive(
            "carousel",
            body="?",
            cards=[{"title": "A", "image": {"url": LINK}, "urlButton": PAGE_BUTTON}] * size,
        ),
    },
    FACEBOOK: {
        "text": lambda size: {"type": "text", "text": "x" * size},
        "quickReplies": lambda size: {
            "type": "text",
            "text": "?",
            "quickReplies": [{"title": str(number), "payload": "p"} for number in range(size)],
        },
        "quickReplies.title": lambda size: {
            "type": "text",
            "text": "?",
            "quickReplies": [{"title": "x" * size, "payload": "p"}],
        },
        "quickReplies.payload": lambda size: {
            "type": "text",
            "text": "?",
            "quickReplies": [{"title": "A", "payload": "x" * size}],
        },
        "interactive.buttons.body": lambda size: buttons(body="x" * size),
        "interactive.buttons.buttons": lambda size: buttons(buttons=[REPLY_BUTTON] * size),
        "interactive.buttons.buttons.title": lambda size: buttons("x" * size),
        "interactive.carousel.cards": lambda size: interactive(
            "carousel", cards=[{"title": "A", "urlButton": PAGE_BUTTON}] * size
        ),
        "interactive.carousel.cards.title": lambda size: interactive(
            "carousel", cards=[{"title": "x" * size, "urlButton": PAGE_BUTTON}]
        ),
        "interactive.carousel.cards.text": lambda size: interactive(
            "carousel", cards=[{"title": "A", "text": "x" * size, "urlButton": PAGE_BUTTON}]
        ),
    },
    INSTAGRAM: {"text": lambda size: {"type": "text", "text": "x" * size}},
}
