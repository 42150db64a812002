"""A keyset of AEAD keys (Tink): one primary that encrypts, and all that still decrypt. Never stored unwrapped."""

from collections.abc import Iterable
from typing import Any, Self

from hookline.domain.errors import HooklineError
from hookline.security.master_key import PURPOSE

# Tink's ciphertexts begin with a version byte and four bytes of key id.
_PREFIX = b"\x01"
_PREFIX_BYTES = 5


class Undecryptable(HooklineError):
    """A ciphertext that does not decrypt here: it was changed, or belongs to another row."""


class UnknownKey(Undecryptable):
    """A ciphertext of a key that this keyset does not hold; a newer keyset may."""


class Keyset:
    """An opened keyset. Immutable: rotating gives another one."""

    def __init__(self, handle: Any) -> None:
        from tink import aead

        info = handle.keyset_info()
        self.primary_id = str(info.primary_key_id)
        self.key_ids = frozenset(str(key.key_id) for key in info.key_info)
        self._handle = handle
        self._aead = handle.primitive(aead.Aead)

    @classmethod
    def new(cls) -> Self:
        """Make a keyset of one fresh key."""
        return cls(_new_handle())

    @classmethod
    def unwrap(cls, wrapped: bytes, master: Any) -> Self:
        """Open a keyset that `wrap` made. Calls the master key's service.

        Raises: TinkError, if the master key does not open it; what the service's client raises.
        """
        from tink import aead, proto_keyset_format

        aead.register()
        return cls(proto_keyset_format.parse_encrypted(wrapped, master, PURPOSE))

    def wrap(self, master: Any) -> bytes:
        """Encrypt the keyset by the master key, which is how it is stored. Calls the master key's service."""
        from tink import proto_keyset_format

        return bytes(proto_keyset_format.serialize_encrypted(self._handle, master, PURPOSE))

    def with_new_primary(self) -> "Keyset":
        """Add a fresh key that encrypts from now on; the others go on decrypting."""
        keyset, fresh = _proto(self._handle), _proto(_new_handle())
        if str(fresh.primary_key_id) in self.key_ids:  # ids are random, of 32 bits
            return self.with_new_primary()
        keyset.key.append(fresh.key[0])
        keyset.primary_key_id = fresh.primary_key_id
        return Keyset(_handle(keyset))

    def without(self, key_ids: Iterable[str]) -> "Keyset":
        """Drop keys that nothing is encrypted with any more; never the primary."""
        keyset = _proto(self._handle)
        dropped = set(key_ids) - {self.primary_id}
        kept = [key for key in keyset.key if str(key.key_id) not in dropped]
        del keyset.key[:]
        keyset.key.extend(kept)
        return Keyset(_handle(keyset))

    def encrypt(self, plaintext: bytes, bound_to: bytes) -> bytes:
        """Encrypt under the primary key. Decrypting will ask for the same `bound_to`."""
        return bytes(self._aead.encrypt(plaintext, bound_to))

    def decrypt(self, ciphertext: bytes, bound_to: bytes) -> bytes:
        """Decrypt what any key of the keyset encrypted.

        Raises: UnknownKey, Undecryptable.
        """
        from tink import TinkError

        if key_id_of(ciphertext) not in self.key_ids:
            raise UnknownKey("the ciphertext was made with a key that is not known here")
        try:
            return bytes(self._aead.decrypt(ciphertext, bound_to))
        except TinkError:
            raise Undecryptable("the ciphertext does not belong here, or was changed") from None


def key_id_of(ciphertext: bytes) -> str:
    """Read which key a ciphertext was made with.

    Raises: Undecryptable, if it is none.
    """
    if ciphertext[:1] != _PREFIX or len(ciphertext) <= _PREFIX_BYTES:
        raise Undecryptable("this is no ciphertext")
    return str(int.from_bytes(ciphertext[1:_PREFIX_BYTES]))


def _new_handle() -> Any:
    from tink import aead, new_keyset_handle

    aead.register()
    return new_keyset_handle(aead.aead_key_templates.AES256_GCM)


def _proto(handle: Any) -> Any:
    """The keyset as a message, keys in the clear: it never leaves this module."""
    from tink import proto_keyset_format, secret_key_access
    from tink.proto.tink_pb2 import Keyset as Message

    return Message.FromString(proto_keyset_format.serialize(handle, secret_key_access.TOKEN))


def _handle(message: Any) -> Any:
    from tink import proto_keyset_format, secret_key_access

    return proto_keyset_format.parse(message.SerializeToString(), secret_key_access.TOKEN)
