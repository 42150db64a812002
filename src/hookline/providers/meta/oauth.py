"""The vendor's login, which WhatsApp, Messenger, and Instagram behind a page share: dialog, codes, tokens.

Source: protocol reference 5.1, 5.3, 5.4.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from hookline.domain.connect_error import ControlUnproved, MissingPermissions, NotConfigured
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import Credentials, Grant
from hookline.providers.http import HttpClient
from hookline.providers.meta import lenient
from hookline.providers.meta.graph import Graph, OnHeaders, node, open_graph, signing_secret

FACEBOOK: Final = "facebook"  # the name of this login
# A token that ends earlier is renewed while it still can be.
RENEW_BEFORE: Final = timedelta(days=20)
_MAX_PAGES: Final = 50
_PAGE_SIZE: Final = "100"
# What a next page's address repeats and we send ourselves.
_OURS = ("access_token", "appsecret_proof")


class TokenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor says of a token. kind: USER, PAGE or SYSTEM_USER."""

    app_id: str | None
    kind: str
    valid: bool
    error_code: str | None
    error_text: str
    scopes: tuple[str, ...]
    reaches: dict[str, tuple[str, ...]]
    user_id: str | None
    expires_at: datetime | None
    data_access_expires_at: datetime | None


class AppSubscription(msgspec.Struct, frozen=True):
    """Where an app is told of an object, and of which of its fields."""

    callback_url: str
    active: bool
    fields: tuple[str, ...]


