"""Pages as they are connected: which ones a consent reaches, their tokens, their subscription.

Messenger connects pages themselves, Instagram the professional accounts behind them.
Source: protocol reference 1.5, 5.1.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import Credentials, Grant
from hookline.providers.meta import lenient
from hookline.providers.meta.graph import node
from hookline.providers.meta.oauth import RENEW_BEFORE, MetaLogin

# Permissions whose targets are pages.
_PAGE_SCOPES: Final = ("pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement")
_FIELDS: Final = "id,name,access_token,tasks,instagram_business_account{id,username}"
_FIELDS_OF_ONE: Final = "id,name,access_token,instagram_business_account{id,username}"
_MESSAGING: Final = "MESSAGING"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page that a consent reaches, with its token, and the Instagram account behind it."""

    id: str
    name: str | None
    token: str
    instagram_id: str | None = None
    instagram_username: str | None = None


class Pages:
    """The pages of one app's login."""

    def __init__(self, login: MetaLogin) -> None:
        self._login = login

    async def reached(self, grant: Grant) -> list[Page]:
        """List the pages on which the person may answer messages.

        The list that the platform gives can leave pages out, which are asked for one by one.
        Source: protocol reference 5.1.
        """
        found: dict[str, Page] = {}
        barred: set[str] = set()
        async for element in self._login.each("me/accounts", grant.token, _FIELDS):
            page = _page(element)
            tasks = lenient.sequence(element.get("tasks"))
            if page is None or (tasks and _MESSAGING not in tasks):
                barred.add(lenient.identifier(element.get("id")) or "")
            else:
                found[page.id] = page
        named = dict.fromkeys(target for scope in _PAGE_SCOPES for target in grant.reaches.get(scope, ()))
        for page_id in named:
            if page_id not in found and page_id not in barred and (page := await self.one(grant.token, page_id)):
                found[page_id] = page
        return list(found.values())

    async def one(self, token: str, page_id: str) -> Page | None:
        """Look one page up by a person's token, or by its own; None if the token does not reach it.

        Raises: ProviderError, if the platform refuses for another reason.
        """
        try:
            answer = await self._login.graph.call("GET", node(page_id), token=token, params={"fields": _FIELDS_OF_ONE})
        except ProviderError as error:
            if error.error_class is ErrorClass.PERMANENT:
                return None
            raise
        page = _page(answer)
        return page if page is None or page.id == page_id else None

    async def itself(self, token: str, page_id: str) -> Page | None:
        """Take a token as the page's own; None if the platform says that it is not."""
        answer = await self._login.graph.call("GET", "me", token=token, params={"fields": "id,name"})
        page = _page({**answer, "access_token": token})
        return page if page is not None and page.id == page_id else None

    async def subscribe(self, page_id: str, token: str, fields: Sequence[str]) -> None:
        """Subscribe our app to a page's webhooks."""
        path = f"{node(page_id)}/subscribed_apps"
        await self._login.graph.call("POST", path, token=token, params={"subscribed_fields": ",".join(fields)})

    async def unsubscribe(self, page_id: str, token: str) -> None:
        """End the subscription to a page's webhooks."""
        await self._login.graph.call("DELETE", f"{node(page_id)}/subscribed_apps", token=token)

    async def subscribed_fields(self, page_id: str, token: str) -> tuple[str, ...] | None:
        """Say to which of a page's webhooks our app is subscribed; None if to none at all."""
        return await self._login.subscribed_fields(node(page_id), token)

    async def credentials(self, page: Page, grant: Grant) -> Credentials:
        """Give the tokens by which we act for a page: its own, and the person's to renew it by."""
        mine = Credentials(access_token=page.token, by_consent=grant.by_consent, user_id=grant.user_id)
        if grant.token != page.token:
            mine = msgspec.structs.replace(mine, refresh_token=grant.token, refresh_expires_at=grant.expires_at)
        checked = await self._login.check(mine)
        return msgspec.structs.replace(checked, user_id=grant.user_id or checked.user_id)

    async def renew(self, page_id: str, credentials: Credentials) -> Credentials:
        """Check a page's token; while the person's token can still be prolonged, do so well before it ends.

        Source: protocol reference 5.1: re-exchanging works only while the token is valid.
        """
        ends_at = credentials.refresh_expires_at
        if credentials.refresh_token and ends_at and datetime.now(UTC) < ends_at < datetime.now(UTC) + RENEW_BEFORE:
            credentials = await self._prolong(page_id, credentials, credentials.refresh_token)
        checked = await self._login.check(credentials)
        return msgspec.structs.replace(checked, user_id=credentials.user_id or checked.user_id)

    async def _prolong(self, page_id: str, credentials: Credentials, person: str) -> Credentials:
        """Renew the person's token and the page's with it. A refusal leaves both: the page's own token may hold on."""
        try:
            prolonged = await self._login.prolong(person)
            facts = await self._login.inspect(prolonged)
            page = await self.one(prolonged, page_id)
        except ProviderError as error:
            if error.error_class in (ErrorClass.WAIT, ErrorClass.RETRY):
                raise
            return credentials
        return msgspec.structs.replace(
            credentials,
            access_token=page.token if page else credentials.access_token,
            refresh_token=prolonged,
            refresh_expires_at=facts.expires_at,
        )


def _page(element: dict[str, Any]) -> Page | None:
    """Read a page; None without an id or a token of its own."""
    page_id, token = lenient.identifier(element.get("id")), lenient.string(element.get("access_token"))
    if page_id is None or not token:
        return None
    instagram = lenient.mapping(element.get("instagram_business_account"))
    return Page(
        id=page_id,
        name=lenient.optional_string(element.get("name")),
        token=token,
        instagram_id=lenient.identifier(instagram.get("id")),
        instagram_username=lenient.optional_string(instagram.get("username")),
    )
