"""The direct way in: an ordinary webhook is received in the protocol's own callbacks, without task or ASGI messages.

Ordinary is a POST of one provider's path with a small body of declared length, on a connection with nothing else in
hand, whose answers are read. Everything else goes uvicorn's way, to the ASGI application; both ways end at the same
reception.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookline.providers.base import Provider
from hookline.web.protocol import JoinedWritesProtocol
from hookline.web.reception import RECEIVED, Answer, Reception, problem_answer

# Larger bodies come in pieces, and reading them is paused and resumed: that is uvicorn's work.
LARGEST_BYTES = 64 * 1024
LARGEST_HEAD_BYTES = 64 * 1024
# For so long a stop waits for the request of a connection that was just made.
ON_ITS_WAY_SECONDS = 0.5


class DirectProtocol(JoinedWritesProtocol):
    """Uvicorn's protocol with the direct way beside it. `reception` is set by `direct_protocol`.

    It also ends a request whose head does not: the parser would gather it for ever, and slower with each piece. And
    where the server stops, it answers a request that is on its way.
    """

    reception: Reception
    providers: dict[bytes, Provider]
    _head_bytes: int | None = None  # how much of a head has come that is not complete; None: none is on its way
    _ending = False  # the next request is the last

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        super().data_received(data)
        if self._head_bytes is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self.transport.write(_written(_HEAD_TOO_LARGE, keep_alive=False))
                self.transport.close()

    def shutdown(self) -> None:
        """End when what is in hand is answered; a connection that was just made, when its request is.

        Uvicorn closes that one at once, and whoever had sent a request meanwhile is refused.
        """
        if self.cycle is None or self._head_bytes is not None:
            self._ending = True
            self.loop.call_later(ON_ITS_WAY_SECONDS, self._end_unused)
        else:
            super().shutdown()

    def _end_unused(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request. The ASGI scope is made only if it is asked for."""
        self._head_bytes = 0
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self._head_bytes = None
        provider = self.providers.get(self.url)
        if provider is not None and self._is_ordinary():
            self.cycle = DirectCycle(self, provider)  # type: ignore[assignment]
        else:
            self._go_uvicorns_way()
        if self._ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def _go_uvicorns_way(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()

    def _is_ordinary(self) -> bool:
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or parser.should_upgrade():
            return False
        if self.expect_100_continue or self.flow.write_paused:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # pipelined
        for name, value in self.headers:
            if name == b"content-length":
                return int(value) <= min(LARGEST_BYTES, self.reception.limit)
        return False


class DirectCycle:
    """One request and its answer: what uvicorn's protocol asks of its own cycle, and receives the webhook at its end.

    The protocol notes here what comes, and calls `message_event.set()` after each note: that is how we learn of the
    body's end, or of the connection's.
    """

    def __init__(self, protocol: DirectProtocol, provider: Provider) -> None:
        self._protocol = protocol
        self._provider = provider
        self._headers = protocol.headers
        self._begun = False
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.keep_alive = protocol.parser.should_keep_alive()

    @property
    def message_event(self) -> "DirectCycle":
        """What uvicorn's protocol sets. No attribute: a cycle that held itself would be left to the collector."""
        return self

    def set(self) -> None:
        """Receive the webhook once it is whole."""
        if self.more_body or self._begun:
            return
        self._begun = True
        try:
            stored = self._protocol.reception.begin(self._provider, bytes(self.body), self._headers)
        except Exception as error:  # whatever it is, the platform gets an answer
            self._answer(error)
        else:
            stored.add_done_callback(self._stored)

    def _stored(self, stored: "asyncio.Future[None]") -> None:
        self._answer(stored.exception())

    def _answer(self, error: BaseException | None) -> None:
        answer = self._protocol.reception.answer(self._provider, error)
        self.response_complete = True
        if self.disconnected:
            return
        transport = self._protocol.transport
        transport.write(
            _WRITTEN_RECEIVED if answer is RECEIVED and self.keep_alive else _written(answer, self.keep_alive)
        )
        if not self.keep_alive:
            transport.close()
        self._protocol.on_response_complete()


def _written(answer: Answer, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.headers]
    if not keep_alive:
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"", answer.body])


_WRITTEN_RECEIVED = _written(RECEIVED, keep_alive=True)
_HEAD_TOO_LARGE = problem_answer(431, "head-too-large", f"headers may have at most {LARGEST_HEAD_BYTES} bytes together")


def direct_protocol(reception: Reception) -> type[HttpToolsProtocol]:
    """Make the protocol class of a server with this reception."""
    members: dict[str, Any] = {
        "reception": reception,
        "providers": {path.encode(): provider for path, provider in reception.by_path.items()},
    }
    return type("BoundDirectProtocol", (DirectProtocol,), members)
