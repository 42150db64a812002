"""Instagram's accounts, by either of two logins. The provider's only I/O besides sending.

An account remembers its login (`metadata.login`): it says which host serves it, and by which token.
Source: protocol reference 5.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hookline.domain.connect_error import NoEligibleAccount
from hookline.providers.accounts import AccountRef, Candidate, Credentials, Description, Grant, Profile
from hookline.providers.health import Check
from hookline.providers.http import HttpClient
from hookline.providers.instagram.behind_page import AccountsBehindPages
from hookline.providers.instagram.login import INSTAGRAM, InstagramLogin
from hookline.providers.meta.oauth import FACEBOOK
from hookline.providers.meta.people import INSTAGRAM_FIELDS, read_profile


class InstagramAccounts:
    """Professional accounts as an `AccountsClient`. What its methods do is described there."""

    def __init__(self, http: HttpClient, settings: Mapping[str, str]) -> None:
        self._own = InstagramLogin(http, settings)
        self._behind_pages = AccountsBehindPages(http, settings)

    @property
    def logins(self) -> Sequence[str]:
        """Instagram's own login first, where there is an app for it."""
        return (INSTAGRAM, FACEBOOK) if self._own.configured else (FACEBOOK, INSTAGRAM)

    def authorization_url(self, login: str, redirect_uri: str, state: str) -> str:
        """Give the dialog's address."""
        return self._by(login).dialog_url(redirect_uri, state)

    async def exchange(self, login: str, code: str, redirect_uri: str | None) -> Grant:
        """Exchange a code for a long-lived token."""
        return await self._by(login).exchange(code, redirect_uri)

    async def inspect(self, login: str, token: str) -> Grant:
        """Take a token that somebody brought."""
        return await self._by(login).inspect(token)

    async def eligible(self, grant: Grant) -> list[Candidate]:
        """List the accounts that the consent reaches: one by Instagram's login, any number by pages."""
        return await self._by(grant.login).eligible(grant)

    async def find(self, grant: Grant, external_account_id: str, metadata: Mapping[str, Any]) -> Candidate | None:
        """Find one account; it may be named by either of its ids."""
        try:
            found = await self.eligible(grant)
        except NoEligibleAccount:
            return None
        return next((one for one in found if external_account_id in _ids(one)), None)

    async def attach(self, candidate: Candidate, grant: Grant, pin: str | None) -> Credentials:
        """Subscribe to the account's webhooks and give its token."""
        return await self._by(grant.login).credentials(candidate, grant)

    async def renew(self, account: AccountRef, credentials: Credentials, issued_at: datetime) -> Credentials:
        """Check the token, and renew it well before it ends."""
        return await self._by(_login_of(account)).renew(account, credentials, issued_at)

    async def describe(self, account: AccountRef, credentials: Credentials) -> Description:
        """Read an account's names and picture, and whether it is subscribed."""
        return await self._by(_login_of(account)).describe(account, credentials)

    async def profile(self, account: AccountRef, credentials: Credentials, person_id: str) -> Profile:
        """Ask who somebody is, by the id that they have for this account."""
        graph = self._by(_login_of(account)).graph
        return await read_profile(graph, credentials.access_token, person_id, INSTAGRAM_FIELDS)

    async def subscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """Subscribe to the account's webhooks again."""
        await self._by(_login_of(account)).subscribe(account, credentials)

    async def unsubscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """End the subscription to the account's webhooks."""
        await self._by(_login_of(account)).unsubscribe(account, credentials)

    def checks(self, account: AccountRef, credentials: Credentials, callback_url: str | None) -> Sequence[Check]:
        """Look at the token, the subscription, and the app's."""
        found = self._by(_login_of(account)).checks(account, credentials)
        return [*found, *self._behind_pages.app_checks(callback_url)]

    async def revoke(self, account: AccountRef, credentials: Credentials) -> None:
        """Give the consent back."""
        await self._by(_login_of(account)).revoke(credentials)

    def _by(self, login: str) -> InstagramLogin | AccountsBehindPages:
        return self._own if login == INSTAGRAM else self._behind_pages


def _login_of(account: AccountRef) -> str:
    return str(account.metadata.get("login") or FACEBOOK)


def _ids(candidate: Candidate) -> tuple[str, ...]:
    return candidate.external_account_id, str(candidate.metadata.get("appScopedId") or "")
