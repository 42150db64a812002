"""What a platform tells about people who allowed our app something: they took it back, or want to be forgotten."""

from collections.abc import Sequence
from typing import Protocol

from hookline.domain.privacy import PersonCallback


class Callbacks(Protocol):
    """How one platform's callbacks are proved and read. Pure."""

    @property
    def app(self) -> str:
        """The app whose people these are, as `Sender.app` names it."""
        ...

    @property
    def secret_settings(self) -> Sequence[str]:
        """The names of the settings whose secrets they are signed with."""
        ...

    def read(self, signed_request: str, secrets: Sequence[str]) -> PersonCallback:
        """Read a callback. Raises: SignatureMismatch; BadSignedRequest, if it is not of the outline."""
        ...
