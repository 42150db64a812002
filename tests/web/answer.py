"""An HTTP answer as tests look at it."""

import json
from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, read to its end."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def problem(self) -> str:
        """The slug of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:hookline:problem:")
