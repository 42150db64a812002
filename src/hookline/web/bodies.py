"""Reading bodies that may be too large: no more is kept than is allowed, and the refusal reaches who sends.

Who sends all of a body before they read would find the answer cut off if we stopped reading: so what is too large is
read on, to a limit, and not kept.
"""

from starlette.requests import Request
from starlette.types import Message, Receive

from hookline.domain.errors import BodyTooLarge

HEARD_OUT_BYTES = 32 * 1024 * 1024


async def hear_out(receive: Receive, size: int = 0) -> None:
    """Read on and keep nothing. size: how much was read already, of what may be heard out."""
    while size <= HEARD_OUT_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


class Limited:
    """A request's body as it comes, of so many bytes at most. what: as the error names it."""

    def __init__(self, receive: Receive, most: int, what: str) -> None:
        self._receive = receive
        self._left = self._most = most
        self._what = what

    async def receive(self) -> Message:
        """Receive the next piece. Raises: BodyTooLarge."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            if message.get("more_body", False):
                await hear_out(self._receive)
            raise BodyTooLarge(f"{self._what} may have at most {self._most} bytes")
        return message


async def read_all(request: Request, most: int, what: str) -> bytes:
    """Read a whole body of so many bytes at most. Raises: BodyTooLarge."""
    return await Request(request.scope, Limited(request.receive, most, what).receive).body()
