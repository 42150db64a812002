"""The fake platforms' world in memory: finding things, and making new ones. The same seed makes the same world."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from hookline.simulator.clock import Clock
from hookline.simulator.ids import Ids
from hookline.simulator.records import (
    App,
    Business,
    Comment,
    Contact,
    InstagramAccount,
    Media,
    Message,
    Page,
    PhoneNumber,
    Record,
    Records,
    Template,
    Token,
    User,
    Waba,
)

# Messages beyond so many are forgotten, the oldest first.
MESSAGES_KEPT = 100_000

Found = TypeVar("Found", bound=Record)


class Kind(StrEnum):
    """What a node of the graph is."""

    APP = "app"
    USER = "user"
    BUSINESS = "business"
    PAGE = "page"
    INSTAGRAM = "instagram"
    WABA = "waba"
    PHONE_NUMBER = "phone_number"
    CONTACT = "contact"  # by a PSID or IGSID
    COMMENT = "comment"
    MEDIA = "media"
    TEMPLATE = "template"


class Node:
    """A node: its kind, the record, and the id it was asked for by.

    account_id: whose contact or comment it is; empty for every other kind.
    """

    __slots__ = ("account_id", "id", "kind", "record")

    def __init__(self, kind: Kind, record: Record, node_id: str, account_id: str = "") -> None:
        self.kind = kind
        self.record = record
        self.id = node_id
        self.account_id = account_id

    @property
    def record_id(self) -> str:
        """The record's own id, by whichever of its ids it was asked for."""
        return str(getattr(self.record, "id"))  # noqa: B009 - every record that is a node has one

    def as_(self, expected: type[Found]) -> Found:
        """The record, which is of this type."""
        if not isinstance(self.record, expected):
            raise TypeError(f"a {self.kind} is no {expected.__name__}")
        return self.record


