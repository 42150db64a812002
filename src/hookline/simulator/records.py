"""What the fake platforms know: apps, people, pages, accounts, tokens, messages. Data only; all of it can be saved.

Times are seconds since 1970 on the simulator's clock; 0 means never.
"""

from enum import StrEnum
from typing import Any

import msgspec


class Record(msgspec.Struct, kw_only=True, rename="camel"):
    """One thing in the world; changed in place."""


class Override(Record):
    """Another callback for one WABA's or phone number's messages. Source: protocol reference 1.5."""

    callback_url: str
    verify_token: str


class AppSubscription(Record):
    """Where an app is told about one object, and about which of its fields."""

    callback_url: str
    verify_token: str
    fields: list[str]


class LoginConfig(Record):
    """A Login for Business configuration: what `config_id` stands for. token_seconds 0: its tokens never expire."""

    id: str
    scopes: list[str]
    embedded_signup: bool = False
    token_seconds: int = 0


class App(Record):
    """An app of the vendor's dashboard. Instagram Login has an id and a secret apart (reference 1.2)."""

    id: str
    secret: str
    name: str
    instagram_id: str = ""
    instagram_secret: str = ""
    redirect_uris: list[str] = []  # empty: any
    require_proof: bool = False
    subscriptions: dict[str, AppSubscription] = {}
    configs: dict[str, LoginConfig] = {}
    deauthorize_url: str = ""
    data_deletion_url: str = ""
    instagram_deauthorize_url: str = ""
    instagram_data_deletion_url: str = ""


class User(Record):
    """Somebody who logs in and grants: a business's staff. The id is scoped to the app, as apps see it."""

    id: str
    name: str


class Business(Record):
    """A business portfolio."""

    id: str
    name: str
    messaging_limit: str = "TIER_2K"
    verification: str = "verified"


class Page(Record):
    """A Facebook page. `roles` are the tasks of each user; `listed` false: `/me/accounts` leaves it out (5.1.5)."""

    id: str
    name: str
    business_id: str
    roles: dict[str, list[str]]
    category: str = "Product/service"
    instagram_id: str = ""
    listed: bool = True
    subscribed: dict[str, list[str]] = {}  # app id: fields
    failing_since: float = 0.0  # its webhooks, without a success in between


class InstagramAccount(Record):
    """An Instagram account. `id` is the professional account's, `app_scoped_id` what Instagram Login calls `id`."""

    id: str
    app_scoped_id: str
    username: str
    name: str
    owners: list[str]
    account_type: str = "BUSINESS"
    page_id: str = ""
    subscribed: dict[str, list[str]] = {}  # app id: fields, by Instagram Login


class Waba(Record):
    """A WhatsApp Business account."""

    id: str
    name: str
    business_id: str
    admins: list[str]
    currency: str = "EUR"
    timezone_id: str = "1"
    review_status: str = "APPROVED"
    subscribed: dict[str, Override | None] = {}  # app id: its override


class PhoneNumber(Record):
    """A WhatsApp business number. `digits` is its wa_id; `pin` empty: two-step verification is not set."""

    id: str
    waba_id: str
    digits: str
    display: str
    verified_name: str
    registered: bool = False
    pin: str = ""
    wrong_pins: int = 0
    registrations: list[float] = []  # times of register and deregister calls that succeeded
    verified_until: float = 0.0  # 0: no deadline to register
    override: Override | None = None
    quality: str = "GREEN"
    throughput: str = "STANDARD"
    name_status: str = "APPROVED"
    code_verification: str = "VERIFIED"
    on_business_app: bool = False  # coexistence
    status: str = "PENDING"
    country: str = "US"
    username: str = ""
    blocked_by: list[dict[str, Any]] = []  # errors that its health shows
    syncs: list[str] = []  # coexistence: the sync types that were asked for


class Reachability(StrEnum):
    """Whether messages get to somebody's device."""

    ONLINE = "online"
    OFFLINE = "offline"  # sent, and delivered once they are online again
    UNREACHABLE = "unreachable"  # not on the platform any more, or not able to receive


