"""The vault: encrypts what must not be readable in the database, each ciphertext bound to its account and organization.

It holds the keyset that services/keys.py fetches, and knows no database. Ciphertexts are text: `v1.` and base64url.
"""

import asyncio
import base64
import binascii
from typing import Final
from uuid import UUID

from hookline.security.keyset import Keyset, Undecryptable, key_id_of
from hookline.security.master_key import MasterKeys

_VERSION: Final = "v1."
ACCESS: Final = "access"
REFRESH: Final = "refresh"


class Vault:
    """One process's way to the keys. Closed until the first `take`."""

    def __init__(self, masters: MasterKeys) -> None:
        self.masters = masters
        self.version = 0
        self.turn = asyncio.Lock()  # for whoever fetches the keyset: once is enough
        self._keyset: Keyset | None = None

    @property
    def opened(self) -> bool:
        """Whether there are keys."""
        return self._keyset is not None

    @property
    def keyset(self) -> Keyset:
        """The keys. Raises: RuntimeError, if nobody has fetched them."""
        if self._keyset is None:
            raise RuntimeError("the vault is closed: services/keys.py opens it")
        return self._keyset

    def take(self, version: int, keyset: Keyset) -> None:
        """Work with this keyset, which is the one in force, from now on."""
        self.version, self._keyset = version, keyset

    def encrypt(self, plaintext: str, *, account_id: UUID, organization_id: str, purpose: str = ACCESS) -> str:
        """Encrypt a text for one account of one organization, and for one purpose (the column it is kept in)."""
        sealed = self.keyset.encrypt(plaintext.encode(), _binding(account_id, organization_id, purpose))
        return _VERSION + base64.urlsafe_b64encode(sealed).decode()

    def decrypt(self, ciphertext: str, *, account_id: UUID, organization_id: str, purpose: str = ACCESS) -> str:
        """Decrypt what `encrypt` made for the same account, organization and purpose.

        Raises: UnknownKey, if a newer keyset may hold its key; Undecryptable.
        """
        return self.keyset.decrypt(_bytes(ciphertext), _binding(account_id, organization_id, purpose)).decode()


def key_of(ciphertext: str) -> str:
    """Read the id of the key that a ciphertext was made with.

    Raises: Undecryptable, if it is none.
    """
    return key_id_of(_bytes(ciphertext))


def _bytes(ciphertext: str) -> bytes:
    if not ciphertext.startswith(_VERSION):
        raise Undecryptable("this is no ciphertext")
    try:
        return base64.b64decode(ciphertext[len(_VERSION) :], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Undecryptable("this is no ciphertext") from None


def _binding(account_id: UUID, organization_id: str, purpose: str) -> bytes:
    """No two (account, organization, purpose) give the same bytes: the id has a fixed length, a purpose no NUL."""
    return purpose.encode() + b"\0" + account_id.bytes + organization_id.encode()
