"""One webhook: how its body is put together, and what is remembered of its delivery. Source: protocol reference 1.3."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hookline.simulator.signing import Escaping
from hookline.simulator.subscriptions import Notice

# What the log shows: the bodies of those that are not huge.
BODY_KEPT_BYTES = 64 * 1024


class Manner(msgspec.Struct, kw_only=True, rename="camel"):
    """How webhooks are delivered; control can change it.

    batch, batch_seconds: up to so many notices in a POST, gathered for so long. copies: how often each POST is sent.
    shuffle: what is gathered leaves in another order. delay_seconds: before each POST. held: nothing leaves.
    wrong_signature: signed with another secret. retry_factor: retries come so many times faster.
    timeout_seconds: how long an answer is waited for.
    """

    batch: int = 1
    batch_seconds: float = 0.05
    copies: int = 1
    shuffle: bool = False
    delay_seconds: float = 0.0
    held: bool = False
    wrong_signature: bool = False
    escaping: Escaping = Escaping.STANDARD
    retry_factor: float = 1.0
    timeout_seconds: float = 10.0


class Attempt(msgspec.Struct, frozen=True):
    """One POST and its answer; status 0: there was none, `error` says why."""

    at: float
    status: int
    seconds: float
    error: str = ""


class Delivery(msgspec.Struct, kw_only=True):
    """One POST to an app, with all its attempts. state: waiting, delivered, dropped, or unsubscribed (never sent)."""

    id: int
    app_id: str
    object: str
    entry_ids: list[str]
    fields: list[str]
    url: str
    secret: str
    body: bytes
    size: int
    lane: str
    made_at: float
    state: str = "waiting"
    attempts: list[Attempt] = []

    def report(self) -> dict[str, Any]:
        """As control shows it."""
        shown = self.body.decode("utf-8", "replace") if self.size <= BODY_KEPT_BYTES else None
        return {
            "id": self.id,
            "appId": self.app_id,
            "object": self.object,
            "entryIds": self.entry_ids,
            "fields": self.fields,
            "url": self.url,
            "bytes": self.size,
            "body": shown,
            "state": self.state,
            "attempts": msgspec.to_builtins(self.attempts),
        }


def envelope(object_name: str, notices: Sequence[Notice]) -> dict[str, Any]:
    """The body of one POST; notices of one account that follow each other share an entry. Source: 1.3."""
    entries: list[dict[str, Any]] = []
    for notice in notices:
        last = entries[-1] if entries else None
        if last is None or notice.slot == "entry" or notice.slot not in last or last["id"] != notice.entry_id:
            last = {"id": notice.entry_id}
            if notice.time is not None:
                last["time"] = notice.time
            entries.append(last)
        _add(last, notice)
    return {"object": object_name, "entry": entries}


def _add(entry: dict[str, Any], notice: Notice) -> None:
    if notice.slot == "entry":
        entry |= {"field": notice.field, "value": notice.content}
    elif notice.slot == "changes":
        entry.setdefault("changes", []).append({"value": notice.content, "field": notice.field})
    else:
        entry.setdefault(notice.slot, []).append(notice.content)


def newest(deliveries: Iterable[Delivery], limit: int) -> list[dict[str, Any]]:
    """The last deliveries, newest first, as control shows them."""
    return [delivery.report() for delivery in list(deliveries)[-limit:][::-1]]
