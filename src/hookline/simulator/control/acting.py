"""One act: who does what, to which account, with which particulars; and how particulars are read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from hookline.simulator.files import keep
from hookline.simulator.media_samples import sample
from hookline.simulator.records import Contact, Direction, Media, Message
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Node

MOST = 1000


class Unfit(Exception):
    """An act that cannot be done as it is described. Its text is for whoever asked."""


class Given(msgspec.Struct, frozen=True):
    """The particulars of something that control asks for, as JSON gave them."""

    sim: Simulator
    given: Mapping[str, Any]

    def text(self, name: str, default: str | None = None) -> str:
        """A particular as text; without a default it must be there.

        Raises: Unfit.
        """
        value = self.given.get(name, default)
        if not isinstance(value, str):
            raise Unfit(f"{name} must be a text")
        return value

    def number(self, name: str, default: float) -> float:
        """A particular as a number.

        Raises: Unfit.
        """
        value = self.given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit(f"{name} must be a number")
        return value

    def count(self, name: str, default: int) -> int:
        """A particular as a number of things: a whole one, from 1 to 1000.

        Raises: Unfit.
        """
        value = self.number(name, default)
        if value != int(value) or not 1 <= value <= MOST:
            raise Unfit(f"{name} must be a whole number from 1 to {MOST}")
        return int(value)

    def choice(self, name: str, among: Sequence[str]) -> str:
        """A particular that is one of several words; the first, if it is not there.

        Raises: Unfit.
        """
        value = self.text(name, among[0])
        if value not in among:
            raise Unfit(f"{name} must be one of {', '.join(among)}")
        return value

    def flag(self, name: str) -> bool:
        """A particular that is true or false; false if it is not there."""
        return bool(self.given.get(name, False))

    def object(self, name: str) -> dict[str, Any]:
        """A particular that is a JSON object; empty if it is not there.

        Raises: Unfit.
        """
        value = self.given.get(name, {})
        if not isinstance(value, dict):
            raise Unfit(f"{name} must be an object")
        return value


class Acting(Given, frozen=True, kw_only=True):
    """`contact` does something to `account`."""

    account: Node
    contact: Contact

    def message(self, name: str = "messageId") -> Message:
        """The message that a particular names; without one, the newest that the business has sent to this person.

        Raises: Unfit.
        """
        message_id = self.given.get(name)
        if message_id is not None:
            found = self.sim.threads.message(self.account.record_id, str(message_id))
            if found is None:
                raise Unfit(f"{name}: there is no such message")
            return found
        return self._newest(Direction.OUTBOUND)

    def own_message(self, kind: str = "") -> Message:
        """The message that `messageId` names, which this person wrote; without one, their newest (of a kind).

        Raises: Unfit.
        """
        found = self.message() if self.given.get("messageId") is not None else self._newest(Direction.INBOUND, kind)
        if found.direction is not Direction.INBOUND:
            raise Unfit("messageId: the business wrote this message")
        return found

    def _newest(self, direction: Direction, kind: str = "") -> Message:
        thread = self.sim.threads.of(self.account.record_id, self.contact.id)
        for message in reversed(list(self.sim.threads.messages(thread))):
            if message.direction is direction and (not kind or message.type == kind):
                return message
        raise Unfit("there is no message to refer to yet")

    def media(self, kind: str) -> Media:
        """The file of an act: `mediaId` of one that was uploaded by control, or a small one of the kind is made."""
        media_id = self.given.get("mediaId")
        if media_id is not None:
            found = self.sim.world.records.media.get(str(media_id))
            if found is None:
                raise Unfit("mediaId: there is no such file")
            return found
        content, mime_type, filename = sample(kind)
        return keep(
            self.sim.world,
            self.sim.files,
            self.account.record_id,
            content,
            mime_type,
            filename=self.text("filename", filename),
            days=self.sim.conduct.upload_days,
        )


Act: TypeAlias = Callable[[Acting], Message | dict[str, Any] | None]
