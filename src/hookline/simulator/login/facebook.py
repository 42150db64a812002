"""Facebook Login's dialog, and Embedded Signup by redirect, which is the same dialog for WhatsApp accounts.

Source: protocol reference 5.1.1, 5.1.2, 5.3.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from hookline.simulator import grants
from hookline.simulator.default import WHATSAPP_SCOPES
from hookline.simulator.grants import BASIC_SCOPE, Consent
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
from hookline.simulator.login.choices import Choice, Group, scope_group
from hookline.simulator.records import InstagramAccount, Page, TokenKind, User, Waba
from hookline.simulator.scopes import FACEBOOK_SCOPES
from hookline.simulator.simulator import Simulator

PREFIX = "facebook"
_PATH = re.compile(r"^(v\d{1,2}\.\d/)?dialog/oauth/?$")
_FRAGMENT = "#_=_"
# Which of the dialog's own pieces of the query is no part of what the app asks.
_PERSON = "person"
_CHOSEN = ("scope", "page", "instagram", "waba")


class FacebookDialog:
    """Answers `/dialog/oauth`: GET shows it, POST is the person's decision."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def answer(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer a request."""
        if not _PATH.match(path):
            return text_reply("There is no such page.\n", 404)
        query = dict(request.query)
        self._sim.counters.calls[f"{request.method} {PREFIX} dialog/oauth"] += 1
        try:
            asking = self._read(query)
            person = self._person(query)
            if request.method == "POST":
                return self._decide(asking, person, await request.post())
            return self._show(asking, person, request.path, query)
        except Misasked as wrong:
            return page("refused.html", 400, title=wrong.title, reason=wrong.reason, place=PREFIX)

    # -- reading

    def _read(self, query: Mapping[str, str]) -> Asking:
        app = self._sim.world.records.apps.get(query.get("client_id", ""))
        if app is None:
            raise Misasked("Invalid App ID", "The provided app ID does not look like a valid app ID.")
        redirect_uri = checked_redirect(app, query.get("redirect_uri", ""))
        checked_response_type(query)
        scopes = checked_scopes(query.get("scope", ""), FACEBOOK_SCOPES)
        config_id = query.get("config_id", "")
        config = app.configs.get(config_id)
        signup = "extras" in query or bool(config and config.embedded_signup)
        if config is not None:
            scopes = tuple(dict.fromkeys([*config.scopes, *scopes]))
        elif config_id and not signup and not scopes:
            raise Misasked("Invalid configuration", "The app has no Login configuration of this config_id.")
        if signup or any(scope in WHATSAPP_SCOPES for scope in scopes):
            signup, scopes = True, tuple(dict.fromkeys([*WHATSAPP_SCOPES, *scopes]))
        return Asking(app, redirect_uri, query.get("state", ""), scopes, config, signup)

    def _person(self, query: Mapping[str, str]) -> User:
        users = self._sim.world.records.users
        person = users.get(query.get(_PERSON, "")) or next(iter(users.values()), None)
        if person is None:
            raise Misasked("Nobody is logged in", "The simulated world has no user.")
        return person

    # -- showing

    def _show(self, asking: Asking, person: User, path: str, query: dict[str, str]) -> Reply:
        groups = self._groups(asking, person)
        users = self._sim.world.records.users.values()
        place = "whatsapp" if asking.signup else PREFIX
        return page(
            "dialog.html",
            place=place,
            heading=f"Connect your WhatsApp account to {asking.app.name}"
            if asking.signup
            else f"{asking.app.name} would like to access your Facebook Pages",
            person=person,
            others=[
                {"name": user.name, "url": f"{path}?{urlencode({**query, _PERSON: user.id})}"}
                for user in users
                if user.id != person.id
            ],
            action=f"{path}?{urlencode({**query, _PERSON: person.id})}",
            groups=groups,
            offered=not asking.signup or bool(groups[0].choices),
            nothing="You manage no WhatsApp account.",
            allow="Allow",
            deny="Deny",
            back_to=asking.redirect_uri,
        )

    def _groups(self, asking: Asking, person: User) -> list[Group]:
        scopes = scope_group([scope for scope in asking.scopes if scope != BASIC_SCOPE], FACEBOOK_SCOPES)
        if asking.signup:
            return [self._wabas(person), scopes]
        groups = [
            Group("Pages that the app may use", "checkbox", "page", [_page_choice(one) for one in self._pages(person)])
        ]
        if any(scope.startswith("instagram_") for scope in asking.scopes):
            choices = [_account_choice(account) for account in self._linked(self._pages(person))]
            groups.append(Group("Instagram accounts that the app may use", "checkbox", "instagram", choices))
        return [*groups, scopes]

    def _wabas(self, person: User) -> Group:
        choices: list[Choice] = []
        for waba in self._sim.world.records.wabas.values():
            if person.id in waba.admins:
                numbers = ", ".join(phone.display for phone in self._sim.world.phone_numbers_of(waba.id))
                choices.append(Choice(waba.id, waba.name, numbers, checked=not choices))
        return Group("WhatsApp Business account", "radio", "waba", choices)

    def _pages(self, person: User) -> list[Page]:
        return [one for one in self._sim.world.records.pages.values() if person.id in one.roles]

    def _linked(self, pages: Sequence[Page]) -> list[InstagramAccount]:
        found = (self._sim.world.instagram_of_page(one) for one in pages)
        return [account for account in found if account is not None]

    # -- deciding

    def answer_for(
        self, query: Mapping[str, str], person_id: str, chosen: Mapping[str, Sequence[str] | None], *, allow: bool
    ) -> str:
        """Decide as somebody would who ticks `chosen` (None: leaves all ticked); where the browser is sent then.

        Raises: Misasked.
        """
        asking = self._read(query)
        person = self._person({_PERSON: person_id} if person_id else query)
        offered = {group.name: [choice.value for choice in group.choices] for group in self._groups(asking, person)}
        ticked = {name: chosen.get(name) or [] for name in _CHOSEN}
        for name, values in offered.items():
            given = chosen.get(name)
            ticked[name] = values if given is None else given
        return self._outcome(asking, person, ticked, allow=allow)

    def _decide(self, asking: Asking, person: User, form: Any) -> Reply:
        chosen = {name: form.getall(name, []) for name in _CHOSEN}
        return send(self._outcome(asking, person, chosen, allow=form.get("decision") == "allow"))

    def _outcome(self, asking: Asking, person: User, chosen: Mapping[str, Sequence[str]], *, allow: bool) -> str:
        fragment = _FRAGMENT if self._sim.behaviour.facebook_fragment else ""
        if not allow:
            refused = {
                "error": "access_denied",
                "error_code": "200",
                "error_description": "Permissions error",
                "error_reason": "user_denied",
            }
            return way_back(asking, refused, fragment)
        code = grants.give_code(
            self._sim,
            asking.app,
            self.consent(asking, person, chosen),
            kind=TokenKind.SYSTEM_USER if asking.signup else TokenKind.USER,
            redirect_uri=asking.redirect_uri,
            token_seconds=asking.config.token_seconds if asking.config is not None else 0,
        )
        return way_back(asking, {"code": code.value}, fragment)

    def consent(self, asking: Asking, person: User, chosen: Mapping[str, Sequence[str]]) -> Consent:
        """What somebody has allowed: of what was asked for, and of what is theirs."""
        scopes = [scope for scope in asking.scopes if scope in chosen["scope"]]
        pages = [one for one in self._pages(person) if one.id in chosen["page"]]
        accounts = [one for one in self._linked(self._pages(person)) if one.id in chosen["instagram"]]
        wabas = [one for one in self._sim.world.records.wabas.values() if one.id in chosen["waba"]]
        wabas = [one for one in wabas if person.id in one.admins]
        return Consent(
            user_id=person.id,
            scopes=scopes if asking.signup else [BASIC_SCOPE, *scopes],
            granular={scope: _targets(scope, pages, accounts, wabas) for scope in scopes},
        )


def _targets(
    scope: str, pages: Sequence[Page], accounts: Sequence[InstagramAccount], wabas: Sequence[Waba]
) -> list[str]:
    """What a scope was granted for (reference 5.1.5, 5.3)."""
    if scope.startswith("pages_"):
        return [one.id for one in pages]
    if scope.startswith("instagram_"):
        return [one.id for one in accounts]
    if scope.startswith("whatsapp_"):
        return [one.id for one in wabas]
    return sorted({one.business_id for one in pages} | {one.business_id for one in wabas})


def _page_choice(one: Page) -> Choice:
    return Choice(one.id, one.name, one.category, checked=True)


def _account_choice(account: InstagramAccount) -> Choice:
    return Choice(account.id, f"@{account.username}", account.name, checked=True)
