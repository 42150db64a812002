"""The ids, tokens and codes of the fake platforms: the same ones, in the same order, for the same seed.

Source: protocol reference 0.2 (what each looks like).
"""

import base64
import hashlib


class Ids:
    """Makes ids. `counts` is all its state: how many of each kind there are."""

    def __init__(self, seed: int, counts: dict[str, int] | None = None) -> None:
        self._seed = seed
        self.counts = counts if counts is not None else {}

    def digits(self, kind: str, length: int, prefix: str = "") -> str:
        """A numeric id of `length` digits that begins with `prefix`; the first digit is no zero."""
        number = int.from_bytes(self._bytes(kind), "big")
        rest = length - len(prefix)
        text = str(number % (9 * 10 ** (rest - 1)) + 10 ** (rest - 1))
        return prefix + text

    def token(self, kind: str, prefix: str) -> str:
        """A long opaque text."""
        one, two = self._bytes(kind), self._bytes(kind)
        return prefix + base64.b64encode(one + two + one[::-1]).decode().translate(_WITHOUT_SIGNS)

    def wamid(self, digits: str) -> str:
        """A WhatsApp message id; it begins like those of the same contact."""
        text = digits.encode() + b"\x15\x02\x00\x11\x18" + self._bytes("wamid")[:16]
        return "wamid." + base64.b64encode(text).decode()

    def mid(self, prefix: str) -> str:
        """A Messenger (`m_`) or Instagram (`aWdf`) message id."""
        one, two = self._bytes("mid"), self._bytes("mid")
        return prefix + base64.urlsafe_b64encode(one + two).decode().rstrip("=")

    def trace(self) -> str:
        """An error's `fbtrace_id`."""
        return "A" + base64.urlsafe_b64encode(self._bytes("trace")[:16]).decode().rstrip("=")

    def _bytes(self, kind: str) -> bytes:
        number = self.counts[kind] = self.counts.get(kind, 0) + 1
        return hashlib.blake2b(f"{self._seed}/{kind}/{number}".encode(), digest_size=32).digest()


_WITHOUT_SIGNS = str.maketrans({"+": "Z", "/": "D", "=": None})