class MetaLogin:
    """The vendor's login for one app."""

    def __init__(self, http: HttpClient, settings: Mapping[str, str]) -> None:
        self.graph: Graph = open_graph(http, settings)
        self.app_id = settings["META_APP_ID"]
        self._secret = signing_secret(settings, "META_APP_SECRETS")
        self._dialog = f"{settings['META_DIALOG_URL'].rstrip('/')}/{settings['META_GRAPH_VERSION']}/dialog/oauth"

    @property
    def configured(self) -> bool:
        """Whether there is an app, which can ask in its own name."""
        return bool(self.app_id and self._secret)

    def dialog_url(self, redirect_uri: str, state: str, scopes: Sequence[str], config_id: str) -> str:
        """Give the dialog's address: for a configuration that was made in the dashboard, or else for scopes.

        Raises: NotConfigured.
        Source: protocol reference 5.1.
        """
        self._require_app()
        asked = {
            "client_id": self.app_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "response_type": "code",
        }
        if config_id:
            asked |= {"config_id": config_id, "override_default_response_type": "true"}
        else:
            asked["scope"] = ",".join(scopes)
        return f"{self._dialog}?{urlencode(asked)}"

    async def exchange(self, code: str, redirect_uri: str | None) -> str:
        """Exchange a code for a token.

        Raises: NotConfigured; ProviderError and its like.
        Source: protocol reference 5.1, 5.3.
        """
        self._require_app()
        asked = {"client_id": self.app_id, "client_secret": self._secret, "code": code}
        if redirect_uri is not None:
            asked["redirect_uri"] = redirect_uri
        return _token(await self.graph.call("GET", "oauth/access_token", token=None, params=asked))

    async def prolong(self, token: str) -> str:
        """Exchange a person's token for one that lives about 60 days; works only while it is valid.

        Source: protocol reference 5.1.
        """
        asked = {
            "grant_type": "fb_exchange_token",
            "client_id": self.app_id,
            "client_secret": self._secret,
            "fb_exchange_token": token,
        }
        return _token(await self.graph.call("GET", "oauth/access_token", token=None, params=asked))

    async def grant(self, token: str, required: Sequence[str], *, by_consent: bool) -> Grant:
        """Give what a token grants, made to live long where that can be done; it must be of our app.

        Raises: ControlUnproved, MissingPermissions.
        """
        facts = await self.inspect(token)
        if not facts.valid:
            raise ControlUnproved(f"the platform says that the token is not valid: {facts.error_text or 'no reason'}")
        if facts.app_id != self.app_id:
            raise ControlUnproved("the token was given to another app than the one configured here")
        require(facts.scopes, required)
        if facts.kind == "USER" and facts.expires_at and facts.expires_at < datetime.now(UTC) + RENEW_BEFORE:
            token = await self.prolong(token)
            facts = await self.inspect(token)
        return Grant(
            login=FACEBOOK,
            token=token,
            scopes=facts.scopes,
            expires_at=facts.expires_at,
            data_access_expires_at=facts.data_access_expires_at,
            user_id=facts.user_id,
            reaches=facts.reaches,
            by_consent=by_consent,
        )

    async def inspect(self, token: str, on_headers: OnHeaders | None = None) -> TokenFacts:
        """Have the vendor tell what a token is. on_headers: is given the reply's headers.

        {"data": {app_id, type, is_valid, expires_at, data_access_expires_at, scopes, granular_scopes: [{scope,
        target_ids?}], user_id, error?}}, times in seconds, 0 for never.
        Source: protocol reference 5.1.
        """
        data = lenient.mapping((await self._debug(token, on_headers)).get("data"))
        error = lenient.mapping(data.get("error"))
        codes = [lenient.identifier(error.get(name)) for name in ("code", "subcode")]
        return TokenFacts(
            app_id=lenient.identifier(data.get("app_id")),
            kind=lenient.string(data.get("type")).upper(),
            valid=data.get("is_valid") is True,
            error_code="/".join(code for code in codes if code) or None,
            error_text=lenient.string(error.get("message")),
            scopes=tuple(map(lenient.string, lenient.sequence(data.get("scopes")))),
            reaches=dict(_reaches(data)),
            user_id=lenient.identifier(data.get("user_id")),
            expires_at=_moment(data.get("expires_at")),
            data_access_expires_at=_moment(data.get("data_access_expires_at")),
        )

    async def _debug(self, token: str, on_headers: OnHeaders | None) -> dict[str, Any]:
        return await self._as_app("debug_token", {"input_token": token}, on_headers)

    async def _as_app(
        self, path: str, params: Mapping[str, str], on_headers: OnHeaders | None = None
    ) -> dict[str, Any]:
        """Ask with the app's own token. If that one is refused, it says nothing about what is asked about."""
        app_token = f"{self.app_id}|{self._secret}"
        try:
            return await self.graph.call("GET", path, token=app_token, params=params, on_headers=on_headers)
        except ProviderError as error:
            if error.error_class is not ErrorClass.REAUTHORIZE:
                raise
            text = f"the app's own id or secret is refused; see HOOKLINE_META_APP_SECRETS: {error.text}"
            raise ProviderError(ErrorClass.PERMANENT, error.code, text, http_status=error.http_status) from None

    async def check(self, credentials: Credentials) -> Credentials:
        """Make sure that an access token holds, and note what the vendor says of it now.

        Raises: ProviderError of class REAUTHORIZE, if it does not hold.
        Source: protocol reference 5.1: nobody is told when a token ends.
        """
        facts = await self.inspect(credentials.access_token)
        if not facts.valid:
            text = facts.error_text or "the access token is not valid any more"
            raise ProviderError(ErrorClass.REAUTHORIZE, facts.error_code or "190", text)
        return msgspec.structs.replace(
            credentials,
            scopes=facts.scopes,
            expires_at=facts.expires_at,
            data_access_expires_at=facts.data_access_expires_at,
            user_id=facts.user_id or credentials.user_id,
        )

    async def each(self, path: str, token: str, fields: str) -> AsyncIterator[dict[str, Any]]:
        """Give the elements of a list that comes in pages.

        {"data": […], "paging": {"next": URL}}: of the address of the next page only the parameters are used.
        Source: protocol reference 5.1.
        """
        asked = {"fields": fields, "limit": _PAGE_SIZE}
        for _ in range(_MAX_PAGES):
            answer = await self.graph.call("GET", path, token=token, params=asked)
            for element in lenient.sequence(answer.get("data")):
                if isinstance(element, dict):
                    yield element
            following = lenient.string(lenient.mapping(answer.get("paging")).get("next"))
            if not following:
                return
            asked = {name: value for name, value in parse_qsl(urlsplit(following).query) if name not in _OURS}

    async def subscribed_fields(self, path: str, token: str) -> tuple[str, ...] | None:
        """Say to which fields our app is subscribed; None if it is not subscribed at all.

        {"data": [{"id": APP, "subscribed_fields": […]} | {"whatsapp_business_api_data": {"id": APP}}]}
        Source: protocol reference 1.5.
        """
        app = await self.subscribed_app(path, token)
        return None if app is None else tuple(map(lenient.string, lenient.sequence(app.get("subscribed_fields"))))

    async def subscribed_app(self, path: str, token: str) -> dict[str, Any] | None:
        """Give our app's element of the list that `subscribed_fields` reads; None if it is not in it.

        A WABA's callback of its own stands in it as `override_callback_uri`.
        """
        answer = await self.graph.call("GET", f"{path}/subscribed_apps", token=token)
        for app in map(lenient.mapping, lenient.sequence(answer.get("data"))):
            named = lenient.mapping(app.get("whatsapp_business_api_data")) or app
            if lenient.identifier(named.get("id")) == self.app_id:
                return app
        return None

    async def app_subscriptions(self) -> dict[str, AppSubscription]:
        """Say what our app itself is subscribed to, by object.

        {"data": [{"object", "callback_url", "active", "fields": [{"name", "version"} | name]}]}
        Source: protocol reference 1.5.
        """
        answer = await self._as_app(f"{node(self.app_id)}/subscriptions", {})
        found = map(lenient.mapping, lenient.sequence(answer.get("data")))
        return {lenient.string(one.get("object")): _app_subscription(one) for one in found}

    async def revoke(self, token: str) -> None:
        """Give a person's consent back.

        Source: protocol reference 5.4.
        """
        await self.graph.call("DELETE", "me/permissions", token=token)

    def _require_app(self) -> None:
        if not self.app_id or not self._secret:
            raise NotConfigured("set HOOKLINE_META_APP_ID and HOOKLINE_META_APP_SECRETS to connect accounts by login")


def require(granted: Sequence[str], needed: Sequence[str]) -> None:
    """Make sure that everything needed was granted. Raises: MissingPermissions."""
    missing = [scope for scope in needed if scope not in granted]
    if missing:
        raise MissingPermissions(f"these permissions were not granted: {', '.join(missing)}; try again and grant them")


def _token(answer: dict[str, Any]) -> str:
    token = lenient.string(answer.get("access_token"))
    if not token:
        raise ProviderError(ErrorClass.PERMANENT, None, "the platform answered without an access token")
    return token


def _app_subscription(one: dict[str, Any]) -> AppSubscription:
    fields = lenient.sequence(one.get("fields"))
    names = (lenient.string(field.get("name") if isinstance(field, dict) else field) for field in fields)
    return AppSubscription(lenient.string(one.get("callback_url")), one.get("active") is not False, tuple(names))


def _moment(value: Any) -> datetime | None:
    """Read a time in seconds; 0 stands for never."""
    return lenient.moment(value) if lenient.integer(value) else None


def _reaches(data: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for one in map(lenient.mapping, lenient.sequence(data.get("granular_scopes"))):
        targets = one.get("target_ids")
        if isinstance(targets, list):
            ids = (lenient.identifier(target) for target in targets)
            found.append((lenient.string(one.get("scope")), tuple(name for name in ids if name)))
    return found
