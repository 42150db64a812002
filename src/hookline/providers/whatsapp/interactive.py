"""Interactive messages in WhatsApp's words: `{type, header?, body?, footer?, action}`.

Source: protocol reference 7.1.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hookline.domain.capability import NotSupported
from hookline.domain.outbound import InvalidMessage
from hookline.domain.outbound_interactive import (
    AddressRequest,
    Buttons,
    CallPermission,
    Carousel,
    CarouselCard,
    Catalog,
    CtaUrl,
    Flow,
    Header,
    Interactive,
    List,
    LocationRequest,
    OrderDetails,
    Product,
    ProductList,
    ReplyButton,
    UrlButton,
)
from hookline.providers.whatsapp.files import file

Action = dict[str, Any]

# What a card says, in characters. Source: the vendor's page on media carousels.
LONGEST_CARD: Final = 160


def check(content: Interactive) -> None:
    """Check what must come together.

    Raises: InvalidMessage, NotSupported.
    """
    if isinstance(content, List) and len(content.sections) > 1:
        for index, section in enumerate(content.sections):
            if section.title is None:
                raise InvalidMessage(f"body.interactive.sections[{index}].title", "is required where there are several")
    if isinstance(content, Carousel):
        _check_carousel(content)


def _check_carousel(content: Carousel) -> None:
    if content.body is None:
        raise InvalidMessage("body.interactive.body", "is required")
    if len(content.cards) < 2:
        raise InvalidMessage("body.interactive.cards", "must be two or more")
    kinds = {(card.image is None, card.video is None) for card in content.cards}
    if len(kinds) > 1 or (True, True) in kinds:
        raise _unfit_cards("WhatsApp needs an image on every card, or a video on every card")
    if len({len(card.buttons) for card in content.cards}) > 1:
        raise _unfit_cards("WhatsApp needs a page on every card, or the same number of buttons on every card")
    if any(len(_words(card)) > LONGEST_CARD for card in content.cards):
        raise _unfit_cards(f"title and text of a card may have {LONGEST_CARD} characters together")


def _unfit_cards(reason: str) -> NotSupported:
    return NotSupported("interactive.carousel.cards", "body.interactive.cards", reason)


def _words(card: CarouselCard) -> str:
    return card.title if card.text is None else f"{card.title}\n{card.text}"


def build(content: Interactive | None) -> dict[str, Any]:
    """Write an interactive message of any kind."""
    if content is None:
        return {}
    kind, action = _KINDS[type(content)]
    built: dict[str, Any] = {"type": kind, "action": action(content)}
    if content.header is not None:
        built["header"] = _header(content.header)
    if content.body is not None:
        built["body"] = {"text": content.body}
    if content.footer is not None:
        built["footer"] = {"text": content.footer}
    return built


def _header(header: Header) -> dict[str, Any]:
    (kind,) = header.given
    return {"type": kind, kind: header.text if kind == "text" else file(getattr(header, kind))}


def _reply_buttons(buttons: tuple[ReplyButton, ...]) -> list[dict[str, Any]]:
    return [{"type": "reply", "reply": {"id": one.id, "title": one.title}} for one in buttons]


def _buttons(content: Buttons) -> Action:
    return {"buttons": _reply_buttons(content.buttons)}


def _list(content: List) -> Action:
    sections: list[dict[str, Any]] = []
    for section in content.sections:
        rows = [
            {"id": row.id, "title": row.title} | ({"description": row.description} if row.description else {})
            for row in section.rows
        ]
        sections.append({"rows": rows} | ({"title": section.title} if section.title else {}))
    return {"button": content.button, "sections": sections}


def _open_page(button: UrlButton) -> Action:
    return {"name": "cta_url", "parameters": {"display_text": button.title, "url": button.url}}


def _flow(content: Flow) -> Action:
    parameters: dict[str, Any] = {
        "flow_message_version": content.version,
        "flow_cta": content.cta,
        "flow_action": content.action,
    }
    if content.flow_id is not None:
        parameters["flow_id"] = content.flow_id
    if content.name is not None:
        parameters["flow_name"] = content.name
    if content.token is not None:
        parameters["flow_token"] = content.token
    if content.mode == "draft":
        parameters["mode"] = "draft"
    if content.screen is not None:
        payload: dict[str, Any] = {"screen": content.screen}
        parameters["flow_action_payload"] = payload | ({"data": content.data} if content.data else {})
    return {"name": "flow", "parameters": parameters}


def _product(content: Product) -> Action:
    return {"catalog_id": content.catalog_id, "product_retailer_id": content.product_id}


def _product_list(content: ProductList) -> Action:
    sections: list[dict[str, Any]] = []
    for section in content.sections:
        items = [{"product_retailer_id": product} for product in section.products]
        sections.append({"product_items": items} | ({"title": section.title} if section.title else {}))
    return {"catalog_id": content.catalog_id, "sections": sections}


def _catalog(content: Catalog) -> Action:
    if content.thumbnail_product_id is None:
        return {"name": "catalog_message"}
    parameters = {"thumbnail_product_retailer_id": content.thumbnail_product_id}
    return {"name": "catalog_message", "parameters": parameters}


def _carousel(content: Carousel) -> Action:
    return {"cards": [_card(index, card) for index, card in enumerate(content.cards)]}


def _card(index: int, card: CarouselCard) -> dict[str, Any]:
    header = (
        {"type": "image", "image": file(card.image)} if card.image else {"type": "video", "video": file(card.video)}
    )
    # Every card is called cta_url, one with buttons that answer too: so the vendor's own examples have it.
    built: dict[str, Any] = {"card_index": index, "type": "cta_url", "header": header, "body": {"text": _words(card)}}
    if card.url_button is not None:
        return built | {"action": _open_page(card.url_button)}
    buttons = [{"type": "quick_reply", "quick_reply": {"id": one.id, "title": one.title}} for one in card.buttons]
    return built | {"action": {"buttons": buttons}}


def _named(name: str) -> Callable[[Any], Action]:
    return lambda _: {"name": name}


def _with_parameters(name: str) -> Callable[[Any], Action]:
    return lambda content: {"name": name, "parameters": content.parameters}


# Our kind → the vendor's name for it, and what makes its action.
_KINDS: Final[Mapping[type[Interactive], tuple[str, Callable[[Any], Action]]]] = {
    Buttons: ("button", _buttons),
    List: ("list", _list),
    CtaUrl: ("cta_url", lambda content: _open_page(content.button)),
    Flow: ("flow", _flow),
    LocationRequest: ("location_request_message", _named("send_location")),
    Product: ("product", _product),
    ProductList: ("product_list", _product_list),
    Catalog: ("catalog_message", _catalog),
    Carousel: ("carousel", _carousel),
    CallPermission: ("call_permission_request", _named("call_permission_request")),
    AddressRequest: ("address_message", _with_parameters("address_message")),
    OrderDetails: ("order_details", _with_parameters("review_and_pay")),
}
