"""Exact slices: what is cut out of a body is its own text, on the fast path and on the slow one."""

import json

import pytest

from hookline.providers.meta.slices import Selection, Slice, cut

ODD_SPACE = b' { "a" :\t[ 1.0 ,\r\n"x" , { } , [ ] ] , "b":{"c":1e5,"c" : -0 } ,"empty":{}, "\\u0064":"\\u00e4\\/" } '
LONE = b'{"lone":"\\ud800",' + ODD_SPACE.strip()[1:]


@pytest.mark.parametrize("data", [ODD_SPACE.strip(), LONE], ids=["fast", "slow"])
def test_slices_are_the_text_itself(data: bytes) -> None:
    """White space, number formats and escapes survive; of two members with one name the last counts."""
    members = Slice(data).members
    assert members["a"].data == b'[ 1.0 ,\r\n"x" , { } , [ ] ]'
    assert [element.data for element in members["a"].elements] == [b"1.0", b'"x"', b"{ }", b"[ ]"]
    assert {name: one.data for name, one in members["b"].members.items()} == {"c": b"-0"}
    assert members["d"].data == b'"\\u00e4\\/"'
    assert members["empty"].members == {}


@pytest.mark.parametrize("lone", [b'"\\udc00"', b'{"\\ud800":[]}', b'["\\ud800\\u0041"]'])
def test_arrays_with_lone_surrogates_open_too(lone: bytes) -> None:
    """What only Python's parser reads is sliced by a walk over the text."""
    data = b"[ 1 , " + lone + b' , "two" ]'
    assert [element.data for element in Slice(data).elements] == [b"1", lone, b'"two"']


def test_an_empty_array_opens_on_the_slow_path() -> None:
    """The walk knows emptiness."""
    members = Slice(b'{"lone":"\\ud800","none":[ ],"no":{ }}').members
    assert (members["none"].elements, members["no"].members) == ([], {})


def test_a_cut_keeps_its_surroundings() -> None:
    """Of a divided array only what is chosen stays; time and id stay; texts are copied, not rewritten."""
    data = b'{"object":"page","entry":[{"id":"1","time":1.50,"messaging":[{"a": 1},{"b" :2}],"changes":[3]},{"id":2}]}'
    chosen: Selection = {"entry": {0: {"messaging": {1: {}}}}}
    assert cut(Slice(data), chosen) == b'{"object":"page","entry":[{"id":"1","time":1.50,"messaging":[{"b" :2}]}]}'


def test_a_large_member_goes_with_the_first_cut_only() -> None:
    """What is small goes with every cut, what is large with one: nothing is lost, nothing multiplied."""
    large = b'"' + b"x" * 5000 + b'"'
    data = b'{"object":"page","extra":' + large + b',"entry":[{"id":"1","changes":[1,2]}]}'
    whole = Slice(data)
    chosen: list[Selection] = [{"entry": {0: {"changes": {at: {}}}}} for at in (0, 1)]
    first, second = (cut(whole, one) for one in chosen)
    assert json.loads(first)["extra"] == "x" * 5000
    assert json.loads(second) == {"object": "page", "entry": [{"id": "1", "changes": [2]}]}
