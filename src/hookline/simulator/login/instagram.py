"""Instagram Login's dialog: a professional account allows an app by itself, without a page. Source: reference 5.2."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hookline.simulator import grants
from hookline.simulator.grants import Consent
from hookline.simulator.html import page
from hookline.simulator.http import Reply, text_reply
from hookline.simulator.login.asking import (
    Asking,
    Misasked,
    checked_redirect,
    checked_response_type,
    checked_scopes,
    send,
    way_back,
)
from hookline.simulator.login.choices import scope_group
from hookline.simulator.records import InstagramAccount, TokenKind
from hookline.simulator.scopes import INSTAGRAM_SCOPES
from hookline.simulator.simulator import Simulator

PREFIX = "instagram"
PERSONAL = "PERSONAL"
_BASIC = "instagram_business_basic"
_FRAGMENT = "#_"
_PERSON = "account"


class InstagramDialog:
    """Answers `/oauth/authorize`."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def answer(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        if path.rstrip("/") != "oauth/authorize":
            return text_reply("There is no such page.\n", 404)
        query = dict(request.query)
        self._sim.counters.calls[f"{request.method} {PREFIX} oauth/authorize"] += 1
        try:
            asking = self._read(query)
            account = self._account(query)
            if request.method == "POST":
                return self._decide(asking, account, await request.post())
            return self._show(asking, account, request.path, query)
        except Misasked as wrong:
            return page("refused.html", 400, title=wrong.title, reason=wrong.reason, place=PREFIX)

    def _read(self, query: Mapping[str, str]) -> Asking:
        client_id = query.get("client_id", "")
        app = self._sim.world.app_of_client(client_id)
        if app is None or app.instagram_id != client_id:
            raise Misasked("Invalid platform app", "The client_id is not the Instagram app id of an app.")
        redirect_uri = checked_redirect(app, query.get("redirect_uri", ""))
        checked_response_type(query)
        scopes = checked_scopes(query.get("scope", ""), INSTAGRAM_SCOPES)
        if _BASIC not in scopes:
            raise Misasked("Invalid scopes", f"The permission {_BASIC} must be asked for.")
        return Asking(app, redirect_uri, query.get("state", ""), scopes)

    def _accounts(self) -> list[InstagramAccount]:
        return list(self._sim.world.records.instagram_accounts.values())

    def _account(self, query: Mapping[str, str]) -> InstagramAccount:
        accounts = self._sim.world.records.instagram_accounts
        account = accounts.get(query.get(_PERSON, "")) or next(iter(accounts.values()), None)
        if account is None:
            raise Misasked("Nobody is logged in", "The simulated world has no Instagram account.")
        return account

    def _show(self, asking: Asking, account: InstagramAccount, path: str, query: dict[str, str]) -> Reply:
        return page(
            "dialog.html",
            place=PREFIX,
            heading=f"{asking.app.name} would like to access your Instagram account",
            person={"name": f"@{account.username}"},
            others=[
                {"name": f"@{other.username}", "url": f"{path}?{urlencode({**query, _PERSON: other.id})}"}
                for other in self._accounts()
                if other.id != account.id
            ],
            action=f"{path}?{urlencode({**query, _PERSON: account.id})}",
            groups=[scope_group(asking.scopes, INSTAGRAM_SCOPES)],
            offered=account.account_type != PERSONAL,
            nothing="This is a personal account. Only a professional account can be connected.",
            allow="Allow",
            deny="Cancel",
            back_to=asking.redirect_uri,
        )

    def answer_for(
        self, query: Mapping[str, str], account_id: str, chosen: Mapping[str, Sequence[str] | None], *, allow: bool
    ) -> str:
        """Decide as an account's owner would who ticks `chosen`; where the browser is sent then.

        Raises: Misasked.
        """
        asking = self._read(query)
        account = self._account({_PERSON: account_id} if account_id else query)
        ticked = chosen.get("scope")
        return self._outcome(asking, account, asking.scopes if ticked is None else ticked, allow=allow)

    def _decide(self, asking: Asking, account: InstagramAccount, form: Any) -> Reply:
        allow = form.get("decision") == "allow"
        return send(self._outcome(asking, account, form.getall("scope", []), allow=allow))

    def _outcome(self, asking: Asking, account: InstagramAccount, ticked: Sequence[str], *, allow: bool) -> str:
        if not allow or account.account_type == PERSONAL:
            refused = {
                "error": "access_denied",
                "error_reason": "user_denied",
                "error_description": "The user denied your request.",
            }
            return way_back(asking, refused)
        consent = Consent(user_id=account.id, scopes=[scope for scope in asking.scopes if scope in ticked])
        code = grants.give_code(
            self._sim, asking.app, consent, kind=TokenKind.INSTAGRAM, redirect_uri=asking.redirect_uri
        )
        return way_back(asking, {"code": code.value}, _FRAGMENT)
