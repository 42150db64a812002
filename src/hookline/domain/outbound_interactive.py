"""The interactive messages: text with something to press, choose or fill in. `type` tells the kinds apart."""

from typing import Annotated, Literal

import msgspec

from hookline.domain.outbound_media import File, Free, Id, Part, Text, Url, check_url


class Header(Part, frozen=True, kw_only=True):
    """What stands above the text: a line of text, or one file."""

    text: Text | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None

    def __post_init__(self) -> None:
        if len(self.given) != 1:
            raise ValueError("needs exactly one of text, image, video, document")

    @property
    def given(self) -> list[str]:
        """The names of what is there: one."""
        return [name for name in ("text", "image", "video", "document") if getattr(self, name) is not None]


class ReplyButton(Part, frozen=True, kw_only=True):
    """A button; whoever presses it sends back its id."""

    id: Id
    title: Text


class Row(Part, frozen=True, kw_only=True):
    """A choice of a list; whoever takes it sends back its id."""

    id: Id
    title: Text
    description: Text | None = None


class Section(Part, frozen=True, kw_only=True):
    """Choices under a heading."""

    rows: Annotated[tuple[Row, ...], msgspec.Meta(min_length=1)]
    title: Text | None = None


class ProductSection(Part, frozen=True, kw_only=True):
    """Products of the catalog under a heading, by their ids there."""

    products: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
    title: Text | None = None


class UrlButton(Part, frozen=True, kw_only=True):
    """A button that opens a page."""

    title: Text
    url: Url

    def __post_init__(self) -> None:
        check_url(self.url)


class CarouselCard(Part, frozen=True, kw_only=True):
    """A card of a carousel: a picture or film, words, and buttons of one kind."""

    title: Text
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    buttons: tuple[ReplyButton, ...] = ()
    url_button: UrlButton | None = None

    def __post_init__(self) -> None:
        if self.image is not None and self.video is not None:
            raise ValueError("needs at most one of image, video")
        if bool(self.buttons) == (self.url_button is not None):
            raise ValueError("needs either buttons or urlButton")


class _Interactive(Part, frozen=True, kw_only=True, tag_field="type"):
    """What all kinds may have around them."""

    header: Header | None = None
    footer: Text | None = None


class Buttons(_Interactive, frozen=True, kw_only=True, tag="buttons"):
    """A text with buttons that answer."""

    body: Text
    buttons: Annotated[tuple[ReplyButton, ...], msgspec.Meta(min_length=1)]


class List(_Interactive, frozen=True, kw_only=True, tag="list"):
    """A text with a menu behind the button `button`."""

    body: Text
    button: Text
    sections: Annotated[tuple[Section, ...], msgspec.Meta(min_length=1)]


class CtaUrl(_Interactive, frozen=True, kw_only=True, tag="cta_url"):
    """A call to action: a text with a button that opens a page."""

    body: Text
    button: UrlButton


class Flow(_Interactive, frozen=True, kw_only=True, tag="flow"):
    """A form. Named by `flowId` or `name`; `screen` and `data` begin it, unless the platform asks for the data."""

    body: Text
    cta: Text
    flow_id: Id | None = None
    name: Text | None = None
    token: Text | None = None
    mode: Literal["draft", "published"] = "published"
    action: Literal["navigate", "data_exchange"] = "navigate"
    screen: Text | None = None
    data: Free = msgspec.field(default_factory=dict)
    version: Text = "3"

    def __post_init__(self) -> None:
        if (self.flow_id is None) == (self.name is None):
            raise ValueError("needs either flowId or name")
        if self.data and self.screen is None:
            raise ValueError("needs screen, as there is data for it")


class LocationRequest(_Interactive, frozen=True, kw_only=True, tag="location_request"):
    """Asks where the person is."""

    body: Text


class Product(_Interactive, frozen=True, kw_only=True, tag="product"):
    """One product of the catalog."""

    catalog_id: Id
    product_id: Id
    body: Text | None = None


class ProductList(_Interactive, frozen=True, kw_only=True, tag="product_list"):
    """Several products of the catalog."""

    body: Text
    catalog_id: Id
    sections: Annotated[tuple[ProductSection, ...], msgspec.Meta(min_length=1)]


class Catalog(_Interactive, frozen=True, kw_only=True, tag="catalog"):
    """The whole catalog, shown by one product."""

    body: Text
    thumbnail_product_id: Id | None = None


class Carousel(_Interactive, frozen=True, kw_only=True, tag="carousel"):
    """Cards side by side."""

    cards: Annotated[tuple[CarouselCard, ...], msgspec.Meta(min_length=1)]
    body: Text | None = None


class CallPermission(_Interactive, frozen=True, kw_only=True, tag="call_permission"):
    """Asks whether the business may call."""

    body: Text


class AddressRequest(_Interactive, frozen=True, kw_only=True, tag="address"):
    """Asks for a postal address. parameters: the platform's own (country, values, saved addresses, …)."""

    body: Text
    parameters: Free


class OrderDetails(_Interactive, frozen=True, kw_only=True, tag="order_details"):
    """An order to pay. parameters: the platform's own (reference_id, order, total_amount, …)."""

    body: Text
    parameters: Free


Interactive = (
    Buttons
    | List
    | CtaUrl
    | Flow
    | LocationRequest
    | Product
    | ProductList
    | Catalog
    | Carousel
    | CallPermission
    | AddressRequest
    | OrderDetails
)
