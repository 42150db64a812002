"""Interactive messages: what a person can tap. Source: protocol reference 7.1.

Limits that the reference does not give are the compiler's general knowledge of the platform.
"""

from collections.abc import Callable, Mapping

from hookline.simulator.whatsapp import content
from hookline.simulator.whatsapp.checks import CHECK, Json

MOST_BUTTONS = 3
LONGEST_BUTTON_TITLE = 20
LONGEST_BUTTON_ID = 256
MOST_ROWS = 10
MOST_SECTIONS = 10
LONGEST_ROW_TITLE = 24
LONGEST_ROW_DESCRIPTION = 72
LONGEST_ROW_ID = 200
LONGEST_BODY = 1024
LONGEST_LIST_BODY = 4096
LONGEST_FOOTER = 60
LONGEST_HEADER = 60
MOST_PRODUCTS = 30
MOST_CARDS = 10
LONGEST_CARD_BODY = 160
_LONGEST_ID = 256
_AT = "interactive"
_ACTION = "interactive['action']"
_PARAMETERS = "interactive['action']['parameters']"
_ANY_HEADER = ("text", "image", "video", "document")


def interactive(body: Json) -> Json:
    """`interactive: {type, header?, body, footer?, action}`."""
    found = CHECK.object(body, "interactive", only=("type", "header", "body", "footer", "action"))
    kind = CHECK.choice(found, "type", _AT, among=_KINDS)
    action = CHECK.object(found, "action", _AT)
    _KINDS[kind](found, action)
    footer = CHECK.optional_object(found, "footer", _AT, only=("text",))
    if footer is not None:
        CHECK.text(footer, "text", "interactive['footer']", longest=LONGEST_FOOTER)
    return found


