"""The accounts' side of a provider: consent, the accounts that it reaches, their tokens, their subscription.

What is here are the words in which a provider's client speaks to the services. Unlike `base.Provider` it does I/O.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from hookline.providers.health import Check

Metadata = dict[str, Any]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a person's consent gave us. Holds a token: it is stored encrypted only.

    login: the dialog through which it came. user_id: who consented, by the id that our app knows them by.
    reaches: what the consent is limited to, by permission, where the platform tells: `{"scope": ["id", …]}`.
    """

    login: str
    token: str
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    user_id: str | None = None
    reaches: dict[str, tuple[str, ...]] = {}
    by_consent: bool = True


class Candidate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An account that a grant reaches. Everything in it comes from the platform, and may be shown.

    subscription: what our app is subscribed to for it; several accounts may share one.
    needs_pin: connecting it registers the number, which sets a PIN.
    """

    external_account_id: str
    display_name: str | None = None
    metadata: Metadata = {}
    subscription: str
    needs_pin: bool = False


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens by which we act for one account. `refresh_token` renews the other: for a page, a person's token."""

    access_token: str
    refresh_token: str | None = None
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    user_id: str | None = None
    by_consent: bool = True


class AccountRef(msgspec.Struct, frozen=True, kw_only=True):
    """A connected account, as far as its platform is concerned."""

    external_account_id: str
    metadata: Mapping[str, Any]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform says of an account now. `name` is for people; `metadata` replaces what was known."""

    name: str | None
    metadata: Metadata
    scopes: tuple[str, ...] | None = None
    subscribed: bool = True


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, as far as the platform says. `picture_url` expires."""

    name: str | None = None
    username: str | None = None
    picture_url: str | None = None


class AccountsClient(Protocol):
    """A provider's accounts, over the network. A client is cheap: make one where it is needed.

    Everything that calls raises ProviderError (the platform refuses), NotReached or OutcomeUnknown.
    """

    @property
    def logins(self) -> Sequence[str]:
        """The dialogs through which accounts can be connected; the first one is the default."""
        ...

    def authorization_url(self, login: str, redirect_uri: str, state: str) -> str:
        """Give the dialog's address. Raises: NotConfigured, if the installation lacks what it needs."""
        ...

    async def exchange(self, login: str, code: str, redirect_uri: str | None) -> Grant:
        """Exchange a code at once. redirect_uri: exactly the dialog's; None for a code of the browser's SDK.

        Raises: NotConfigured, MissingPermissions.
        """
        ...

    async def inspect(self, login: str, token: str) -> Grant:
        """Have the platform tell what a token is that somebody brought. Raises: ControlUnproved, MissingPermissions."""
        ...

    async def eligible(self, grant: Grant) -> list[Candidate]:
        """List the accounts that a grant reaches and that can be connected."""
        ...

    async def find(self, grant: Grant, external_account_id: str, metadata: Mapping[str, Any]) -> Candidate | None:
        """Find one account by a token that somebody brought; metadata is what they say of it, to be verified."""
        ...

    async def attach(self, candidate: Candidate, grant: Grant, pin: str | None) -> Credentials:
        """Subscribe to the account's webhooks, register it where it needs that, and give its tokens. Repeatable.

        Raises: PinRequired.
        """
        ...

    async def renew(self, account: AccountRef, credentials: Credentials, issued_at: datetime) -> Credentials:
        """Make sure that tokens hold, and renew them well before they expire; gives the same ones if nothing changed.

        issued_at: when the access token was made. Raises: ProviderError of class REAUTHORIZE, if they do not hold.
        """
        ...

    async def describe(self, account: AccountRef, credentials: Credentials) -> Description:
        """Read what the platform says of an account."""
        ...

    async def profile(self, account: AccountRef, credentials: Credentials, person_id: str) -> Profile:
        """Ask who somebody is, to the account. Only where `Provider.tells_profiles`.

        Raises: ProviderError of class RECIPIENT, if the platform does not say.
        """
        ...

    async def subscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """Subscribe to the account's webhooks (again)."""
        ...

    async def unsubscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """End the subscription to the account's webhooks."""
        ...

    def checks(self, account: AccountRef, credentials: Credentials, callback_url: str | None) -> Sequence[Check]:
        """List what can be asked about an account's health. Nothing is asked, or changed, before a check is made.

        callback_url: where this installation takes the platform's webhooks, if that is known.
        """
        ...

    async def revoke(self, account: AccountRef, credentials: Credentials) -> None:
        """Give the consent back: the tokens end, for every account that the person consented to."""
        ...
