"""The key that wraps the keyset: a key file in development, AWS KMS in production. It encrypts nothing else.

Loading a library of cryptography or of AWS happens when a key is used, not before.
"""

from pathlib import Path
from typing import Any, Final

from hookline.domain.errors import StartupError
from hookline.security.development import place_once

FILE_URI: Final = "file"
FILE_NAME: Final = "development-master-key.json"
# What the wrapped keyset is bound to; no other ciphertext of the same master key can stand in for it.
PURPOSE: Final = b"hookline keyset"
_KMS_SECONDS = 5


class MasterKeys:
    """The master keys that this installation may use. New keysets are wrapped by the one that `uri` names.

    data_dir: where the key file is made if no KMS key is named; None allows none.
    """

    def __init__(self, kms_uri: str | None, data_dir: Path | None) -> None:
        self.uri = kms_uri or FILE_URI
        self._file = data_dir / FILE_NAME if data_dir else None
        self._known: dict[str, Any] = {}

    def aead(self, uri: str) -> Any:
        """Give a master key's AEAD primitive.

        A KMS key is used under the name that wrapped the keyset, so that the configured one can change by a rotation.
        Raises: StartupError, if this installation may not use that key, or it cannot be made ready.
        """
        if uri not in self._known:
            self._known[uri] = self._from_file() if self._is_file(uri) else _from_kms(uri)
        return self._known[uri]

    def _is_file(self, uri: str) -> bool:
        if uri != FILE_URI:
            return False
        if self.uri != FILE_URI:
            raise StartupError(
                "the keyset in the database was made in development, with a key file; "
                "production needs a database of its own"
            )
        return True

    def _from_file(self) -> Any:
        """Read development's master key, or make it: once, readable by its owner only."""
        from tink import TinkError, aead, json_proto_keyset_format, new_keyset_handle, secret_key_access

        file = self._file
        if file is None:
            raise StartupError("no master key is configured")
        aead.register()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                handle = new_keyset_handle(aead.aead_key_templates.AES256_GCM)
                place_once(file, json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN))
            handle = json_proto_keyset_format.parse(file.read_text(), secret_key_access.TOKEN)
            return handle.primitive(aead.Aead)
        except (OSError, ValueError, TinkError) as error:
            raise StartupError(
                f"{file} cannot be used ({type(error).__name__}). It encrypts what development stores: put it "
                "back, or set HOOKLINE_DATA_DIR to another folder and begin with an empty database."
            ) from None


def _from_kms(uri: str) -> Any:
    """Make an AWS KMS key ready; nothing is called yet. Region and key come from the URI, credentials as AWS has it."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from tink.integration import awskms
    except ImportError:
        raise StartupError("HOOKLINE_KMS_URI needs the extra `kms`: pip install 'hookline[kms]'") from None
    config = Config(connect_timeout=_KMS_SECONDS, read_timeout=_KMS_SECONDS, retries={"total_max_attempts": 3})
    try:
        client = boto3.client("kms", region_name=uri.split(":")[4], config=config)
    except (BotoCoreError, ValueError, IndexError) as error:
        raise StartupError(f"{uri} cannot be used as a key of AWS KMS: {type(error).__name__}") from None
    return awskms.new_client(boto3_client=client, key_uri=uri).get_aead(uri)
