"""The templates of Messenger and Instagram: what a message's buttons and cards may be. Pure.

Source: protocol reference 7.2 names the attachment type; kinds and limits are general knowledge of the platform.
"""

from collections.abc import Callable, Mapping

from hookline.simulator.checking import Json
from hookline.simulator.messenger.envelope import CHECK, LONGEST_PAYLOAD

MOST_ELEMENTS = 10
MOST_BUTTONS = 3
LONGEST_TITLE = 80
LONGEST_BUTTON_TEXT = 640
LONGEST_BUTTON_TITLE = 20


def template(payload: Json, at: str) -> None:
    """Check `payload: {template_type, …}`.

    Raises: Refusal.
    """
    kind = CHECK.choice(payload, "template_type", at, among=_KINDS)
    _KINDS[kind](payload, at)


def _generic(payload: Json, at: str) -> None:
    for index, element in enumerate(CHECK.objects(payload, "elements", at, most=MOST_ELEMENTS)):
        _element(element, f"{at}['elements'][{index}]")


def _element(element: Json, at: str) -> None:
    CHECK.text(element, "title", at, longest=LONGEST_TITLE)
    CHECK.text(element, "subtitle", at, longest=LONGEST_TITLE, required=False)
    CHECK.url(element, "image_url", at, required=False)
    _buttons(element, at, least=0)


def _button(payload: Json, at: str) -> None:
    CHECK.text(payload, "text", at, longest=LONGEST_BUTTON_TEXT)
    _buttons(payload, at, least=1)


def _media(payload: Json, at: str) -> None:
    for element in CHECK.objects(payload, "elements", at, most=1):
        place = f"{at}['elements'][0]"
        CHECK.choice(element, "media_type", place, among=("image", "video"))
        CHECK.either(element, ("attachment_id", "url"), place)
        _buttons(element, place, least=0)


def _product(payload: Json, at: str) -> None:
    for element in CHECK.objects(payload, "elements", at, most=MOST_ELEMENTS):
        CHECK.text(element, "id", f"{at}['elements']", longest=256)


def _receipt(payload: Json, at: str) -> None:
    for key in ("recipient_name", "order_number", "currency", "payment_method"):
        CHECK.text(payload, key, at, longest=500)
    CHECK.number(CHECK.object(payload, "summary", at), "total_cost", f"{at}['summary']", least=0, most=1e12)


def _coupon(payload: Json, at: str) -> None:
    CHECK.text(payload, "title", at, longest=LONGEST_TITLE)
    CHECK.either(payload, ("coupon_code", "coupon_url"), at)


def _feedback(payload: Json, at: str) -> None:
    CHECK.text(payload, "title", at, longest=65)
    CHECK.text(payload, "button_title", at, longest=LONGEST_BUTTON_TITLE)
    CHECK.objects(payload, "feedback_screens", at, most=1)


def _optin(payload: Json, at: str) -> None:
    CHECK.text(payload, "title", at, longest=65, required=False)
    CHECK.text(payload, "payload", at, longest=LONGEST_PAYLOAD)


def _buttons(holder: Json, at: str, *, least: int) -> None:
    for index, button in enumerate(CHECK.objects(holder, "buttons", at, most=MOST_BUTTONS, least=least)):
        place = f"{at}['buttons'][{index}]"
        kind = CHECK.choice(button, "type", place, among=_BUTTONS)
        needed = _BUTTONS[kind]
        if kind not in ("account_link", "account_unlink"):
            CHECK.text(button, "title", place, longest=LONGEST_BUTTON_TITLE)
        if needed == "url":
            CHECK.url(button, "url", place)
        elif needed:
            CHECK.text(button, "payload", place, longest=LONGEST_PAYLOAD)


# Each button's type, and which of its values must be there.
_BUTTONS: Mapping[str, str] = {
    "web_url": "url",
    "postback": "payload",
    "phone_number": "payload",
    "account_link": "url",
    "account_unlink": "",
    "game_play": "",
}

_KINDS: Mapping[str, Callable[[Json, str], None]] = {
    "generic": _generic,
    "button": _button,
    "media": _media,
    "product": _product,
    "receipt": _receipt,
    "coupon": _coupon,
    "customer_feedback": _feedback,
    "notification_messages": _optin,
}
