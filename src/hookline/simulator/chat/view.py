"""What the page shows: the accounts, the people with their newest message, and one conversation."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hookline.simulator.chat import messaging_parts, whatsapp_parts
from hookline.simulator.chat.links import Files
from hookline.simulator.chat.parts import Bubble, Part, Tap, excerpt
from hookline.simulator.errors import row_of
from hookline.simulator.records import Contact, Direction, Message, Reachability
from hookline.simulator.simulator import Simulator
from hookline.simulator.subscriptions import INSTAGRAM, PAGE, WHATSAPP
from hookline.simulator.threads import HUMAN_AGENT_SECONDS, WINDOW_SECONDS, Thread

MOST_PEOPLE = 60
MOST_BUBBLES = 200
_HOUR = 3600


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account of a business. platform: whatsapp, instagram or messenger. connected: some app is told about it."""

    id: str
    platform: str
    name: str
    about: str
    connected: bool


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in the list."""

    id: str
    name: str
    about: str
    newest: str = ""
    at: float = 0.0
    unread: int = 0
    offline: bool = False


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation."""

    account: Account
    contact: Contact
    bubbles: list[Bubble]
    quick_replies: list[Tap]
    typing: bool
    window: str
    offline: bool
    blocked: bool
    marketing: bool


class View:
    """Reads the world for the page."""

    def __init__(self, sim: Simulator, files: Files) -> None:
        self._sim = sim
        self._files = files

    def accounts(self) -> list[Account]:
        """All accounts, platform by platform."""
        return [*self._whatsapp(), *self._instagram(), *self._messenger()]

    def account(self, account_id: str) -> Account | None:
        """One account."""
        return next((account for account in self.accounts() if account.id == account_id), None)

    def people(self, account: Account) -> list[Person]:
        """Who can write to an account; those with the newest messages first."""
        records = self._sim.world.records
        on_whatsapp = account.platform == "whatsapp"
        found = [contact for contact in records.contacts.values() if contact.wa_id or not on_whatsapp]
        threads = {contact.id: self._sim.threads.of(account.id, contact.id) for contact in found}
        found.sort(key=lambda contact: -self._newest_at(threads[contact.id]))
        return [self._person(contact, threads[contact.id], on_whatsapp) for contact in found[:MOST_PEOPLE]]

    def conversation(self, account: Account, contact: Contact) -> Conversation:
        """One conversation, with its newest messages."""
        thread = self._sim.threads.of(account.id, contact.id)
        messages = list(self._sim.threads.messages(thread))[-MOST_BUBBLES:]
        newest = messages[-1] if messages else None
        asks = newest is not None and newest.direction is Direction.OUTBOUND and account.platform != "whatsapp"
        now = self._sim.world.clock.now()
        return Conversation(
            account=account,
            contact=contact,
            bubbles=[self._bubble(message, contact) for message in messages],
            quick_replies=messaging_parts.quick_replies(newest) if newest is not None and asks else [],
            typing=thread.typing_until > now,
            window=_window(thread, now, account.platform),
            offline=contact.reachability is not Reachability.ONLINE,
            blocked=account.id in contact.blocks,
            marketing=account.id not in contact.no_marketing,
        )

    # -- accounts

    def _whatsapp(self) -> Iterator[Account]:
        records = self._sim.world.records
        for phone in records.phone_numbers.values():
            if phone.registered:
                waba = records.wabas[phone.waba_id]
                connected = any(WHATSAPP in records.apps[app_id].subscriptions for app_id in waba.subscribed)
                yield Account(
                    id=phone.id, platform="whatsapp", name=phone.verified_name, about=phone.display, connected=connected
                )

    def _instagram(self) -> Iterator[Account]:
        records = self._sim.world.records
        for account in records.instagram_accounts.values():
            page = records.pages.get(account.page_id)
            apps = [*account.subscribed, *(page.subscribed if page is not None else ())]
            connected = any(INSTAGRAM in records.apps[app_id].subscriptions for app_id in apps)
            yield Account(
                id=account.id,
                platform="instagram",
                name=account.name,
                about=f"@{account.username}",
                connected=connected,
            )

    def _messenger(self) -> Iterator[Account]:
        records = self._sim.world.records
        for page in records.pages.values():
            connected = any(PAGE in records.apps[app_id].subscriptions for app_id in page.subscribed)
            yield Account(id=page.id, platform="messenger", name=page.name, about=page.category, connected=connected)

    # -- people

    def _newest_at(self, thread: Thread) -> float:
        newest = self._newest(thread)
        return newest.sent_at if newest is not None else 0.0

    def _newest(self, thread: Thread) -> Message | None:
        kept = self._sim.world.records.messages
        return next((kept[one] for one in reversed(thread.message_ids) if one in kept), None)

    def _person(self, contact: Contact, thread: Thread, on_whatsapp: bool) -> Person:
        newest = self._newest(thread)
        number = f"+{contact.wa_id}" + (", hidden from businesses" if contact.phone_hidden else "")
        about = number if on_whatsapp else f"@{contact.username}" if contact.username else ""
        if newest is None:
            return Person(id=contact.id, name=contact.name, about=about)
        unread = sum(_unread(message) for message in self._sim.threads.messages(thread))
        return Person(
            id=contact.id,
            name=contact.name,
            about=about,
            newest="Message taken back" if newest.deleted else excerpt(self._parts(newest)),
            at=newest.sent_at,
            unread=unread,
            offline=contact.reachability is not Reachability.ONLINE,
        )

    # -- bubbles

    def _bubble(self, message: Message, contact: Contact) -> Bubble:
        own = message.direction is Direction.INBOUND
        quoted = self._sim.world.records.messages.get(message.reply_to)
        reactions = [sign for side, sign in message.reactions.items() if sign and side is not Direction.INBOUND]
        own_reaction = message.reactions.get(Direction.INBOUND, "")
        return Bubble(
            id=message.id,
            own=own,
            at=message.sent_at,
            parts=[] if message.deleted else self._parts(message),
            state=_state(message, own=own),
            why=_why(message),
            quote=excerpt(self._parts(quoted)) if quoted is not None else "",
            reactions=reactions,
            own_reaction=own_reaction,
            deleted=message.deleted,
            edited=message.edits > 0,
            editable=_text_of(message) if own and message.type == "text" and not message.deleted else "",
        )

    def _parts(self, message: Message) -> list[Part]:
        if message.account_id in self._sim.world.records.phone_numbers:
            return whatsapp_parts.parts_of(self._sim, self._files, message)
        return messaging_parts.parts_of(self._files, message)


