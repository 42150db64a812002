"""Instagram's own login: its dialog, codes, and tokens that are renewed by themselves.

Source: protocol reference 5.2.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hookline.domain.connect_error import NoEligibleAccount, NotConfigured
from hookline.domain.health import Finding, ok, problem, warning
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import AccountRef, Candidate, Credentials, Description, Grant
from hookline.providers.health import Check, platform_clock
from hookline.providers.http import HttpClient
from hookline.providers.instagram.graph import open_graph
from hookline.providers.meta import health, lenient
from hookline.providers.meta.graph import Graph, OnHeaders, signing_secret
from hookline.providers.meta.oauth import RENEW_BEFORE, require

INSTAGRAM: Final = "instagram"  # the name of this login
SCOPES: Final = ("instagram_business_basic", "instagram_business_manage_messages", "instagram_business_manage_comments")
REQUIRED: Final = SCOPES[:2]
# Source: protocol reference 1.5.
FIELDS: Final = (
    "messages",
    "messaging_postbacks",
    "messaging_seen",
    "message_reactions",
    "messaging_referral",
    "messaging_handover",
    "messaging_optins",
    "standby",
    "message_edit",
    "comments",
    "live_comments",
    "mentions",
)
_PROFILE: Final = "id,user_id,username,name,profile_picture_url,account_type"
_PERSONAL: Final = "PERSONAL"
# A younger token cannot be refreshed.
_YOUNGEST: Final = timedelta(hours=24)


class InstagramLogin:
    """Instagram Login for one app: each consent is of one professional account."""

    def __init__(self, http: HttpClient, settings: Mapping[str, str]) -> None:
        self._graph = open_graph(http, settings)
        self._tokens = open_graph(http, settings, versioned=False)
        self._secret = signing_secret(settings, "INSTAGRAM_APP_SECRETS")
        self._codes = Graph(http, settings["INSTAGRAM_API_URL"], "", "")
        self._app_id = settings["INSTAGRAM_APP_ID"]
        self._dialog = settings["INSTAGRAM_DIALOG_URL"].rstrip("/") + "/oauth/authorize"

    @property
    def graph(self) -> Graph:
        """Where these accounts are served."""
        return self._graph

    @property
    def configured(self) -> bool:
        """Whether there is an Instagram app."""
        return bool(self._app_id and self._secret)

    def dialog_url(self, redirect_uri: str, state: str) -> str:
        """Give the dialog's address. Raises: NotConfigured."""
        self._require_app()
        asked = {
            "client_id": self._app_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": ",".join(SCOPES),
            "state": state,
        }
        return f"{self._dialog}?{urlencode(asked)}"

    async def exchange(self, code: str, redirect_uri: str | None) -> Grant:
        """Exchange a code for a token, and that at once for one that lives 60 days.

        {access_token, user_id, permissions} or {"data": [{…}]}; permissions as CSV or list.
        Raises: NotConfigured, MissingPermissions.
        """
        self._require_app()
        form = {
            "client_id": self._app_id,
            "client_secret": self._secret,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri or "",
            "code": code,
        }
        answer = await self._codes.call("POST", "oauth/access_token", token=None, form=form)
        found = lenient.mapping(next(iter(lenient.sequence(answer.get("data"))), answer))
        scopes = _scopes(found.get("permissions"))
        if scopes:
            require(scopes, REQUIRED)
        token, expires_at = await self._prolong(_token(found))
        return Grant(login=INSTAGRAM, token=token, scopes=scopes, expires_at=expires_at)

    async def inspect(self, token: str) -> Grant:
        """Take a token that somebody brought: whose it is, `find` will say."""
        return Grant(login=INSTAGRAM, token=token, by_consent=False)

    async def eligible(self, grant: Grant) -> list[Candidate]:
        """Say whose token it is: {id (app-scoped), user_id (the one of webhooks), username, name, …}.

        Raises: NoEligibleAccount, if it is not a professional account.
        Source: protocol reference 0.2, 5.2.
        """
        profile = await self._profile(grant.token)
        account_id = lenient.identifier(profile.get("user_id"))
        if account_id is None or lenient.string(profile.get("account_type")).upper() == _PERSONAL:
            raise NoEligibleAccount("this is not a professional Instagram account; switch it to one and try again")
        metadata = {"login": INSTAGRAM, "appScopedId": lenient.identifier(profile.get("id")), **_described(profile)}
        subscription = f"instagram:{account_id}"
        return [
            Candidate(
                external_account_id=account_id,
                display_name=_name(profile),
                metadata=metadata,
                subscription=subscription,
            )
        ]

    async def credentials(self, candidate: Candidate, grant: Grant) -> Credentials:
        """Give the token by which we act for an account, and subscribe to its webhooks."""
        mine = Credentials(
            access_token=grant.token,
            expires_at=grant.expires_at,
            scopes=grant.scopes,
            user_id=candidate.metadata.get("appScopedId"),
            by_consent=grant.by_consent,
        )
        await self._subscribe(mine)
        return mine

    async def renew(self, account: AccountRef, credentials: Credentials, issued_at: datetime) -> Credentials:
        """Refresh a token well before it ends, if it is a day old; otherwise only make sure that it holds.

        One that came without an expiry tells it when it is refreshed.
        """
        now = datetime.now(UTC)
        near = credentials.expires_at is None or credentials.expires_at < now + RENEW_BEFORE
        if not near or issued_at > now - _YOUNGEST:
            await self._profile(credentials.access_token)
            return credentials
        asked = {"grant_type": "ig_refresh_token", "access_token": credentials.access_token}
        answer = await self._tokens.call("GET", "refresh_access_token", token=None, params=asked)
        return msgspec.structs.replace(credentials, access_token=_token(answer), expires_at=_end(answer))

    async def describe(self, account: AccountRef, credentials: Credentials) -> Description:
        """Read an account's names and picture, and whether it is subscribed."""
        token = credentials.access_token
        profile = await self._profile(token)
        fields = await self._subscribed_fields(token)
        return Description(name=_name(profile), metadata=_described(profile), subscribed=set(FIELDS) <= set(fields))

    async def _subscribed_fields(self, token: str) -> list[str]:
        answer = await self._graph.call("GET", "me/subscribed_apps", token=token)
        apps = map(lenient.mapping, lenient.sequence(answer.get("data")))
        return [lenient.string(field) for app in apps for field in lenient.sequence(app.get("subscribed_fields"))]

    async def subscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """Subscribe to the account's webhooks."""
        await self._subscribe(credentials)

    async def _subscribe(self, credentials: Credentials) -> None:
        """Source: protocol reference 1.5."""
        fields = {"subscribed_fields": ",".join(FIELDS)}
        await self._graph.call("POST", "me/subscribed_apps", token=credentials.access_token, params=fields)

    async def unsubscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """End the subscription to the account's webhooks."""
        await self._graph.call("DELETE", "me/subscribed_apps", token=credentials.access_token)

    def checks(self, account: AccountRef, credentials: Credentials) -> Sequence[Check]:
        """Look at the token and the subscription. Permissions and expiry are told only when a token is given."""
        token = credentials.access_token

        async def profile() -> list[Finding]:
            dates: list[str | None] = []
            found = await self._profile(token, on_headers=lambda headers: dates.append(headers.get("Date")))
            return [
                _whose(found, account, proved=bool(self._secret)),
                *_as_told(credentials),
                platform_clock(dates[-1]),
            ]

        async def subscription() -> list[Finding]:
            return [health.subscription("the account", await self._subscribed_fields(token) or None, FIELDS)]

        return [Check("token", profile), Check("subscription", subscription)]

    async def revoke(self, credentials: Credentials) -> None:
        """Give the consent back. Source: protocol reference 5.4."""
        await self._graph.call("DELETE", "me/permissions", token=credentials.access_token)

    async def _profile(self, token: str, on_headers: OnHeaders | None = None) -> dict[str, Any]:
        return await self._graph.call("GET", "me", token=token, params={"fields": _PROFILE}, on_headers=on_headers)

    async def _prolong(self, token: str) -> tuple[str, datetime | None]:
        asked = {"grant_type": "ig_exchange_token", "client_secret": self._secret, "access_token": token}
        answer = await self._tokens.call("GET", "access_token", token=None, params=asked)
        return _token(answer), _end(answer)

    def _require_app(self) -> None:
        if not self.configured:
            raise NotConfigured(
                "set HOOKLINE_INSTAGRAM_APP_ID and HOOKLINE_INSTAGRAM_APP_SECRETS to connect by Instagram Login"
            )


