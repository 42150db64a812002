"""The files, places and cards of an outbound message: what stands under `image`, `location`, `contacts` and so on."""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A piece of our contract: camelCase, nothing unknown."""


def check_url(url: str) -> None:
    """Let only plain web addresses through: http or https, a host, no credentials. Raises: ValueError."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises on a port that is none
    except ValueError:
        raise ValueError("url is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url must not hold a user name or password")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("url must not hold spaces or control characters")


class File(Part, frozen=True, kw_only=True):
    """A file, where it is: at a public URL, or by the id of an upload (ours, or the platform's own)."""

    url: Url | None = None
    media_id: Id | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.media_id is None):
            raise ValueError("needs either url or mediaId")
        if self.url is not None:
            check_url(self.url)


class CaptionedFile(File, frozen=True, kw_only=True):
    """An image or a video."""

    caption: Text | None = None


class Audio(File, frozen=True, kw_only=True):
    """Sound. voice: to be shown as a voice note."""

    voice: bool = False


class Document(CaptionedFile, frozen=True, kw_only=True):
    """Any other file."""

    filename: Annotated[str, msgspec.Meta(min_length=1, max_length=240)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filename is not None and ("/" in self.filename or "\\" in self.filename):
            raise ValueError("filename must not hold path separators")


class Location(Part, frozen=True, kw_only=True):
    """A place."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    name: Text | None = None
    address: Text | None = None


class PersonName(Part, frozen=True, kw_only=True):
    """The name on a contact card."""

    formatted_name: Text
    first_name: Text | None = None
    last_name: Text | None = None
    middle_name: Text | None = None
    prefix: Text | None = None
    suffix: Text | None = None


class Phone(Part, frozen=True, kw_only=True):
    """A number on a contact card."""

    phone: Text | None = None
    type: Text | None = None
    wa_id: Text | None = None


class Email(Part, frozen=True, kw_only=True):
    """An email address on a contact card."""

    email: Text
    type: Text | None = None


class Link(Part, frozen=True, kw_only=True):
    """A web address on a contact card."""

    url: Url
    type: Text | None = None


class PostalAddress(Part, frozen=True, kw_only=True):
    """A postal address on a contact card."""

    street: Text | None = None
    city: Text | None = None
    state: Text | None = None
    zip: Text | None = None
    country: Text | None = None
    country_code: Text | None = None
    type: Text | None = None


class Organization(Part, frozen=True, kw_only=True):
    """Where a person works."""

    company: Text | None = None
    department: Text | None = None
    title: Text | None = None


class Card(Part, frozen=True, kw_only=True):
    """A person's contact card."""

    name: PersonName
    phones: tuple[Phone, ...] = ()
    emails: tuple[Email, ...] = ()
    urls: tuple[Link, ...] = ()
    addresses: tuple[PostalAddress, ...] = ()
    org: Organization | None = None
    birthday: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None


Cards = Annotated[tuple[Card, ...], msgspec.Meta(min_length=1, max_length=257)]
Free = dict[str, Any]
