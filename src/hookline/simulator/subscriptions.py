"""Who is told about an event: the apps that are subscribed, at which URL, signed with which secret.

Source: protocol reference 1.2 (secrets), 1.5 (app, WABA, page and Instagram subscriptions; overrides).
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from hookline.simulator.records import App, InstagramAccount, Waba
from hookline.simulator.world import World

WHATSAPP = "whatsapp_business_account"
PAGE = "page"
INSTAGRAM = "instagram"
PERMISSIONS = "permissions"
USER = "user"

Slot = Literal["changes", "messaging", "standby", "entry"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One event that the platform tells about.

    field: what must be subscribed. slot: where it stands in its entry: `changes` holds `{field, value: content}`,
    `messaging` and `standby` hold the content itself, `entry` spreads field and value over the entry (4, comments).
    lane: notices of one lane are sent one after another. time: of the entry; None: it has none.
    phone_number_id: whose override counts.
    """

    object: str
    entry_id: str
    field: str
    content: Any
    slot: Slot = "changes"
    lane: str = ""
    time: int | None = None
    phone_number_id: str = ""


class Destination(msgspec.Struct, frozen=True):
    """An app's callback, and the secret that signs what it is sent."""

    app_id: str
    url: str
    secret: str


def destinations(world: World, notice: Notice) -> list[Destination]:
    """Everybody who is told; nobody, if nobody is subscribed to this field of this account."""
    if notice.object == WHATSAPP:
        return list(_of_waba(world, notice))
    if notice.object == PAGE:
        return list(_of_page(world, notice))
    if notice.object == INSTAGRAM:
        return list(_of_instagram(world, notice))
    return [
        Destination(app.id, subscription.callback_url, app.secret)
        for app in world.records.apps.values()
        if (subscription := app.subscriptions.get(notice.object)) and notice.field in subscription.fields
    ]


def _of_waba(world: World, notice: Notice) -> Iterator[Destination]:
    waba = world.records.wabas.get(notice.entry_id)
    if waba is None:  # a partner event: its entry is the business portfolio
        waba = next((one for one in world.records.wabas.values() if one.business_id == notice.entry_id), None)
    for app_id in waba.subscribed if waba is not None else ():
        app = world.records.apps[app_id]
        if waba is not None and _app_wants(app, notice):
            yield Destination(app_id, _whatsapp_url(world, app, waba, notice), app.secret)


def _whatsapp_url(world: World, app: App, waba: Waba, notice: Notice) -> str:
    """Phone before WABA before app; an override counts for `messages` alone."""
    if notice.field == "messages":
        phone = world.records.phone_numbers.get(notice.phone_number_id)
        override = (phone.override if phone is not None else None) or waba.subscribed[app.id]
        if override is not None:
            return override.callback_url
    return app.subscriptions[WHATSAPP].callback_url


def _of_page(world: World, notice: Notice) -> Iterator[Destination]:
    page = world.records.pages.get(notice.entry_id)
    for app_id, fields in page.subscribed.items() if page is not None else ():
        app = world.records.apps[app_id]
        if notice.field in fields and _app_wants(app, notice):
            yield Destination(app_id, app.subscriptions[PAGE].callback_url, app.secret)


def _of_instagram(world: World, notice: Notice) -> Iterator[Destination]:
    """By Instagram Login with the Instagram secret; by the linked page's subscription (to anything) with the app's."""
    account = world.records.instagram_accounts.get(notice.entry_id)
    if account is None:
        return
    for app_id, fields in account.subscribed.items():
        app = world.records.apps[app_id]
        if notice.field in fields and _app_wants(app, notice):
            yield Destination(app_id, app.subscriptions[INSTAGRAM].callback_url, app.instagram_secret or app.secret)
    for app_id in _apps_of_linked_page(world, account):
        app = world.records.apps[app_id]
        if _app_wants(app, notice):
            yield Destination(app_id, app.subscriptions[INSTAGRAM].callback_url, app.secret)


def _apps_of_linked_page(world: World, account: InstagramAccount) -> list[str]:
    page = world.records.pages.get(account.page_id)
    return list(page.subscribed) if page is not None else []


def _app_wants(app: App, notice: Notice) -> bool:
    subscription = app.subscriptions.get(notice.object)
    return subscription is not None and notice.field in subscription.fields
