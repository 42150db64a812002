"""A message made from a template that the platform has approved: its name, its language, and what fills it in.

Components are known to people from the vendor's documentation: its spelling (`sub_type`, `link`) is understood too.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

from hookline.domain.outbound_media import CaptionedFile, Document, Free, Id, Location, Part, Text

Index = Annotated[int, msgspec.Meta(ge=0, le=9)]


class _Parameter(Part, frozen=True, kw_only=True, tag_field="type"):
    """A value for one place; `parameterName` where the template names its places."""

    parameter_name: Text | None = None


class TextParameter(_Parameter, frozen=True, kw_only=True, tag="text"):
    """A text."""

    text: Text


class Money(Part, frozen=True, kw_only=True):
    """An amount in thousandths of the currency's unit."""

    fallback_value: Text
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    amount_1000: int


class CurrencyParameter(_Parameter, frozen=True, kw_only=True, tag="currency"):
    """An amount of money."""

    currency: Money


class Moment(Part, frozen=True, kw_only=True):
    """A date and time; what is shown is `fallbackValue`."""

    fallback_value: Text
    year: int | None = None
    month: int | None = None
    day_of_month: int | None = None
    day_of_week: int | str | None = None
    hour: int | None = None
    minute: int | None = None
    calendar: str | None = None
    timestamp: int | None = None


class DateTimeParameter(_Parameter, frozen=True, kw_only=True, tag="date_time"):
    """A date and time."""

    date_time: Moment


class ImageParameter(_Parameter, frozen=True, kw_only=True, tag="image"):
    """An image, for a header."""

    image: CaptionedFile


class VideoParameter(_Parameter, frozen=True, kw_only=True, tag="video"):
    """A video, for a header."""

    video: CaptionedFile


class DocumentParameter(_Parameter, frozen=True, kw_only=True, tag="document"):
    """A document, for a header."""

    document: Document


class LocationParameter(_Parameter, frozen=True, kw_only=True, tag="location"):
    """A place, for a header."""

    location: Location


class PayloadParameter(_Parameter, frozen=True, kw_only=True, tag="payload"):
    """What a quick-reply button sends back."""

    payload: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class CouponParameter(_Parameter, frozen=True, kw_only=True, tag="coupon_code"):
    """The code that a button copies."""

    coupon_code: Text


class ActionParameter(_Parameter, frozen=True, kw_only=True, tag="action"):
    """What a flow, catalog or products button begins with; the platform's own words."""

    action: Free


class OfferEnd(Part, frozen=True, kw_only=True):
    """When an offer ends."""

    expiration_time_ms: int


class OfferParameter(_Parameter, frozen=True, kw_only=True, tag="limited_time_offer"):
    """The end of a limited offer."""

    limited_time_offer: OfferEnd


class ProductKey(Part, frozen=True, kw_only=True):
    """A product of a catalog."""

    product_retailer_id: Id
    catalog_id: Id


class ProductParameter(_Parameter, frozen=True, kw_only=True, tag="product"):
    """A product, for a card's header."""

    product: ProductKey


Parameter = (
    TextParameter
    | CurrencyParameter
    | DateTimeParameter
    | ImageParameter
    | VideoParameter
    | DocumentParameter
    | LocationParameter
    | PayloadParameter
    | CouponParameter
    | ActionParameter
    | OfferParameter
    | ProductParameter
)


class Component(Part, frozen=True, kw_only=True):
    """A part of the template: header, body, a button by its index, the cards of a carousel."""

    type: Literal["header", "body", "footer", "button", "carousel", "limited_time_offer", "order_status"]
    sub_type: (
        Literal["quick_reply", "url", "copy_code", "flow", "catalog", "mpm", "spm", "voice_call", "order_details"]
        | None
    ) = None
    index: Index | None = None
    parameters: tuple[Parameter, ...] = ()
    cards: "tuple[TemplateCard, ...]" = ()

    def __post_init__(self) -> None:
        is_button = self.type == "button"
        if is_button != (self.sub_type is not None) or is_button != (self.index is not None):
            raise ValueError("subType and index belong to a button, and a button needs both")
        if (self.type == "carousel") != bool(self.cards):
            raise ValueError("cards belong to a carousel, and a carousel needs them")


class TemplateCard(Part, frozen=True, kw_only=True):
    """A card of a carousel template."""

    card_index: Index
    components: tuple[Component, ...]


class Marketing(Part, frozen=True, kw_only=True):
    """Says that a template is marketing and goes by the platform's marketing interface.

    productPolicy: what to do where that interface cannot. messageActivitySharing: whether clicks are shared with it.
    """

    product_policy: Literal["CLOUD_API_FALLBACK", "STRICT"] | None = None
    message_activity_sharing: bool | None = None


class Template(Part, frozen=True, kw_only=True):
    """A template, filled in."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    language: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    components: tuple[Component, ...] = ()
    marketing: Marketing | None = None


# The vendor's names → ours, wherever they stand in a template. What stands in `action` is the platform's own.
_OURS: Final = {
    "sub_type": "subType",
    "parameter_name": "parameterName",
    "fallback_value": "fallbackValue",
    "amount_1000": "amount1000",
    "date_time": "dateTime",
    "day_of_month": "dayOfMonth",
    "day_of_week": "dayOfWeek",
    "coupon_code": "couponCode",
    "limited_time_offer": "limitedTimeOffer",
    "expiration_time_ms": "expirationTimeMs",
    "card_index": "cardIndex",
    "product_retailer_id": "productRetailerId",
    "catalog_id": "catalogId",
    "link": "url",
    "id": "mediaId",
}


def in_our_words(template: Any) -> Any:
    """Spell a template's members our way, so that the vendor's own samples are understood.

    Also: the language as `{"code": …}`, a button's kind in capitals, its index as text.
    """
    if not isinstance(template, dict):
        return template
    spelled = {name: _spelled(value) for name, value in template.items()}
    language = template.get("language")
    if isinstance(language, dict) and language.keys() <= {"code", "policy"} and "code" in language:
        spelled["language"] = language["code"]
    return spelled


def _spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(one) for one in value]
    if not isinstance(value, dict):
        return value
    ours: dict[Any, Any] = {}
    for name, member in value.items():
        spelled = member if name == "action" else _spelled(member)
        ours[_OURS.get(name, name)] = _vendors_value(name, spelled)
    return ours


def _vendors_value(name: str, value: Any) -> Any:
    if name in ("sub_type", "subType") and isinstance(value, str):
        return value.lower()
    if name in ("index", "card_index", "cardIndex") and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value
