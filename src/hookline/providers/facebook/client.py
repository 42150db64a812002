"""Messenger's accounts: pages, by the vendor's login. The provider's only I/O besides sending.

Source: protocol reference 1.5, 5.1.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hookline.domain.connect_error import ControlUnproved
from hookline.domain.health import Finding
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import AccountRef, Candidate, Credentials, Description, Grant, Profile
from hookline.providers.health import Check
from hookline.providers.http import HttpClient
from hookline.providers.meta import health, lenient
from hookline.providers.meta.graph import node
from hookline.providers.meta.oauth import FACEBOOK, MetaLogin
from hookline.providers.meta.pages import Page, Pages
from hookline.providers.meta.people import MESSENGER_FIELDS, read_profile

SCOPES: Final = (
    "pages_show_list",
    "pages_messaging",
    "pages_manage_metadata",
    "pages_read_engagement",
    "business_management",
)
REQUIRED: Final = ("pages_messaging", "pages_manage_metadata")
# Source: protocol reference 1.5.
FIELDS: Final = (
    "messages",
    "message_echoes",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "message_edits",
    "messaging_postbacks",
    "messaging_optins",
    "messaging_referrals",
    "messaging_handovers",
    "standby",
    "messaging_policy_enforcement",
    "feed",
)
_NAME: Final = {"fields": "id,name"}
_PICTURE: Final = {"fields": "picture{url}"}


class PageAccounts:
    """Pages as an `AccountsClient`. What its methods do is described there."""

    logins: Sequence[str] = (FACEBOOK,)

    def __init__(self, http: HttpClient, settings: Mapping[str, str]) -> None:
        self._login = MetaLogin(http, settings)
        self._pages = Pages(self._login)
        self._config_id = settings["FACEBOOK_CONFIG_ID"]

    def authorization_url(self, login: str, redirect_uri: str, state: str) -> str:
        """Give the dialog's address."""
        return self._login.dialog_url(redirect_uri, state, SCOPES, self._config_id)

    async def exchange(self, login: str, code: str, redirect_uri: str | None) -> Grant:
        """Exchange a code for a person's long-lived token."""
        return await self._login.grant(await self._login.exchange(code, redirect_uri), REQUIRED, by_consent=True)

    async def inspect(self, login: str, token: str) -> Grant:
        """Take a person's or a page's token that somebody brought."""
        return await self._login.grant(token, REQUIRED, by_consent=False)

    async def eligible(self, grant: Grant) -> list[Candidate]:
        """List the pages on which the person may answer messages."""
        return [_candidate(page) for page in await self._pages.reached(grant)]

    async def find(self, grant: Grant, external_account_id: str, metadata: Mapping[str, Any]) -> Candidate | None:
        """Find a page by a person's token, or by its own."""
        page = await self._page(grant, external_account_id)
        return None if page is None else _candidate(page)

    async def attach(self, candidate: Candidate, grant: Grant, pin: str | None) -> Credentials:
        """Subscribe to a page's webhooks and give its token."""
        page = await self._page(grant, candidate.external_account_id)
        if page is None:
            raise ControlUnproved("the platform does not give this page's token any more; log in again")
        await self._pages.subscribe(page.id, page.token, FIELDS)
        return await self._pages.credentials(page, grant)

    async def renew(self, account: AccountRef, credentials: Credentials, issued_at: datetime) -> Credentials:
        """Check the page's token, and renew the person's well before it ends."""
        return await self._pages.renew(account.external_account_id, credentials)

    async def describe(self, account: AccountRef, credentials: Credentials) -> Description:
        """Read a page's name and picture, its token's permissions, and whether it is subscribed."""
        page_id, token = node(account.external_account_id), credentials.access_token
        profile = await self._login.graph.call("GET", page_id, token=token, params=_NAME)
        facts = await self._login.check(credentials)
        name = lenient.optional_string(profile.get("name"))
        return Description(
            name=name,
            metadata={"name": name, "pictureUrl": await self._picture(page_id, token)},
            scopes=facts.scopes,
            subscribed=set(FIELDS) <= set(await self._pages.subscribed_fields(page_id, token) or ()),
        )

    async def profile(self, account: AccountRef, credentials: Credentials, person_id: str) -> Profile:
        """Ask who somebody is, by the id that they have for this page."""
        return await read_profile(self._login.graph, credentials.access_token, person_id, MESSENGER_FIELDS)

    async def subscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """Subscribe to the page's webhooks again."""
        await self._pages.subscribe(account.external_account_id, credentials.access_token, FIELDS)

    async def unsubscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """End the subscription to the page's webhooks."""
        await self._pages.unsubscribe(account.external_account_id, credentials.access_token)

    def checks(self, account: AccountRef, credentials: Credentials, callback_url: str | None) -> Sequence[Check]:
        """Look at the page's token, its subscription, and the app's."""
        page_id, token = account.external_account_id, credentials.access_token

        async def subscription() -> list[Finding]:
            return [health.subscription("the page", await self._pages.subscribed_fields(page_id, token), FIELDS)]

        checks = [
            health.token_check(self._login, token, SCOPES, REQUIRED),
            Check("subscription", subscription),
            health.app_check(self._login, "page", "Page", FIELDS, callback_url),
        ]
        return health.by_app(self._login, checks)

    async def revoke(self, account: AccountRef, credentials: Credentials) -> None:
        """Give the person's consent back."""
        await self._login.revoke(credentials.refresh_token or credentials.access_token)

    async def _picture(self, page_id: str, token: str) -> str | None:
        """A page's picture is worth a question, and no more: not every page or version has one."""
        try:
            answer = await self._login.graph.call("GET", page_id, token=token, params=_PICTURE)
        except ProviderError as error:
            if error.error_class is ErrorClass.PERMANENT:
                return None
            raise
        return lenient.optional_string(lenient.mapping(lenient.mapping(answer.get("picture")).get("data")).get("url"))

    async def _page(self, grant: Grant, page_id: str) -> Page | None:
        page = await self._pages.one(grant.token, page_id)
        return page if page or grant.by_consent else await self._pages.itself(grant.token, page_id)


def _candidate(page: Page) -> Candidate:
    return Candidate(
        external_account_id=page.id,
        display_name=page.name,
        metadata={"login": FACEBOOK, "name": page.name},
        subscription=f"page:{page.id}",
    )
