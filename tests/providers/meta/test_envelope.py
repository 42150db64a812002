"""What counts as a webhook: everything with the outline of an envelope, however odd; and what is refused, and why."""

import json
import time

import pytest
from tests.providers.cases import body

from hookline.domain.errors import MalformedWebhook
from hookline.providers.meta.envelope import MAX_DEPTH, decode, nested_beyond

OUTLINE = b'{"object":"page","entry":[%s]}'


def nested(depth: int) -> bytes:
    """An envelope that is nested this deep; its own outline is two levels."""
    return OUTLINE % (b"[" * (depth - 2) + b"]" * (depth - 2))


REFUSED = {
    "empty": (b"", "not JSON: at character 0"),
    "not JSON": (b"hello secret", "not JSON: at character 0"),
    "cut off": (OUTLINE[:-1] % b"", "not JSON: at character 27"),
    "two values": (OUTLINE % b"" + b"{}", "not JSON: at character 28"),
    "NaN": (OUTLINE % b'{"id":NaN}', "not JSON"),
    "Infinity": (OUTLINE % b"-Infinity", "not JSON"),
    "a control character": (OUTLINE % b'"\x00"', "not JSON: at character 27"),
    "not UTF-8": (OUTLINE % b'"\xff"', "not UTF-8: at byte 27"),
    "a surrogate in UTF-8": (OUTLINE % b'"\xed\xa0\x80"', "not UTF-8: at byte 27"),
    "UTF-16": (json.dumps({"object": "page", "entry": []}).encode("utf-16"), "not UTF-8: at byte 0"),
    "two byte-order marks": (b"\xef\xbb\xbf" * 2 + OUTLINE % b"", "not JSON: at character 0"),
    "a list": (b"[]", "not a JSON object"),
    "a number": (b"5", "not a JSON object"),
    "no outline": (b"{}", "not a webhook envelope: neither object and entry, nor eventType and data"),
    "object no text": (b'{"object":5,"entry":[]}', "not a webhook envelope"),
    "entry no array": (b'{"object":"page","entry":{}}', "not a webhook envelope"),
    "generic with object": (b'{"object":null,"eventType":"message","data":{}}', "not a webhook envelope"),
    "generic without data": (b'{"eventType":"message","data":"x"}', "not a webhook envelope"),
    "nested 201": (nested(MAX_DEPTH + 1), "nested beyond 200"),
    "nested 100000": (nested(100_000), "nested beyond 200"),
    "nested objects": (OUTLINE % (b'{"a":' * 5000 + b"1" + b"}" * 5000), "nested beyond 200"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_webhook_is_refused_with_its_reason(case: str) -> None:
    """A malformed body is told from a webhook, and the reason never holds any of it."""
    data, reason = REFUSED[case]
    with pytest.raises(MalformedWebhook) as error:
        decode(data)
    assert str(error.value).startswith(reason)
    assert "secret" not in str(error.value)


ACCEPTED = {
    "a byte-order mark": b"\xef\xbb\xbf" + OUTLINE % b"",
    "white space": b" \r\n\t" + OUTLINE % b"" + b" \n",
    "nested 200": nested(MAX_DEPTH),
    "brackets in texts": OUTLINE % (b'"' + b"[{" * 5000 + b'\\"[\\\\"'),
    "many brackets": OUTLINE % b",".join([b"[]"] * 5000),
    "a lone surrogate": OUTLINE % b'"\\ud800"',
    "a swapped pair": OUTLINE % b'"\\udc00\\ud800"',
    "a lone surrogate as key": OUTLINE % b'{"\\udfff":1}',
    "NUL": OUTLINE % b'"\\u0000"',
    "duplicate keys": b'{"object":5,"entry":1,"object":"page","entry":[]}',
    "a huge integer": OUTLINE % (b"9" * 10_000),
    "a huge float": OUTLINE % b"1e400",
    "the generic envelope": b'{"eventType":"message","data":{}}',
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_is_odd_is_a_webhook_still(case: str) -> None:
    """Whatever Python's parser takes is taken, and what comes out of it can be stored anywhere."""
    webhook = decode(ACCEPTED[case])
    assert not webhook.text.startswith("\ufeff")
    stored = json.dumps(webhook.tree, ensure_ascii=False, allow_nan=False)
    assert "\x00" not in stored.encode().decode()
    assert "\\u0000" not in stored


def test_texts_lose_only_what_no_database_takes() -> None:
    """NUL and lone surrogates become U+FFFD, in keys too; everything else stays."""
    tree = decode(OUTLINE % b'{"a\\u0000":"x\\u0000\\ud83d\\ude00\\ud83d y","b":["\\u0001"]}').tree
    assert tree["entry"] == [{"a\ufffd": "x\ufffd😀\ufffd y", "b": ["\x01"]}]


@pytest.mark.parametrize(
    "data",
    [b"[" * 4_000_000, b"[]" * 2_000_000, (b"[" * 199 + b"]" * 199) * 10_000, b'"' * 4_000_000, b"\\" * 4_000_000],
    ids=["deep", "flat", "stairs", "quotes", "backslashes"],
)
def test_a_hostile_body_is_refused_quickly(data: bytes) -> None:
    """Four megabytes made to hurt neither exhaust the stack nor take long."""
    began = time.process_time()
    with pytest.raises(MalformedWebhook):
        decode(data)
    assert time.process_time() - began < 2


def test_depth_is_counted_outside_of_texts() -> None:
    """Brackets within texts, behind escaped quotes and backslashes, are no nesting."""
    assert not nested_beyond(b'["' + b"[" * 300 + b'"]', 200)
    assert not nested_beyond(b'["\\"' + b"[" * 300 + b'\\\\"]', 200)
    assert nested_beyond(b'["\\\\"' + b",[" * 300 + b"]" * 301, 200)


def test_a_sample_is_decoded_as_it_stands() -> None:
    """The text is the body, and the tree is what it says."""
    data = body("whatsapp", "text")
    webhook = decode(data)
    assert webhook.text.encode() == data
    assert webhook.tree == json.loads(data)
