"""How a body is read strictly: each value has the right type and length, or the call is refused with the reason.

The simulator refuses what it does not understand, because a platform would; Hookline's own reading is lenient.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NoReturn

from hookline.simulator.errors import Refusal

Json = Mapping[str, Any]


class Check:
    """Reads values of one platform's bodies. `missing` and `invalid` are the codes that it refuses with."""

    def __init__(self, *, missing: int, invalid: int) -> None:
        self._missing: Final = missing
        self._invalid: Final = invalid

    def lacking(self, at: str, key: str) -> Refusal:
        """Name a value that must be there and is not."""
        return Refusal(self._missing, f"The parameter {place(at, key)} is required.")

    def wrong(self, at: str, key: str, why: str) -> Refusal:
        """Name a value that may not be as it is."""
        return Refusal(self._invalid, f"Param {place(at, key)} {why}.")

    def text(self, holder: Json, key: str, at: str = "", *, longest: int, required: bool = True) -> str:
        """Read a text that is not blank. One that may be missing reads as ""."""
        value = holder.get(key)
        if value is None:
            if required:
                raise self.lacking(at, key)
            return ""
        if not isinstance(value, str):
            raise self.wrong(at, key, "must be a string")
        if required and not value.strip():
            raise self.wrong(at, key, "must not be empty")
        if len(value) > longest:
            raise Refusal(100, f"Param {place(at, key)} must be at most {longest} characters long.")
        return value

    def object(self, holder: Json, key: str, at: str = "", *, only: Collection[str] | None = None) -> Json:
        """Read an object that must be there. `only`: the keys that it may have."""
        found = self.optional_object(holder, key, at, only=only)
        if found is None:
            raise self.lacking(at, key)
        return found

    def optional_object(
        self, holder: Json, key: str, at: str = "", *, only: Collection[str] | None = None
    ) -> Json | None:
        """Read an object that may be missing."""
        value = holder.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Refusal(100, f"Param {place(at, key)} must be a JSON object.")
        if only is not None and not value.keys() <= set(only):
            unknown = next(name for name in value if name not in only)
            raise Refusal(100, f'Unexpected key "{unknown}" on param "{place(at, key)}".')
        return value

    def objects(self, holder: Json, key: str, at: str = "", *, most: int, least: int = 1) -> Sequence[Json]:
        """Read an array of objects; `least` 0 lets it be missing."""
        value = holder.get(key)
        if value is None:
            if least:
                raise self.lacking(at, key)
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise Refusal(100, f"Param {place(at, key)} must be an array of JSON objects.")
        if not least <= len(value) <= most:
            raise self.wrong(at, key, f"must have {least} to {most} elements, and has {len(value)}")
        return value

    def choice(self, holder: Json, key: str, at: str = "", *, among: Collection[str], default: str = "") -> str:
        """Read one of some words, in either case."""
        value = holder.get(key)
        if value is None:
            if default:
                return default
            raise self.lacking(at, key)
        word = value.lower() if isinstance(value, str) else ""
        if word not in among:
            raise self.wrong(at, key, f"must be one of {{{', '.join(among)}}} - got {str(value)[:60]!r}")
        return word

    def number(self, holder: Json, key: str, at: str = "", *, least: float, most: float) -> float:
        """Read a number, or a text that is one."""
        value = holder.get(key)
        if value is None:
            raise self.lacking(at, key)
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not least <= number <= most:
            raise self.wrong(at, key, f"must be a number from {least} to {most}")
        return number

    def url(self, holder: Json, key: str, at: str = "", *, required: bool = True) -> str:
        """Read a web address."""
        value = self.text(holder, key, at, longest=2048, required=required)
        if value and not value.lower().startswith(("http://", "https://")):
            raise self.wrong(at, key, "must be a valid URI")
        return value

    def either(self, holder: Json, keys: Sequence[str], at: str) -> str:
        """Find which one of these keys is there: exactly one must be."""
        found = [key for key in keys if holder.get(key) not in (None, "")]
        if not found:
            raise self.lacking(at, " or ".join(keys))
        if len(found) > 1:
            raise self.wrong(at, " and ".join(found), "may not be given together")
        return found[0]

    def unique(self, values: Sequence[str], what: str) -> None:
        """Refuse a value that is there twice."""
        if len(set(values)) != len(values):
            raise Refusal(self._invalid, f"{what} must be unique.")

    def refuse(self, why: str) -> NoReturn:
        """Refuse for a reason in words."""
        raise Refusal(self._invalid, why)


def place(at: str, key: str) -> str:
    """Write where a value stands, as Graph writes it: interactive['action']['name']."""
    return f"{at}['{key}']" if at else key
