"""Instagram accounts behind a page: connected by the vendor's login, served by the page's token.

Source: protocol reference 1.5, 5.1.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from hookline.domain.connect_error import ControlUnproved
from hookline.domain.health import Finding
from hookline.providers.accounts import AccountRef, Candidate, Credentials, Description, Grant
from hookline.providers.health import Check
from hookline.providers.http import HttpClient
from hookline.providers.instagram.login import FIELDS
from hookline.providers.meta import health, lenient
from hookline.providers.meta.graph import Graph, node
from hookline.providers.meta.oauth import FACEBOOK, MetaLogin
from hookline.providers.meta.pages import Page, Pages

SCOPES: Final = (
    "instagram_basic",
    "instagram_manage_messages",
    "instagram_manage_comments",
    "pages_show_list",
    "pages_manage_metadata",
    "pages_read_engagement",
    "business_management",
)
REQUIRED: Final = ("instagram_basic", "instagram_manage_messages", "pages_manage_metadata")
# Any subscription to the page lets the account's webhooks through; which of them, the app's own settings say.
_PAGE_FIELDS: Final = ("feed",)
_PROFILE: Final = "id,username,name,profile_picture_url"


class AccountsBehindPages:
    """Instagram professional accounts, each by its page."""

    def __init__(self, http: HttpClient, settings: Mapping[str, str]) -> None:
        self._login = MetaLogin(http, settings)
        self._pages = Pages(self._login)
        self._config_id = settings["INSTAGRAM_CONFIG_ID"]

    @property
    def graph(self) -> Graph:
        """Where these accounts are served."""
        return self._login.graph

    def dialog_url(self, redirect_uri: str, state: str) -> str:
        """Give the dialog's address. Raises: NotConfigured."""
        return self._login.dialog_url(redirect_uri, state, SCOPES, self._config_id)

    async def exchange(self, code: str, redirect_uri: str | None) -> Grant:
        """Exchange a code for a person's long-lived token. Raises: NotConfigured, MissingPermissions."""
        return await self._login.grant(await self._login.exchange(code, redirect_uri), REQUIRED, by_consent=True)

    async def inspect(self, token: str) -> Grant:
        """Take a token that somebody brought. Raises: ControlUnproved, MissingPermissions."""
        return await self._login.grant(token, REQUIRED, by_consent=False)

    async def eligible(self, grant: Grant) -> list[Candidate]:
        """List the accounts behind the pages that the person manages."""
        return [_candidate(page) for page in await self._pages.reached(grant) if page.instagram_id]

    async def credentials(self, candidate: Candidate, grant: Grant) -> Credentials:
        """Give the page's token, and see that our app is subscribed to the page."""
        page = await self._pages.one(grant.token, str(candidate.metadata.get("pageId")))
        if page is None or page.instagram_id != candidate.external_account_id:
            raise ControlUnproved("the account is not behind that page any more; log in again")
        await self._subscribe(page.id, page.token)
        return await self._pages.credentials(page, grant)

    async def renew(self, account: AccountRef, credentials: Credentials, issued_at: datetime) -> Credentials:
        """Check the page's token, and renew the person's well before it ends."""
        return await self._pages.renew(_page_of(account), credentials)

    async def describe(self, account: AccountRef, credentials: Credentials) -> Description:
        """Read an account's names and picture, its token's permissions, and whether its page is subscribed."""
        token = credentials.access_token
        path = node(account.external_account_id)
        profile = await self._login.graph.call("GET", path, token=token, params={"fields": _PROFILE})
        facts = await self._login.check(credentials)
        username = lenient.optional_string(profile.get("username"))
        name = lenient.optional_string(profile.get("name"))
        return Description(
            name=name or username,
            metadata={
                "name": name,
                "username": username,
                "pictureUrl": lenient.optional_string(profile.get("profile_picture_url")),
            },
            scopes=facts.scopes,
            subscribed=await self._pages.subscribed_fields(_page_of(account), token) is not None,
        )

    async def subscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """See that our app is subscribed to the page."""
        await self._subscribe(_page_of(account), credentials.access_token)

    async def unsubscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """End the subscription to the page."""
        await self._pages.unsubscribe(_page_of(account), credentials.access_token)

    def checks(self, account: AccountRef, credentials: Credentials) -> Sequence[Check]:
        """Look at the page's token and subscription."""
        page_id, token = _page_of(account), credentials.access_token

        async def subscription() -> list[Finding]:
            fields = await self._pages.subscribed_fields(page_id, token)
            return [health.subscription("the account's page", fields, ())]

        checks = [health.token_check(self._login, token, SCOPES, REQUIRED), Check("subscription", subscription)]
        return checks if self._login.configured else []

    def app_checks(self, callback_url: str | None) -> Sequence[Check]:
        """Look at what the app is subscribed to, which counts for accounts of either login."""
        check = health.app_check(self._login, "instagram", "Instagram", FIELDS, callback_url)
        return health.by_app(self._login, [check])

    async def revoke(self, credentials: Credentials) -> None:
        """Give the person's consent back."""
        await self._login.revoke(credentials.refresh_token or credentials.access_token)

    async def _subscribe(self, page_id: str, token: str) -> None:
        """Subscribe unless we are: subscribing sets the fields, and Messenger may have set more of them."""
        if await self._pages.subscribed_fields(page_id, token) is None:
            await self._pages.subscribe(page_id, token, _PAGE_FIELDS)


def _page_of(account: AccountRef) -> str:
    return str(account.metadata.get("pageId") or "")


def _candidate(page: Page) -> Candidate:
    return Candidate(
        external_account_id=page.instagram_id or "",
        display_name=page.instagram_username or page.name,
        metadata={"login": FACEBOOK, "pageId": page.id, "pageName": page.name, "username": page.instagram_username},
        subscription=f"page:{page.id}",
    )