def _state(message: Message, *, own: bool) -> str:
    """How far a message is; of one's own: sent, and read once the business has read it."""
    if own:
        return "read" if message.status == "read" else "sent"
    return message.status or "waiting"


def _why(message: Message) -> str:
    return f"{message.error_code} {row_of(message.error_code).message}" if message.error_code else ""


def _text_of(message: Message) -> str:
    content = message.content.get("text", "")
    return str(content.get("body", "")) if isinstance(content, dict) else str(content)


def _unread(message: Message) -> bool:
    return message.direction is Direction.OUTBOUND and message.status == "delivered" and not message.deleted


def _window(thread: Thread, now: float, platform: str) -> str:
    """What the business may send now, in words."""
    if thread.window_open(now):
        ends = datetime.fromtimestamp(thread.last_inbound_at + WINDOW_SECONDS).astimezone()
        left = thread.last_inbound_at + WINDOW_SECONDS - now
        hours = f"{int(left // _HOUR)} h" if left >= _HOUR else f"{int(left // 60)} min"
        return f"The business can answer freely until {ends:%H:%M} ({hours})."
    if platform == "whatsapp":
        return "The business can send templates only, until you write."
    if thread.window_open(now, HUMAN_AGENT_SECONDS):
        return "The business can answer as a human agent only, until you write."
    return "The business cannot write, until you do."
