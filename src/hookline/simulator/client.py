"""Control from Python: one method a need, over HTTP, for tests of any kind. Blocking, and safe beside any event loop.

In a test that is a coroutine itself and answers webhooks in its own loop, call `settle` in a thread
(`await asyncio.to_thread(simulator.settle)`); everything else answers at once.
"""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_SECONDS = 60.0


class ControlError(Exception):
    """What was asked of the simulator cannot be done; says why."""


class SimulatorClient:
    """A running simulator. Particulars are written in Python's way (`reply_to=…` is `replyTo`)."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80

    # -- people and platforms

    def act(self, account: str, contact: str, do: str, **particulars: Any) -> dict[str, Any]:
        """Have a contact do something to an account (a phone number's, page's or Instagram account's id)."""
        return self._object("POST", "act", {"account": account, "contact": contact, "do": do, **_camel(particulars)})

    def happen(self, what: str, **particulars: Any) -> dict[str, Any]:
        """Have the platform do something by itself."""
        return self._object("POST", "happen", {"what": what, **_camel(particulars)})

    def raw_webhook(self, **particulars: Any) -> dict[str, Any]:
        """Send a webhook of exactly this `text`, or a valid one of so many `bytes`."""
        return self._object("POST", "raw-webhook", _camel(particulars))

    # -- connecting

    def subscribe(self, callback_base: str, **particulars: Any) -> dict[str, Any]:
        """Subscribe the app to everything, told at `{callback_base}/whatsapp`, `/facebook`, `/instagram`."""
        return self._object("POST", "subscribe", {"callbackBase": callback_base, **_camel(particulars)})

    def connect(self, account: str, **particulars: Any) -> dict[str, Any]:
        """Connect an account at once; its `accessToken` is in the answer."""
        return self._object("POST", "connect", {"account": account, **_camel(particulars)})

    def consent(self, url: str, decision: str = "allow", **chosen: Any) -> str:
        """Answer a consent dialog; where the browser is sent then."""
        answer = self._object("POST", "consent", {"url": url, "decision": decision, **_camel(chosen)})
        return str(answer["redirect"])

    def embedded_signup(self, **particulars: Any) -> dict[str, Any]:
        """Sign a WhatsApp account up as the SDK does: the `code`, and the window's `message`."""
        return self._object("POST", "embedded-signup", _camel(particulars))

    def revoke(self, **particulars: Any) -> int:
        """End tokens: of one `token`, `account` or `user`, for a `cause`; how many that were."""
        return int(self._object("POST", "tokens/revoke", _camel(particulars))["tokens"])

    def remove_app(self, **whose: Any) -> dict[str, Any]:
        """Have a `user`, or the owner of an Instagram `account`, remove the app."""
        return self._object("POST", "remove-app", _camel(whose))

    def request_deletion(self, **whose: Any) -> dict[str, Any]:
        """Have a `user`, or the owner of an Instagram `account`, ask that their data be deleted."""
        return self._object("POST", "request-deletion", _camel(whose))

    # -- the world

    def world(self) -> dict[str, Any]:
        """All accounts and people."""
        return self._object("GET", "world")

    def add(self, collection: str, **fields: Any) -> dict[str, Any]:
        """Add a record; what is not given is filled in."""
        return self._object("POST", f"world/{collection}", _camel(fields))

    def change(self, collection: str, record_id: str, **fields: Any) -> dict[str, Any]:
        """Change some fields of a record."""
        return self._object("PATCH", f"world/{collection}/{quote(record_id)}", _camel(fields))

    def remove(self, collection: str, record_id: str) -> None:
        """Take a record out of the world."""
        self._ask("DELETE", f"world/{collection}/{quote(record_id)}")

    def upload(self, account: str, content: bytes, mime_type: str, filename: str = "") -> str:
        """Upload a file for acts to send; its media id."""
        query = urlencode({"account": account, "filename": filename})
        return str(self._ask("POST", f"media?{query}", content=content, content_type=mime_type)["mediaId"])

    # -- what goes wrong, and when

    def fault(self, effect: str, **particulars: Any) -> str:
        """Put a fault in force; its id."""
        return str(self._object("POST", "faults", {"effect": effect, **_camel(particulars)})["id"])

    def clear_faults(self) -> None:
        """End all faults."""
        self._ask("DELETE", "faults")

    def switch(self, group: str, **values: Any) -> dict[str, Any]:
        """Set switches of a group: behaviour, budgets, conduct, rates, webhooks."""
        return self._object("PATCH", f"switches/{group}", _camel(values))

    def move_clock(self, seconds: float) -> None:
        """Move the world's clock."""
        self._ask("POST", "clock", {"seconds": seconds})

    def settle(self, seconds: float = 10.0) -> bool:
        """Let everything happen, and wait until its webhooks are delivered; whether they were in time."""
        return bool(self._object("POST", "settle", {"seconds": seconds})["settled"])

    def reset(self, seed: int = 1) -> None:
        """Begin anew."""
        self._ask("POST", "reset", {"seed": seed})

    # -- what happened

    def counters(self) -> dict[str, Any]:
        """Calls, refusals, calls over a limit, sends."""
        return self._object("GET", "counters")

    def reset_counters(self) -> None:
        """Count anew."""
        self._ask("DELETE", "counters")

    def deliveries(self, **narrowed: Any) -> list[dict[str, Any]]:
        """The newest webhooks with their attempts."""
        found: list[dict[str, Any]] = self._ask("GET", f"deliveries?{urlencode(_camel(narrowed))}")
        return found

    def messages(self, **narrowed: Any) -> list[dict[str, Any]]:
        """The newest messages, oldest first."""
        found: list[dict[str, Any]] = self._ask("GET", f"messages?{urlencode(_camel(narrowed))}")
        return found

    def tokens(self, **narrowed: Any) -> list[dict[str, Any]]:
        """All tokens, or those of an `account` or a `user`."""
        found: list[dict[str, Any]] = self._ask("GET", f"tokens?{urlencode(_camel(narrowed))}")
        return found

    # -- inside

    def _object(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self._ask(method, path, body)
        return found

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        content: bytes | None = None,
        content_type: str = "application/json",
    ) -> Any:
        if body is not None:
            content = json.dumps(body).encode()
        headers = {"Content-Type": content_type} if content is not None else {}
        connection = HTTPConnection(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request(method, f"/control/{path}", body=content, headers=headers)
            answer = connection.getresponse()
            found = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status >= 300:
            raise ControlError(f"{method} /control/{path}: {found.get('error', answer.status)}")
        return found


def _camel(particulars: dict[str, Any]) -> dict[str, Any]:
    return {_camel_name(name): value for name, value in particulars.items()}


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(piece.capitalize() for piece in rest)