def _whose(profile: Mapping[str, Any], account: AccountRef, *, proved: bool) -> Finding:
    """Say whether a token that the platform takes is the account's. A proof that it took shows whose app's it is.

    Source: protocol reference 5.4.
    """
    if lenient.identifier(profile.get("user_id")) != account.external_account_id:
        return problem("token", "the access token is of another Instagram account", "Connect the account again.")
    if not proved:
        found = "the platform takes the access token, which is this account's; whether it is our app's is not known"
        return warning("token", found, "Set HOOKLINE_INSTAGRAM_APP_SECRETS.")
    return ok("token", "the platform takes the access token, which is this account's and our app's")


def _as_told(credentials: Credentials) -> list[Finding]:
    """What was told when the token was given or renewed; this login does not tell it again.

    A token that somebody brought came without permissions, and without its end until it is first renewed.
    """
    again = "Connect the account by consent: then the platform tells it."
    granted = warning("permissions", "which permissions were granted is not known: the token came without", again)
    if credentials.scopes:
        granted = health.permissions(credentials.scopes, SCOPES, REQUIRED)
    if credentials.expires_at is None:
        return [granted, warning("token-expiry", "when the access token ends is not known yet", again)]
    return [granted, health.expiry(credentials.expires_at)]


def _token(answer: Mapping[str, Any]) -> str:
    token = lenient.string(answer.get("access_token"))
    if not token:
        raise ProviderError(ErrorClass.PERMANENT, None, "Instagram answered without an access token")
    return token


def _end(answer: Mapping[str, Any]) -> datetime | None:
    seconds = lenient.integer(answer.get("expires_in"))
    return datetime.now(UTC) + timedelta(seconds=min(seconds, 10**9)) if seconds else None


def _scopes(value: Any) -> tuple[str, ...]:
    listed: Sequence[Any] = value.split(",") if isinstance(value, str) else lenient.sequence(value)
    return tuple(filter(None, (lenient.string(one).strip() for one in listed)))


def _name(profile: Mapping[str, Any]) -> str | None:
    return lenient.optional_string(profile.get("name")) or lenient.optional_string(profile.get("username"))


def _described(profile: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": lenient.optional_string(profile.get("name")),
        "username": lenient.optional_string(profile.get("username")),
        "pictureUrl": lenient.optional_string(profile.get("profile_picture_url")),
        "accountType": lenient.optional_string(profile.get("account_type")),
    }