def _button(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    _header(message, _ANY_HEADER)
    buttons = CHECK.objects(action, "buttons", _ACTION, most=MOST_BUTTONS)
    ids, titles = [], []
    for index, button in enumerate(buttons):
        at = f"{_ACTION}['buttons'][{index}]"
        CHECK.choice(button, "type", at, among=("reply",))
        reply = CHECK.object(button, "reply", at, only=("id", "title"))
        ids.append(CHECK.text(reply, "id", f"{at}['reply']", longest=LONGEST_BUTTON_ID))
        title = CHECK.text(reply, "title", f"{at}['reply']", longest=10_000)
        if len(title) > LONGEST_BUTTON_TITLE:
            CHECK.refuse(f"Button title length invalid. Min length: 1, Max length: {LONGEST_BUTTON_TITLE}")
        titles.append(title)
    CHECK.unique(ids, "Button ids")
    CHECK.unique(titles, "Button titles")


def _list(message: Json, action: Json) -> None:
    _body(message, LONGEST_LIST_BODY)
    _header(message, ("text",))
    CHECK.text(action, "button", _ACTION, longest=LONGEST_BUTTON_TITLE)
    sections = CHECK.objects(action, "sections", _ACTION, most=MOST_SECTIONS)
    ids: list[str] = []
    for index, section in enumerate(sections):
        at = f"{_ACTION}['sections'][{index}]"
        CHECK.text(section, "title", at, longest=LONGEST_ROW_TITLE, required=len(sections) > 1)
        rows = CHECK.objects(section, "rows", at, most=MOST_ROWS)
        ids += [_row(row, f"{at}['rows'][{place}]") for place, row in enumerate(rows)]
    if len(ids) > MOST_ROWS:
        CHECK.refuse(f"Total row count exceed max allowed count: {MOST_ROWS}")
    CHECK.unique(ids, "Row ids")


def _row(row: Json, at: str) -> str:
    CHECK.text(row, "title", at, longest=LONGEST_ROW_TITLE)
    CHECK.text(row, "description", at, longest=LONGEST_ROW_DESCRIPTION, required=False)
    return CHECK.text(row, "id", at, longest=LONGEST_ROW_ID)


def _link(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    _header(message, _ANY_HEADER)
    _link_action(action, _ACTION)


def _link_action(action: Json, at: str) -> None:
    parameters = _named(action, "cta_url", at)
    CHECK.text(parameters, "display_text", f"{at}['parameters']", longest=LONGEST_BUTTON_TITLE)
    CHECK.url(parameters, "url", f"{at}['parameters']")


def _flow(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    _header(message, _ANY_HEADER)
    parameters = _named(action, "flow", _ACTION)
    CHECK.text(parameters, "flow_message_version", _PARAMETERS, longest=8)
    CHECK.text(parameters, CHECK.either(parameters, ("flow_id", "flow_name"), _PARAMETERS), _PARAMETERS, longest=512)
    CHECK.text(parameters, "flow_cta", _PARAMETERS, longest=30)
    CHECK.choice(parameters, "mode", _PARAMETERS, among=("draft", "published"), default="published")
    step = CHECK.choice(parameters, "flow_action", _PARAMETERS, among=("navigate", "data_exchange"), default="navigate")
    opening = CHECK.optional_object(parameters, "flow_action_payload", _PARAMETERS)
    if step == "navigate" and opening is not None:
        CHECK.text(opening, "screen", f"{_PARAMETERS}['flow_action_payload']", longest=512)


def _location_request(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    CHECK.choice(action, "name", _ACTION, among=("send_location",))


def _product(message: Json, action: Json) -> None:
    if message.get("header") is not None:
        raise CHECK.wrong(_AT, "header", "is not allowed for type product")
    _body(message, LONGEST_BODY, required=False)
    CHECK.text(action, "catalog_id", _ACTION, longest=_LONGEST_ID)
    CHECK.text(action, "product_retailer_id", _ACTION, longest=_LONGEST_ID)


def _product_list(message: Json, action: Json) -> None:
    CHECK.object(message, "header", _AT)
    _header(message, ("text",))
    _body(message, LONGEST_BODY)
    CHECK.text(action, "catalog_id", _ACTION, longest=_LONGEST_ID)
    sections = CHECK.objects(action, "sections", _ACTION, most=MOST_SECTIONS)
    products = 0
    for index, section in enumerate(sections):
        at = f"{_ACTION}['sections'][{index}]"
        CHECK.text(section, "title", at, longest=LONGEST_ROW_TITLE, required=len(sections) > 1)
        for product in CHECK.objects(section, "product_items", at, most=MOST_PRODUCTS):
            CHECK.text(product, "product_retailer_id", f"{at}['product_items']", longest=_LONGEST_ID)
            products += 1
    if products > MOST_PRODUCTS:
        CHECK.refuse(f"Total product count exceed max allowed count: {MOST_PRODUCTS}")


def _catalog(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    CHECK.choice(action, "name", _ACTION, among=("catalog_message",))
    CHECK.optional_object(action, "parameters", _ACTION, only=("thumbnail_product_retailer_id",))


def _carousel(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    for key in ("header", "footer"):
        if message.get(key) is not None:
            raise CHECK.wrong(_AT, key, "is not allowed for type carousel")
    cards = CHECK.objects(action, "cards", _ACTION, most=MOST_CARDS, least=2)
    forms = {_card(card, index, f"{_ACTION}['cards'][{index}]") for index, card in enumerate(cards)}
    if len(forms) > 1:
        CHECK.refuse("All cards must have the same kind of header, and the same kind and number of buttons")


def _card(card: Json, index: int, at: str) -> tuple[str, str, int]:
    """Check a card; the kind of its header, and the kind and number of its buttons."""
    if card.get("card_index") != index:
        raise CHECK.wrong(at, "card_index", f"must be {index}")
    kind = CHECK.choice(card, "type", at, among=("cta_url", "product"))
    action = CHECK.object(card, "action", at)
    if kind == "product":
        CHECK.text(action, "catalog_id", f"{at}['action']", longest=_LONGEST_ID)
        CHECK.text(action, "product_retailer_id", f"{at}['action']", longest=_LONGEST_ID)
        return "", kind, 1
    header = CHECK.object(card, "header", at)
    place = f"{at}['header']"
    form = CHECK.choice(header, "type", place, among=("image", "video"))
    content.media(header, form, at=place)
    body = CHECK.optional_object(card, "body", at, only=("text",))
    if body is not None:
        CHECK.text(body, "text", f"{at}['body']", longest=LONGEST_CARD_BODY)
    if action.get("buttons") is None:
        _link_action(action, f"{at}['action']")
        return form, kind, 1
    return form, "quick_reply", _quick_replies(action, f"{at}['action']")


def _quick_replies(action: Json, at: str) -> int:
    """Check the buttons of a card; how many there are."""
    buttons = CHECK.objects(action, "buttons", at, most=MOST_BUTTONS)
    for index, button in enumerate(buttons):
        place = f"{at}['buttons'][{index}]"
        CHECK.choice(button, "type", place, among=("quick_reply",))
        reply = CHECK.object(button, "quick_reply", place, only=("id", "title"))
        CHECK.text(reply, "id", f"{place}['quick_reply']", longest=LONGEST_BUTTON_ID)
        CHECK.text(reply, "title", f"{place}['quick_reply']", longest=LONGEST_BUTTON_TITLE)
    return len(buttons)


def _call_permission(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY, required=False)
    CHECK.choice(action, "name", _ACTION, among=("call_permission_request",))


def _address(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    _header(message, _ANY_HEADER)
    CHECK.text(_named(action, "address_message", _ACTION), "country", _PARAMETERS, longest=2)


def _payment(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    _header(message, ("image", "document", "video", "text"))
    parameters = _named(action, "review_and_pay", _ACTION)
    CHECK.text(parameters, "reference_id", _PARAMETERS, longest=64)
    CHECK.text(parameters, "currency", _PARAMETERS, longest=3)
    CHECK.object(parameters, "total_amount", _PARAMETERS)
    CHECK.object(parameters, "order", _PARAMETERS)


def _payment_status(message: Json, action: Json) -> None:
    _body(message, LONGEST_BODY)
    parameters = _named(action, "review_order", _ACTION)
    CHECK.text(parameters, "reference_id", _PARAMETERS, longest=64)
    CHECK.object(parameters, "order", _PARAMETERS)


def _named(action: Json, name: str, at: str) -> Json:
    """Check an action's name, and find its parameters."""
    CHECK.choice(action, "name", at, among=(name,))
    return CHECK.object(action, "parameters", at)


def _body(message: Json, longest: int, *, required: bool = True) -> None:
    read = CHECK.object if required else CHECK.optional_object
    body = read(message, "body", _AT, only=("text",))
    if body is not None:
        CHECK.text(body, "text", "interactive['body']", longest=longest)


def _header(message: Json, among: tuple[str, ...]) -> None:
    header = CHECK.optional_object(message, "header", _AT)
    if header is None:
        return
    at = "interactive['header']"
    kind = CHECK.choice(header, "type", at, among=among)
    if kind == "text":
        CHECK.text(header, "text", at, longest=LONGEST_HEADER)
    else:
        content.media(header, kind, *(("filename",) if kind == "document" else ()), at=at)


_KINDS: Mapping[str, Callable[[Json, Json], None]] = {
    "button": _button,
    "list": _list,
    "cta_url": _link,
    "flow": _flow,
    "location_request_message": _location_request,
    "product": _product,
    "product_list": _product_list,
    "catalog_message": _catalog,
    "carousel": _carousel,
    "call_permission_request": _call_permission,
    "address_message": _address,
    "order_details": _payment,
    "order_status": _payment_status,
}