class World:
    """The records, with the look-ups that the platforms need."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.clock = Clock(records.clock_offset_seconds)
        self.ids = Ids(records.seed, records.ids)
        self._nodes: dict[str, Node] = {}
        self._phone_owners: dict[str, Contact] = {}
        self.index()

    def index(self) -> None:
        """Find everything anew by id; for records that were loaded or changed from outside."""
        records = self.records
        self._nodes.clear()
        self._phone_owners.clear()
        kinds: list[tuple[Kind, Iterable[Record]]] = [
            (Kind.USER, records.users.values()),
            (Kind.BUSINESS, records.businesses.values()),
            (Kind.PAGE, records.pages.values()),
            (Kind.INSTAGRAM, records.instagram_accounts.values()),
            (Kind.WABA, records.wabas.values()),
            (Kind.PHONE_NUMBER, records.phone_numbers.values()),
            (Kind.MEDIA, records.media.values()),
            (Kind.TEMPLATE, records.templates.values()),
            (Kind.APP, records.apps.values()),
        ]
        for kind, found in kinds:
            for record in found:
                self._know(kind, record)
        for contact in records.contacts.values():
            self._know_contact(contact)
        for comment in records.comments.values():
            self._know_comment(comment)

    # -- finding

    def node(self, node_id: str) -> Node | None:
        """Whatever has this id."""
        return self._nodes.get(node_id)

    def contact_of_phone(self, digits: str) -> Contact | None:
        """Who has this WhatsApp number (digits, without +)."""
        return self._phone_owners.get(digits)

    def contact_of(self, account_id: str, scoped_id: str) -> Contact | None:
        """Who has this PSID, IGSID or BSUID for this account (BSUID: for its business)."""
        node = self._nodes.get(scoped_id)
        if node is not None and node.kind is Kind.CONTACT and node.account_id == account_id:
            return node.as_(Contact)
        return None

    def scoped_id(self, contact: Contact, account_id: str) -> str:
        """The contact's id for an account: PSID, IGSID, or for a business the BSUID (2.6); made when they meet."""
        known = contact.scoped.get(account_id)
        if known is None:
            known = contact.scoped[account_id] = self._new_scoped_id(contact, account_id)
            self._nodes[known] = Node(Kind.CONTACT, contact, known, account_id)
        return known

    def change_scoped_id(self, contact: Contact, account_id: str) -> tuple[str, str]:
        """Give a new id in place of the old one, as a change of number does to a BSUID (2.6); (previous, current)."""
        previous = self.scoped_id(contact, account_id)
        del contact.scoped[account_id]
        self._nodes.pop(previous, None)
        return previous, self.scoped_id(contact, account_id)

    def business_of_phone(self, phone: PhoneNumber) -> Business:
        """The portfolio that owns a phone number."""
        return self.records.businesses[self.records.wabas[phone.waba_id].business_id]

    def phone_numbers_of(self, waba_id: str) -> list[PhoneNumber]:
        """A WABA's numbers."""
        return [phone for phone in self.records.phone_numbers.values() if phone.waba_id == waba_id]

    def instagram_of_page(self, page: Page) -> InstagramAccount | None:
        """The professional account linked to a page."""
        return self.records.instagram_accounts.get(page.instagram_id)

    def app_of_client(self, client_id: str) -> App | None:
        """The app with this Meta or Instagram app id."""
        for app in self.records.apps.values():
            if client_id and client_id in (app.id, app.instagram_id):
                return app
        return None

    # -- adding

    def add_app(self, app: App) -> App:
        """Add or replace an app."""
        self.records.apps[app.id] = app
        self._know(Kind.APP, app)
        return app

    def add_user(self, user: User) -> User:
        """Add somebody who can grant."""
        self.records.users[user.id] = user
        self._know(Kind.USER, user)
        return user

    def add_business(self, business: Business) -> Business:
        """Add a portfolio."""
        self.records.businesses[business.id] = business
        self._know(Kind.BUSINESS, business)
        return business

    def add_page(self, page: Page) -> Page:
        """Add a page."""
        self.records.pages[page.id] = page
        self._know(Kind.PAGE, page)
        return page

    def add_instagram_account(self, account: InstagramAccount) -> InstagramAccount:
        """Add an Instagram account."""
        self.records.instagram_accounts[account.id] = account
        self._know(Kind.INSTAGRAM, account)
        return account

    def add_waba(self, waba: Waba) -> Waba:
        """Add a WhatsApp Business account."""
        self.records.wabas[waba.id] = waba
        self._know(Kind.WABA, waba)
        return waba

    def add_phone_number(self, phone: PhoneNumber) -> PhoneNumber:
        """Add a WhatsApp number."""
        self.records.phone_numbers[phone.id] = phone
        self._know(Kind.PHONE_NUMBER, phone)
        return phone

    def add_contact(self, contact: Contact) -> Contact:
        """Add somebody on the other side."""
        self.records.contacts[contact.id] = contact
        self._know_contact(contact)
        return contact

    def add_comment(self, comment: Comment) -> Comment:
        """Add a comment."""
        self.records.comments[comment.id] = comment
        self._know_comment(comment)
        return comment

    def add_media(self, media: Media) -> Media:
        """Add a file."""
        self.records.media[media.id] = media
        self._know(Kind.MEDIA, media)
        return media

    def add_template(self, template: Template) -> Template:
        """Add a template."""
        self.records.templates[template.id] = template
        self._know(Kind.TEMPLATE, template)
        return template

    def add_token(self, token: Token) -> Token:
        """Make a token valid."""
        self.records.tokens[token.value] = token
        return token

    def add_message(self, message: Message) -> Message:
        """Keep a message; the oldest make room."""
        messages = self.records.messages
        messages[message.id] = message
        if len(messages) > MESSAGES_KEPT:
            del messages[next(iter(messages))]
        return message

    def remove(self, node_id: str) -> None:
        """Take a node out of the world, as a person who deletes it does."""
        node = self._nodes.pop(node_id, None)
        if node is not None and node.kind in _COLLECTIONS:
            getattr(self.records, _COLLECTIONS[node.kind]).pop(node_id, None)

    def change_phone(self, contact: Contact, digits: str) -> None:
        """Give a contact another WhatsApp number."""
        self._phone_owners.pop(contact.wa_id, None)
        contact.wa_id = digits
        self._know_contact(contact)

    # -- inside

    def _know(self, kind: Kind, record: Record) -> None:
        node_id = str(getattr(record, "id"))  # noqa: B009 - every record of these kinds has one
        self._nodes[node_id] = Node(kind, record, node_id)
        if isinstance(record, InstagramAccount):  # both its ids lead to it (reference 4)
            self._nodes[record.app_scoped_id] = Node(kind, record, record.app_scoped_id)

    def _know_comment(self, comment: Comment) -> None:
        self._nodes[comment.id] = Node(Kind.COMMENT, comment, comment.id, comment.account_id)

    def _know_contact(self, contact: Contact) -> None:
        if contact.wa_id:
            self._phone_owners[contact.wa_id] = contact
        for account_id, scoped_id in contact.scoped.items():
            self._nodes[scoped_id] = Node(Kind.CONTACT, contact, scoped_id, account_id)

    def _new_scoped_id(self, contact: Contact, account_id: str) -> str:
        node = self._nodes.get(account_id)
        if node is None or node.kind not in (Kind.PAGE, Kind.INSTAGRAM, Kind.BUSINESS):
            raise LookupError(f"nobody has an id for {account_id}")
        if node.kind is Kind.BUSINESS:
            return f"{contact.country}." + self.ids.digits("bsuid", 20)
        return self.ids.digits("psid" if node.kind is Kind.PAGE else "igsid", 16)


_COLLECTIONS = {
    Kind.APP: "apps",
    Kind.USER: "users",
    Kind.BUSINESS: "businesses",
    Kind.PAGE: "pages",
    Kind.INSTAGRAM: "instagram_accounts",
    Kind.WABA: "wabas",
    Kind.PHONE_NUMBER: "phone_numbers",
    Kind.COMMENT: "comments",
    Kind.MEDIA: "media",
    Kind.TEMPLATE: "templates",
}
