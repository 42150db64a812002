"""WhatsApp's accounts: numbers, by Embedded Signup or a business's own token. The provider's only I/O besides sending.

What the browser says of a number counts for nothing: the platform says which WhatsApp Business Accounts (WABAs) a token
reaches, and which numbers these have.
Source: protocol reference 1.5, 5.3, 7.1.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from hookline.domain.connect_error import PinRequired
from hookline.domain.health import Finding
from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import AccountRef, Candidate, Credentials, Description, Grant, Profile
from hookline.providers.health import Check
from hookline.providers.http import HttpClient
from hookline.providers.meta import lenient
from hookline.providers.meta.graph import node
from hookline.providers.meta.health import by_app, token_check
from hookline.providers.meta.oauth import FACEBOOK, RENEW_BEFORE, MetaLogin
from hookline.providers.whatsapp import health

SCOPES: Final = ("whatsapp_business_management", "whatsapp_business_messaging")
_FIELDS: Final = (
    "id,display_phone_number,verified_name,quality_rating,throughput,name_status,platform_type,is_on_biz_app,"
    "code_verification_status,whatsapp_business_manager_messaging_limit"
)
_REGISTERED: Final = "CLOUD_API"
# Wrong PIN, or locked for a PIN that does not match. Source: protocol reference 5.3, 6.2.
_PIN_CODES: Final = ("133005", "131031")


class NumberAccounts:
    """Numbers as an `AccountsClient`. What its methods do is described there."""

    logins: Sequence[str] = (FACEBOOK,)

    def __init__(self, http: HttpClient, settings: Mapping[str, str]) -> None:
        self._login = MetaLogin(http, settings)
        self._config_id = settings["WHATSAPP_CONFIG_ID"]

    def authorization_url(self, login: str, redirect_uri: str, state: str) -> str:
        """Give the address of Embedded Signup, or of a plain dialog where it is not configured."""
        return self._login.dialog_url(redirect_uri, state, SCOPES, self._config_id)

    async def exchange(self, login: str, code: str, redirect_uri: str | None) -> Grant:
        """Exchange a code, which lives 30 seconds, for a business's token."""
        return await self._login.grant(await self._login.exchange(code, redirect_uri), SCOPES, by_consent=True)

    async def inspect(self, login: str, token: str) -> Grant:
        """Take a business's token that somebody brought."""
        return await self._login.grant(token, SCOPES, by_consent=False)

    async def eligible(self, grant: Grant) -> list[Candidate]:
        """List the numbers of every WABA that the token reaches."""
        return [candidate for waba in _wabas(grant) for candidate in await self._numbers(grant.token, waba)]

    async def find(self, grant: Grant, external_account_id: str, metadata: Mapping[str, Any]) -> Candidate | None:
        """Find a number. A token that is limited to no WABA (a system user's) needs the number's WABA named."""
        wabas = _wabas(grant) or _named(metadata.get("wabaId"))
        for waba in wabas:
            for candidate in await self._numbers(grant.token, waba):
                if candidate.external_account_id == external_account_id:
                    return candidate
        return None

    async def attach(self, candidate: Candidate, grant: Grant, pin: str | None) -> Credentials:
        """Subscribe to the WABA's webhooks, register the number if it is not, and give the token."""
        await self._subscribe(str(candidate.metadata["wabaId"]), grant.token)
        if candidate.needs_pin and pin is not None:
            await self._register(candidate.external_account_id, grant.token, pin)
        return Credentials(
            access_token=grant.token,
            expires_at=grant.expires_at,
            data_access_expires_at=grant.data_access_expires_at,
            scopes=grant.scopes,
            user_id=grant.user_id,
            by_consent=grant.by_consent,
        )

    async def renew(self, account: AccountRef, credentials: Credentials, issued_at: datetime) -> Credentials:
        """Check the token; one that ends is exchanged for a later one where the platform gives one.

        Source: protocol reference 5.1, 5.3: re-exchanging works only while the token is valid.
        """
        ends_at, now = credentials.expires_at, datetime.now(UTC)
        if ends_at is not None and now < ends_at < now + RENEW_BEFORE:
            credentials = await self._prolong(credentials, ends_at)
        return await self._login.check(credentials)

    async def describe(self, account: AccountRef, credentials: Credentials) -> Description:
        """Read a number's name, quality, tier and state, its token's permissions, and its WABA's subscription."""
        token, path = credentials.access_token, node(account.external_account_id)
        number = await self._login.graph.call("GET", path, token=token, params={"fields": _FIELDS})
        facts = await self._login.check(credentials)
        waba = node(_waba_of(account))
        return Description(
            name=_name(number),
            metadata=_described(number),
            scopes=facts.scopes,
            subscribed=await self._login.subscribed_fields(waba, token) is not None,
        )

    async def profile(self, account: AccountRef, credentials: Credentials, person_id: str) -> Profile:
        """There is nothing to ask: webhooks say who people are."""
        raise ProviderError(ErrorClass.RECIPIENT, None, "WhatsApp tells no profiles")

    async def subscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """Subscribe to the WABA's webhooks again."""
        await self._subscribe(_waba_of(account), credentials.access_token)

    async def unsubscribe(self, account: AccountRef, credentials: Credentials) -> None:
        """End the subscription to the WABA's webhooks."""
        path = f"{node(_waba_of(account))}/subscribed_apps"
        await self._login.graph.call("DELETE", path, token=credentials.access_token)

    def checks(self, account: AccountRef, credentials: Credentials, callback_url: str | None) -> Sequence[Check]:
        """Look at the token, the number, its WABA's subscription, the app's, and the callbacks at all three."""
        token = credentials.access_token

        path = account.external_account_id

        async def number() -> list[Finding]:
            return health.number_findings(path, await self._number(path, token, health.FIELDS), callback_url)

        async def subscription() -> list[Finding]:
            if not _waba_of(account):
                return [health.account_unknown()]
            waba = node(_waba_of(account))
            return health.waba_findings(waba, await self._login.subscribed_app(waba, token), callback_url)

        async def app() -> list[Finding]:
            found = health.app_findings(await self._login.app_subscriptions(), callback_url)
            if not health.leads_elsewhere(found):
                return found
            return health.with_override(found, await self._number(path, token, health.CALLBACKS), callback_url)

        asked_by_app = [
            token_check(self._login, token, SCOPES, SCOPES),
            Check("subscription", subscription),
            Check("app-subscription", app),
        ]
        return [*by_app(self._login, asked_by_app), Check("registration", number)]

    async def _number(self, number_id: str, token: str, fields: str) -> dict[str, Any]:
        return await self._login.graph.call("GET", node(number_id), token=token, params={"fields": fields})

    async def revoke(self, account: AccountRef, credentials: Credentials) -> None:
        """Give the business's consent back."""
        await self._login.revoke(credentials.access_token)

    async def _numbers(self, token: str, waba: str) -> list[Candidate]:
        """List a WABA's numbers; none if the token does not reach it."""
        try:
            return [
                _candidate(number_id, waba, number)
                async for number in self._login.each(f"{node(waba)}/phone_numbers", token, _FIELDS)
                if (number_id := lenient.identifier(number.get("id")))
            ]
        except ProviderError as error:
            if error.error_class is ErrorClass.PERMANENT:
                return []
            raise

    async def _subscribe(self, waba: str, token: str) -> None:
        await self._login.graph.call("POST", f"{node(waba)}/subscribed_apps", token=token)

    async def _register(self, number_id: str, token: str, pin: str) -> None:
        """Register a number, which sets its PIN, or asks for the one that it has. Source: protocol reference 5.3."""
        body = {"messaging_product": "whatsapp", "pin": pin}
        try:
            await self._login.graph.call("POST", f"{node(number_id)}/register", token=token, json=body)
        except ProviderError as error:
            if (error.code or "").split("/")[0] in _PIN_CODES:
                raise PinRequired("the number has a PIN (two-step verification): connect again and give it") from None
            raise

    async def _prolong(self, credentials: Credentials, ends_at: datetime) -> Credentials:
        """Take a later token if there is one. A refusal leaves the present one, which holds until it ends."""
        try:
            token = await self._login.prolong(credentials.access_token)
            facts = await self._login.inspect(token)
        except ProviderError as error:
            if error.error_class in (ErrorClass.WAIT, ErrorClass.RETRY):
                raise
            return credentials
        later = facts.valid and (facts.expires_at is None or facts.expires_at > ends_at)
        return msgspec.structs.replace(credentials, access_token=token) if later else credentials


