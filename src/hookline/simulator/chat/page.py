"""The page at `/`, and what it asks for below `/chat`: fragments, acts, files, and news as server-sent events."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from hookline.simulator import html
from hookline.simulator.chat.formatting import formatted
from hookline.simulator.chat.links import Files
from hookline.simulator.chat.news import stream
from hookline.simulator.chat.view import Account, View
from hookline.simulator.control.acting import Unfit
from hookline.simulator.control.perform import perform
from hookline.simulator.files import keep, read_up_to
from hookline.simulator.http import Reply, json_reply, text_reply
from hookline.simulator.records import Contact
from hookline.simulator.simulator import Simulator

PREFIX = "chat"
HOME = ""
_LARGEST_FILE = 16 * 1024 * 1024
_REACTIONS = ("👍", "❤️", "😆", "😮", "😢", "🙏")
_JSON = "application/json"

Answer = Callable[[web.BaseRequest], Awaitable[Reply]]


class Chat:
    """Answers `/` and what stands below `/chat`."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._files = Files(sim)
        self._view = View(sim, self._files)
        self._answers: dict[tuple[str, str], Answer] = {
            ("GET", "thread"): self._thread,
            ("GET", "people"): self._people,
            ("GET", "news"): self._news,
            ("GET", "file"): self._files.answer_file,
            ("GET", "link"): self._files.answer_link,
            ("POST", "act"): self._act,
            ("POST", "upload"): self._upload,
            ("POST", "person"): self._add_person,
        }

    async def home(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer the page itself."""
        if path or request.method not in ("GET", "HEAD"):
            return text_reply("There is nothing here.\n", 404)
        accounts = self._view.accounts()
        account = self._view.account(request.query.get("account", "")) or (accounts[0] if accounts else None)
        contact = self._contact(request)
        return html.page(
            "chat.html",
            policy=html.WITH_SCRIPT,
            accounts=accounts,
            account=account,
            people=self._view.people(account) if account is not None else [],
            conversation=self._view.conversation(account, contact) if account is not None and contact else None,
            reactions=_REACTIONS,
            **_FILTERS,
        )

    async def answer(self, request: web.BaseRequest, path: str) -> Reply:
        """Answer what the page asks for."""
        found = self._answers.get((request.method, path))
        if found is None:
            return text_reply("There is nothing here.\n", 404)
        if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return text_reply("Only the page itself may ask for this.\n", 403)
        try:
            return await found(request)
        except Unfit as unfit:
            return json_reply({"error": str(unfit)}, 422)

    # -- fragments

    async def _thread(self, request: web.BaseRequest) -> Reply:
        account, contact = self._sides(request)
        conversation = self._view.conversation(account, contact)
        return html.page("thread.html", conversation=conversation, reactions=_REACTIONS, **_FILTERS)

    async def _people(self, request: web.BaseRequest) -> Reply:
        account = self._view.account(request.query.get("account", ""))
        if account is None:
            raise Unfit("account: there is no such account")
        people = self._view.people(account)
        return html.page("people.html", account=account, people=people, contact=self._contact(request), **_FILTERS)

    async def _news(self, request: web.BaseRequest) -> Reply:
        account, contact = self._sides(request)
        return await stream(self._sim, request, account.id, contact)

    # -- acts

    async def _act(self, request: web.BaseRequest) -> Reply:
        body = await _read(request)
        what = body.pop("do", "")
        account_id, contact_id = str(body.pop("account", "")), str(body.pop("contact", ""))
        came = perform(self._sim, account_id, contact_id, str(what), body)
        self._sim.threads.changed(self._sim.threads.of(account_id, contact_id))
        return json_reply(came)

    async def _upload(self, request: web.BaseRequest) -> Reply:
        account, _ = self._sides(request)
        content = await read_up_to(request.content, _LARGEST_FILE)
        if not 0 < len(content) <= _LARGEST_FILE:
            raise Unfit(f"a file has 1 byte to {_LARGEST_FILE // 1024 // 1024} MB here")
        media = keep(
            self._sim.world,
            self._sim.files,
            account.id,
            content,
            request.content_type,
            filename=request.query.get("filename", ""),
            days=self._sim.conduct.upload_days,
        )
        return json_reply({"mediaId": media.id, "do": _act_for(account, media.mime_type)})

    async def _add_person(self, request: web.BaseRequest) -> Reply:
        body = await _read(request)
        name = str(body.get("name", "")).strip()
        digits = "".join(sign for sign in str(body.get("number", "")) if sign.isdecimal())
        if not name or not 0 < len(name) <= 60:
            raise Unfit("a name has 1 to 60 signs")
        if digits and (not 7 <= len(digits) <= 15 or self._sim.world.contact_of_phone(digits) is not None):
            raise Unfit("a number has 7 to 15 digits, and nobody has it yet")
        first, _, last = name.partition(" ")
        contact = Contact(
            id=self._sim.world.ids.digits("contact", 12),
            first_name=first,
            last_name=last,
            username="".join(sign for sign in name.lower() if sign.isalnum())[:30],
            wa_id=digits,
        )
        self._sim.world.add_contact(contact)
        return json_reply({"contact": contact.id})

    # -- reading

    def _contact(self, request: web.BaseRequest) -> Contact | None:
        return self._sim.world.records.contacts.get(request.query.get("contact", ""))

    def _sides(self, request: web.BaseRequest) -> tuple[Account, Contact]:
        account, contact = self._view.account(request.query.get("account", "")), self._contact(request)
        if account is None or contact is None:
            raise Unfit("account and contact: there are no such")
        return account, contact


def _act_for(account: Account, mime_type: str) -> str:
    """What a file is sent as."""
    kind = mime_type.partition("/")[0]
    if kind in ("image", "video", "audio") and "svg" not in mime_type:
        return kind
    return "document" if account.platform == "whatsapp" else "file"


async def _read(request: web.BaseRequest) -> dict[str, Any]:
    """Read a JSON object; a page of another origin cannot send one unasked.

    Raises: Unfit.
    """
    if request.content_type != _JSON:
        raise Unfit(f"the Content-Type must be {_JSON}")
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Unfit(f"the body must be a JSON object: {error}") from None


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%H:%M}"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%A, %d %B %Y}"


def _initials(name: str) -> str:
    pieces = [piece for piece in name.replace("+", "").split() if piece]
    return "".join(piece[0] for piece in pieces[:2]).upper() or "?"


def _hue(name: str) -> int:
    return sum(name.encode()) % 8


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_FILTERS: dict[str, Any] = {
    "clock": _clock,
    "day": _day,
    "initials": _initials,
    "hue": _hue,
    "json": _json,
    "formatted": formatted,
}
