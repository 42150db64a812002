"""The vendor's signed_request: proved before anything of it is read."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.domain.errors import SignatureMismatch
from hookline.domain.privacy import BadSignedRequest
from hookline.providers import PROVIDERS
from hookline.providers.meta.signed_request import MAX_CHARACTERS, MetaCallbacks

SECRET, PREVIOUS, OTHER = "the secret of the app", "the one before it", "another app's"
CALLBACKS = MetaCallbacks("app:meta", ("META_APP_SECRETS",))
SAID = {"user_id": "10158000000000001", "algorithm": "HMAC-SHA256", "issued_at": 1_780_000_000}


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed(payload: str, secret: str = SECRET) -> str:
    return f"{encoded(hmac.digest(secret.encode(), payload.encode(), 'sha256'))}.{payload}"


def request(secret: str = SECRET, **changed: Any) -> str:
    """A signed_request as the platform makes it; None takes a field out."""
    said = {name: value for name, value in {**SAID, **changed}.items() if value is not None}
    return signed(encoded(json.dumps(said).encode()), secret)


def test_who_and_when_is_read() -> None:
    """The person's id, the time, and a digest of the signature that tells nobody whose it is."""
    text = request()
    found = CALLBACKS.read(text, [SECRET])
    assert (found.user_id, found.issued_at) == (SAID["user_id"], datetime.fromtimestamp(1_780_000_000, UTC))
    signature = base64.urlsafe_b64decode(text.partition(".")[0] + "=")
    assert found.digest == hashlib.sha256(signature).digest()


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_while_secrets_change_both_hold(secret: str) -> None:
    """Every configured secret counts, in any order."""
    assert CALLBACKS.read(request(secret), [SECRET, "", PREVIOUS]).user_id == SAID["user_id"]


@pytest.mark.parametrize("secrets", [[OTHER], [], [""], ["", OTHER]])
def test_no_secret_is_a_closed_door(secrets: list[str]) -> None:
    """Signed with another app's secret, with the empty one, or nothing to check it by: refused."""
    for text in (request(), request(secret="")):
        with pytest.raises(SignatureMismatch):
            CALLBACKS.read(text, secrets)


def test_a_changed_payload_is_not_signed() -> None:
    """One character is enough, and so is another signature's length."""
    signature, _, payload = request().partition(".")
    other = request(user_id="1").partition(".")[2]
    for text in (f"{signature}.{other}", f"{signature[:-4]}.{payload}", f".{payload}", f"{signature}AAAA.{payload}"):
        with pytest.raises(SignatureMismatch):
            CALLBACKS.read(text, [SECRET])


def test_base64_is_read_tolerantly() -> None:
    """Padded or not, in either alphabet: the signature is over the payload as it came."""
    content = json.dumps({**SAID, "note": "???>>>~~~ÿÿ"}, ensure_ascii=False).encode()
    texts = [base64.urlsafe_b64encode(content).decode(), base64.b64encode(content).decode(), encoded(content)]
    assert "/" in texts[1] or "+" in texts[1]
    for payload in texts:
        signature = hmac.digest(SECRET.encode(), payload.encode(), "sha256")
        for written in (base64.b64encode(signature).decode(), base64.urlsafe_b64encode(signature).decode()):
            assert CALLBACKS.read(f"{written}.{payload}", [SECRET]).user_id == SAID["user_id"]


@pytest.mark.parametrize("algorithm", ["none", "HMAC-SHA1", "", None, 7, ["HMAC-SHA256"]])
def test_another_algorithm_is_refused(algorithm: Any) -> None:
    """Also where the signature is right."""
    with pytest.raises(BadSignedRequest, match="algorithm"):
        CALLBACKS.read(request(algorithm=algorithm), [SECRET])


@pytest.mark.parametrize("user_id", [None, "", 1.5, True, {}, []])
def test_it_must_say_who(user_id: Any) -> None:
    """Nobody is nobody."""
    with pytest.raises(BadSignedRequest, match="user_id"):
        CALLBACKS.read(request(user_id=user_id), [SECRET])


def test_ids_may_be_numbers() -> None:
    """However large."""
    assert CALLBACKS.read(request(user_id=17841400000000000001), [SECRET]).user_id == "17841400000000000001"


@pytest.mark.parametrize("at", [None, "soon", -1, 10**30, {}])
def test_an_absurd_time_is_none(at: Any) -> None:
    """What is no time is not taken for one."""
    assert CALLBACKS.read(request(issued_at=at), [SECRET]).issued_at is None


@pytest.mark.parametrize(
    "text",
    ["", ".", "abc", "abc.", "é.é", "====.====", "a b.c", request() + "." + "x" * MAX_CHARACTERS, "\x00.\x00", "!.e30"],
)
def test_what_is_none_is_refused_by_name(text: str) -> None:
    """Without a word of what was sent, or of what was expected."""
    with pytest.raises((BadSignedRequest, SignatureMismatch)) as refused:
        CALLBACKS.read(text, [SECRET])
    assert SECRET not in str(refused.value)
    assert text[:3] not in str(refused.value) or len(text) < 3


@pytest.mark.parametrize("payload", ["bm8", encoded(b"\xff\xfe"), encoded(b"[" * 5000), encoded(b"NaN"), "A", "%%"])
def test_a_signed_payload_of_no_outline_is_refused(payload: str) -> None:
    """A right signature over nonsense."""
    with pytest.raises(BadSignedRequest):
        CALLBACKS.read(signed(payload), [SECRET])


def test_each_platform_names_its_own_app() -> None:
    """Instagram's callbacks are signed with the Instagram app's secret, the others' with the Meta app's."""
    found = {name.value: (one.callbacks.app, tuple(one.callbacks.secret_settings)) for name, one in PROVIDERS.items()}
    assert found == {
        "WHATSAPP": ("app:meta", ("META_APP_SECRETS",)),
        "FACEBOOK": ("app:meta", ("META_APP_SECRETS",)),
        "INSTAGRAM": ("app:instagram", ("INSTAGRAM_APP_SECRETS",)),
    }