def _wabas(grant: Grant) -> list[str]:
    """The WABAs that a token is limited to; for both permissions, if it names any for both."""
    named = [set(grant.reaches[scope]) for scope in SCOPES if scope in grant.reaches]
    return sorted(set.intersection(*named)) if named else []


def _named(waba: Any) -> list[str]:
    found = lenient.identifier(waba)
    return [found] if found else []


def _waba_of(account: AccountRef) -> str:
    return str(account.metadata.get("wabaId") or "")


def _candidate(number_id: str, waba: str, number: dict[str, Any]) -> Candidate:
    """A number that also lives in the WhatsApp Business app, or is registered already, must not be registered."""
    described = _described(number)
    registered = described["coexistence"] or described["platformType"] == _REGISTERED
    return Candidate(
        external_account_id=number_id,
        display_name=_name(number),
        metadata={"login": FACEBOOK, "wabaId": waba, **described},
        subscription=f"waba:{waba}",
        needs_pin=not registered,
    )


def _name(number: Mapping[str, Any]) -> str | None:
    verified = lenient.optional_string(number.get("verified_name"))
    return verified or lenient.optional_string(number.get("display_phone_number"))


def _described(number: Mapping[str, Any]) -> dict[str, Any]:
    """A number's fields under the names that webhooks about it use too (account_fields.py)."""
    texts = {
        "displayPhoneNumber": "display_phone_number",
        "verifiedName": "verified_name",
        "qualityRating": "quality_rating",
        "nameStatus": "name_status",
        "platformType": "platform_type",
        "codeVerificationStatus": "code_verification_status",
        "messagingLimit": "whatsapp_business_manager_messaging_limit",
    }
    throughput = lenient.mapping(number.get("throughput"))
    return {
        **{ours: lenient.optional_string(number.get(theirs)) for ours, theirs in texts.items()},
        "throughput": lenient.optional_string(throughput.get("level")),
        "coexistence": number.get("is_on_biz_app") is True,
    }
