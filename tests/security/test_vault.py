"""The vault: ciphertexts that belong to one row, keysets that only their master key opens."""

import stat
import subprocess
import sys
from itertools import permutations
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.security.kms import LocalKms, kms

from hookline.domain.errors import StartupError
from hookline.security.keyset import Keyset, Undecryptable, UnknownKey
from hookline.security.master_key import FILE_NAME, FILE_URI, MasterKeys
from hookline.security.vault import REFRESH, Vault, key_of

__all__ = ["kms"]

ACCOUNT, OTHER = uuid4(), uuid4()
TOKEN = "EAAG-a-token-of-the-test"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault with a keyset of one key."""
    vault = Vault(MasterKeys(None, tmp_path))
    vault.take(1, Keyset.new())
    return vault


def sealed(vault: Vault, text: str = TOKEN, account: UUID = ACCOUNT, organization: str = "org-1") -> str:
    return vault.encrypt(text, account_id=account, organization_id=organization)


def test_what_was_encrypted_is_decrypted(vault: Vault) -> None:
    """A text comes back as it was, however long, in any script, and no two ciphertexts of it are equal."""
    for text in ("", TOKEN, "ключ-😀", "x" * 100_000):
        first, second = sealed(vault, text), sealed(vault, text)
        assert first != second
        assert text == "" or text not in first
        assert vault.decrypt(first, account_id=ACCOUNT, organization_id="org-1") == text


def test_a_ciphertext_belongs_to_one_account_organization_and_purpose(vault: Vault) -> None:
    """Moved to another account, another organization or another column, a ciphertext does not decrypt."""
    ciphertext = sealed(vault)
    for account, organization, purpose in (
        (OTHER, "org-1", "access"),
        (ACCOUNT, "org-2", "access"),
        (ACCOUNT, "org-1", REFRESH),
        (ACCOUNT, "", "access"),
    ):
        with pytest.raises(Undecryptable):
            vault.decrypt(ciphertext, account_id=account, organization_id=organization, purpose=purpose)


def test_no_two_places_are_confused(vault: Vault) -> None:
    """Names that read alike when written one after the other are different places."""
    places = [("a", "b"), ("ab", ""), ("", "ab"), ("a\0", "b"), ("a", "\0b")]
    for (purpose, organization), (other_purpose, other) in permutations(places, 2):
        ciphertext = vault.encrypt(TOKEN, account_id=ACCOUNT, organization_id=organization, purpose=purpose)
        with pytest.raises(Undecryptable):
            vault.decrypt(ciphertext, account_id=ACCOUNT, organization_id=other, purpose=other_purpose)


def test_a_changed_ciphertext_does_not_decrypt(vault: Vault) -> None:
    """A ciphertext with any character changed, cut or added is refused, and so is what is none at all."""
    ciphertext = sealed(vault)
    changed = [ciphertext[:at] + ("A" if ciphertext[at] != "A" else "B") + ciphertext[at + 1 :] for at in (3, 12, 40)]
    for text in [*changed, ciphertext[:-4], ciphertext + "AAAA", "", "v1.", "v1.!", "v2." + ciphertext[3:], TOKEN]:
        with pytest.raises(Undecryptable):
            vault.decrypt(text, account_id=ACCOUNT, organization_id="org-1")


def test_errors_tell_nothing(vault: Vault) -> None:
    """No error repeats what it was about."""
    with pytest.raises(Undecryptable) as raised:
        vault.decrypt(TOKEN, account_id=ACCOUNT, organization_id="org-1")
    assert TOKEN not in str(raised.value)


def test_a_closed_vault_does_not_work(tmp_path: Path) -> None:
    """Without keys nothing is encrypted, least of all in the clear."""
    with pytest.raises(RuntimeError):
        sealed(Vault(MasterKeys(None, tmp_path)))


def test_a_rotated_keyset_decrypts_what_the_old_one_encrypted(vault: Vault) -> None:
    """After a rotation the new key encrypts and both decrypt; who does not know it yet says so."""
    before = sealed(vault)
    old, new = vault.keyset, vault.keyset.with_new_primary()
    vault.take(2, new)
    after = sealed(vault)
    assert key_of(after) == new.primary_id != key_of(before)
    assert vault.decrypt(before, account_id=ACCOUNT, organization_id="org-1") == TOKEN
    vault.take(1, old)
    with pytest.raises(UnknownKey):
        vault.decrypt(after, account_id=ACCOUNT, organization_id="org-1")
    vault.take(3, new.without([old.primary_id, new.primary_id]))
    assert vault.keyset.key_ids == {new.primary_id}
    assert vault.decrypt(after, account_id=ACCOUNT, organization_id="org-1") == TOKEN


def test_a_wrapped_keyset_shows_no_key(tmp_path: Path) -> None:
    """What is stored of a keyset opens by its master key only."""
    keyset = Keyset.new()
    wrapped = keyset.wrap(MasterKeys(None, tmp_path / "a").aead(FILE_URI))
    again = Keyset.unwrap(wrapped, MasterKeys(None, tmp_path / "a").aead(FILE_URI))
    assert again.decrypt(keyset.encrypt(b"text", b"here"), b"here") == b"text"
    with pytest.raises(Exception, match=r"(?i)decrypt|invalid"):
        Keyset.unwrap(wrapped, MasterKeys(None, tmp_path / "b").aead(FILE_URI))


def test_development_s_key_file_is_private_and_made_once(tmp_path: Path) -> None:
    """The key file is readable by its owner only, and processes that make it at once agree."""
    folder = tmp_path / "data"
    with get_context("spawn").Pool(3) as processes:
        wrapped = processes.map(_wrap, [str(folder)] * 6)
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    master = MasterKeys(None, folder).aead(FILE_URI)
    for one in wrapped:
        Keyset.unwrap(one, master)
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def _wrap(folder: str) -> bytes:
    return Keyset.new().wrap(MasterKeys(None, Path(folder)).aead(FILE_URI))


def test_a_spoilt_key_file_is_told(tmp_path: Path) -> None:
    """A key file that cannot be read stops the start, names the way out, and is not replaced."""
    (tmp_path / FILE_NAME).write_text("{}")
    with pytest.raises(StartupError, match="HOOKLINE_DATA_DIR"):
        MasterKeys(None, tmp_path).aead(FILE_URI)
    assert (tmp_path / FILE_NAME).read_text() == "{}"


def test_kms_wraps_the_keyset(kms: LocalKms, tmp_path: Path) -> None:
    """A keyset wrapped by a KMS key opens by that key and no other; the KMS is asked, and sees no token."""
    first, second = kms.new_key(), kms.new_key()
    masters = MasterKeys(first, tmp_path)
    wrapped = Keyset.new().wrap(masters.aead(first))
    Keyset.unwrap(wrapped, MasterKeys(second, tmp_path).aead(first))
    with pytest.raises(Exception, match=r"(?i)InvalidCiphertext|IncorrectKey|AccessDenied|decrypt"):
        Keyset.unwrap(wrapped, masters.aead(second))
    assert not (tmp_path / FILE_NAME).exists()


def test_production_refuses_development_s_key_file(tmp_path: Path) -> None:
    """Where a KMS key is configured, a keyset that a file wraps is not opened."""
    uri = "aws-kms://arn:aws:kms:eu-central-1:123456789012:key/1"
    with pytest.raises(StartupError, match="made in development"):
        MasterKeys(uri, tmp_path).aead(FILE_URI)
    with pytest.raises(StartupError, match="no master key"):
        MasterKeys(None, None).aead(FILE_URI)


def test_the_libraries_are_loaded_when_they_are_needed() -> None:
    """A process that encrypts nothing loads neither the library of cryptography nor that of AWS, nor that of calls."""
    code = (
        "import sys, hookline.worker.loop, hookline.web.server, hookline.cli.processes;"
        "print([name for name in ('tink', 'boto3', 'aiohttp', 'google.protobuf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
