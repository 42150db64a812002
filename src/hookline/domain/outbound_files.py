"""The files of a message to send, wherever in it they stand."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from hookline.domain.outbound_media import File

Part = TypeVar("Part")


def files_of(part: Any, location: str = "body") -> Iterator[tuple[str, File]]:
    """List the files with their places, such as `body.template.components.0.parameters.0.image`."""
    if isinstance(part, File):
        yield location, part
    elif isinstance(part, msgspec.Struct):
        for field in msgspec.structs.fields(part):
            yield from files_of(getattr(part, field.name), f"{location}.{field.encode_name}")
    elif isinstance(part, list | tuple):
        for number, one in enumerate(part):
            yield from files_of(one, f"{location}.{number}")


def with_files(part: Part, change: Callable[[File], File]) -> Part:
    """Give the same with every file changed."""
    changed: Any = part
    result: Part
    if isinstance(part, File):
        changed = change(part)
    elif isinstance(part, msgspec.Struct):
        fields = [field.name for field in msgspec.structs.fields(part)]
        now = {name: getattr(part, name) for name in fields}
        then = {name: with_files(value, change) for name, value in now.items()}
        news = {name: value for name, value in then.items() if value is not now[name]}
        changed = msgspec.structs.replace(part, **news) if news else part
    elif isinstance(part, list | tuple):
        each = [with_files(one, change) for one in part]
        same = all(one is other for one, other in zip(each, part, strict=True))
        changed = part if same else type(part)(each)
    result = changed
    return result