class Contact(Record):
    """Somebody on the other side. `scoped` holds their id for each account: PSID, IGSID; BSUID by business."""

    id: str
    first_name: str
    last_name: str
    username: str
    wa_id: str = ""  # empty: not on WhatsApp
    country: str = "US"
    phone_hidden: bool = False  # a user name instead of a number: webhooks carry the BSUID alone (2.6)
    profile_open: bool = True  # false: the profile lookup is refused
    reachability: Reachability = Reachability.ONLINE
    blocks: list[str] = []  # account ids that they have blocked
    no_marketing: list[str] = []  # WhatsApp numbers from which they want no marketing
    scoped: dict[str, str] = {}

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


class TokenKind(StrEnum):
    """What kind of access a token is. The names are debug_token's where it has one."""

    USER = "USER"
    PAGE = "PAGE"
    SYSTEM_USER = "SYSTEM_USER"  # a business's token, from Embedded Signup
    INSTAGRAM = "INSTAGRAM"
    APP = "APP"  # "{app id}|{app secret}"; never kept


class Token(Record):
    """An access token. `subject_id` is what `me` means: a user, a page, or an Instagram account.

    granular: the ids that a scope is granted for; a scope that is not in it is granted for everything.
    dead: why it is valid no longer: a key of errors.DEAD_TOKENS.
    """

    value: str
    kind: TokenKind
    app_id: str
    user_id: str
    subject_id: str
    scopes: list[str]
    granular: dict[str, list[str]] = {}
    issued_at: int = 0
    expires_at: int = 0
    data_access_expires_at: int = 0
    long_lived: bool = False
    dead: str = ""


class Code(Record):
    """An authorization code: single use, bound to an app and the exact redirect URI (None: signed up by script)."""

    value: str
    app_id: str
    user_id: str
    subject_id: str
    redirect_uri: str | None
    scopes: list[str]
    granular: dict[str, list[str]]
    kind: TokenKind
    expires_at: float
    token_seconds: int
    used: bool = False


class Direction(StrEnum):
    """Seen from the business."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Message(Record):
    """A message in a conversation. `account_id` is the phone number's, page's or Instagram account's id.

    content: the platform's own body. sender_app_id: the app that sent it, if one did. reactions: the newest emoji of
    either side. error_code: why it failed.
    """

    id: str
    account_id: str
    contact_id: str
    direction: Direction
    type: str
    content: dict[str, Any]
    sent_at: float
    status: str = ""
    sender_app_id: str = ""
    callback_data: str = ""
    reply_to: str = ""
    deleted: bool = False
    edits: int = 0
    category: str = ""  # of a template
    error_code: int = 0
    reactions: dict[Direction, str] = {}


class Comment(Record):
    """A comment on a post of a page or an Instagram account. `answered`: a private reply was sent to it."""

    id: str
    account_id: str
    contact_id: str
    post_id: str
    text: str
    made_at: float
    parent_id: str = ""
    answered: bool = False


class Media(Record):
    """A file; its bytes are in files.py. `expires_at` is the end of its id's life.

    link: where it lies, if it was only ever sent by link.
    """

    id: str
    account_id: str
    mime_type: str
    sha256: str  # hex
    size: int
    filename: str = ""
    link: str = ""
    expires_at: float = 0.0


class Template(Record):
    """A WhatsApp message template; the key is name and language."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    status: str
    components: list[dict[str, Any]]
    quality: str = "UNKNOWN"
    parameter_format: str = "POSITIONAL"
    rejected_reason: str = "NONE"


class Records(Record):
    """All there is, by id. `ids` counts what was made (ids.py)."""

    seed: int
    ids: dict[str, int] = {}
    apps: dict[str, App] = {}
    users: dict[str, User] = {}
    businesses: dict[str, Business] = {}
    pages: dict[str, Page] = {}
    instagram_accounts: dict[str, InstagramAccount] = {}
    wabas: dict[str, Waba] = {}
    phone_numbers: dict[str, PhoneNumber] = {}
    contacts: dict[str, Contact] = {}
    tokens: dict[str, Token] = {}
    codes: dict[str, Code] = {}
    messages: dict[str, Message] = {}
    comments: dict[str, Comment] = {}
    media: dict[str, Media] = {}
    templates: dict[str, Template] = {}
    clock_offset_seconds: float = 0.0
