"""What the vendor's platforms have in common when an account's health is looked at: token, subscription, callback.

Source: protocol reference 1.5, 5.1.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from hookline.domain.health import Finding, Severity, ok, problem, warning
from hookline.domain.provider_error import ProviderError
from hookline.providers.health import Check, callback_finding, platform_clock
from hookline.providers.meta.oauth import AppSubscription, MetaLogin, TokenFacts

EXPIRY_NEAR: Final = timedelta(days=7)
DATA_ACCESS_NEAR: Final = timedelta(days=14)
_CONNECT_AGAIN: Final = "Connect the account again."
_SYNCHRONIZE: Final = "Synchronize the account (POST /api/integrations/{accountId}/sync): that subscribes it again."
# The field without which nothing that people write arrives.
_MESSAGES: Final = "messages"
_OTHER_APP: Final = (
    "Set HOOKLINE_META_APP_ID to the app that the accounts were connected with, or connect the account again."
)
# How debug_token answers when an app asks about another app's token.
_NOT_OF_THIS_APP: Final = "100"
_SET_APP: Final = "Set HOOKLINE_META_APP_ID and HOOKLINE_META_APP_SECRETS to the Meta app's."


def by_app(login: MetaLogin, checks: Sequence[Check]) -> Sequence[Check]:
    """Give checks that ask in an app's name, or about its part; where no app is set, one that says so."""
    if login.configured:
        return checks

    async def tell() -> list[Finding]:
        found = "what only an app is told (about token, subscription, callback) cannot be looked at: no app is set here"
        return [warning("app", found, _SET_APP)]

    return [Check("app", tell)]


def token_check(login: MetaLogin, token: str, wanted: Sequence[str], required: Sequence[str]) -> Check:
    """Ask what a token is, and by the reply what time it is there."""

    async def ask() -> list[Finding]:
        dates: list[str | None] = []
        try:
            facts = await login.inspect(token, on_headers=lambda headers: dates.append(headers.get("Date")))
        except ProviderError as refusal:
            if refusal.code != _NOT_OF_THIS_APP:
                raise
            return [problem("token", f"the access token is not of our app, {login.app_id} ({refusal})", _OTHER_APP)]
        return [*_token_findings(facts, login.app_id, wanted, required), platform_clock(dates[-1])]

    return Check("token", ask)


def _token_findings(facts: TokenFacts, app_id: str, wanted: Sequence[str], required: Sequence[str]) -> list[Finding]:
    if not facts.valid:
        said = facts.error_text or "no reason is given"
        return [problem("token", f"the platform says that the access token is not valid: {said}", _CONNECT_AGAIN)]
    if facts.app_id != app_id:
        found = f"the access token was given to another app ({facts.app_id}), not to {app_id}"
        return [problem("token", found, _OTHER_APP)]
    return [
        ok("token", f"the platform takes the access token (of type {facts.kind or 'unknown'}), which is our app's"),
        permissions(facts.scopes, wanted, required),
        expiry(facts.expires_at),
        data_access(facts.data_access_expires_at),
    ]


def permissions(granted: Sequence[str], wanted: Sequence[str], required: Sequence[str]) -> Finding:
    """Hold the permissions of a token against those that the provider asks for."""
    missing = [scope for scope in dict.fromkeys([*required, *wanted]) if scope not in granted]
    if not missing:
        return ok("permissions", f"all are granted: {', '.join(wanted)}")
    found, mend = f"missing: {', '.join(missing)}", "Connect the account again, and leave these permissions ticked."
    needed = any(scope in required for scope in missing)
    return Finding("permissions", Severity.PROBLEM if needed else Severity.WARNING, found, mend)


def expiry(ends_at: datetime | None) -> Finding:
    """Say how long a token lives."""
    if ends_at is None:
        return ok("token-expiry", "the access token has no end of its own")
    if ends_at <= datetime.now(UTC):
        return problem("token-expiry", f"the access token ended at {_moment(ends_at)}", _CONNECT_AGAIN)
    if ends_at <= datetime.now(UTC) + EXPIRY_NEAR:
        found = f"the access token ends at {_moment(ends_at)}, and has not been renewed yet"
        return warning("token-expiry", found, "See the jobs of type REFRESH_TOKEN, or connect the account again.")
    return ok("token-expiry", f"the access token ends at {_moment(ends_at)}; from twenty days before it is renewed")


def data_access(ends_at: datetime | None) -> Finding:
    """Say until when the person's consent lets us read data."""
    if ends_at is None:
        return ok("data-access", "access to data has no end that the platform names")
    found = f"access to data ends at {_moment(ends_at)}"
    if ends_at <= datetime.now(UTC):
        return problem("data-access", f"access to data ended at {_moment(ends_at)}", _CONNECT_AGAIN)
    if ends_at <= datetime.now(UTC) + DATA_ACCESS_NEAR:
        return warning("data-access", found, "Let the person connect the account again before that.")
    return ok("data-access", found)


def subscription(where: str, fields: Sequence[str] | None, needed: Sequence[str]) -> Finding:
    """Hold an account's own subscription against what we need of it; `fields` None: there is none."""
    if fields is None:
        return problem("subscription", f"our app is not subscribed to {where}: nothing comes in", _SYNCHRONIZE)
    missing = [field for field in needed if field not in fields]
    if missing:
        found = f"our app is subscribed to {where}, but not to {', '.join(missing)}"
        return _by_field("subscription", missing, found, _SYNCHRONIZE)
    return ok("subscription", f"our app is subscribed to {where}")


def app_check(login: MetaLogin, object_name: str, title: str, needed: Sequence[str], callback_url: str | None) -> Check:
    """Ask what the app itself is subscribed to, and where it is told."""

    async def ask() -> list[Finding]:
        return app_findings(await login.app_subscriptions(), object_name, title, needed, callback_url)

    return Check("app-subscription", ask)


def app_findings(
    subscriptions: Mapping[str, AppSubscription],
    object_name: str,
    title: str,
    needed: Sequence[str],
    callback_url: str | None,
) -> list[Finding]:
    """Hold the app's subscription to an object (`title` is its name in the dashboard) against what we need."""
    ours = callback_url or "https://<your host>/api/webhooks/…"
    place = f"At the developers' site, under Webhooks → {title},"
    found = subscriptions.get(object_name)
    if found is None or not found.active:
        mend = f"{place} set the callback URL {ours}, the verify token, and the fields {', '.join(needed)}."
        return [problem("app-subscription", f"the app is not subscribed to {title}: nothing comes in", mend)]
    missing = [field for field in needed if field not in found.fields]
    fields = ok("app-subscription", f"the app is subscribed to all fields of {title}")
    if missing:
        said = f"the app is not subscribed to these fields of {title}: {', '.join(missing)}"
        fields = _by_field("app-subscription", missing, said, f"{place} subscribe to them.")
    mend = f"{place} set the callback URL to {ours}."
    return [fields, callback_finding("callback-app", "the app's callback", found.callback_url, callback_url, mend)]


def _by_field(name: str, missing: Sequence[str], found: str, mend: str) -> Finding:
    return Finding(name, Severity.PROBLEM if _MESSAGES in missing else Severity.WARNING, found, mend)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
