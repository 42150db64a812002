"""Development's secrets: made once, kept in the data folder, readable by their owner only."""

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from hookline.domain.errors import StartupError

FILE_NAME = "development-secrets.json"


def made_secrets(data_dir: Path, names: Iterable[str]) -> dict[str, str]:
    """Give every name a random value, the same one at every call; an id is a number. Two processes at once agree.

    Raises: StartupError, if the folder cannot be written or the file is not ours.
    """
    path = data_dir / FILE_NAME
    wanted = set(names)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        known = _read(path)
        missing = wanted - known.keys()
        while missing:
            _write(path, known | {name: _made(name) for name in sorted(missing)}, first=not known)
            known = _read(path)
            missing = wanted - known.keys()
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be used: {error}. Mend or remove it, or set HOOKLINE_DATA_DIR.") from None
    return {name: known[name] for name in wanted}


def _made(name: str) -> str:
    return str(10**15 + secrets.randbelow(9 * 10**15)) if name.endswith("_ID") else secrets.token_hex(32)


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    if not isinstance(content, dict):
        raise ValueError("it does not hold a JSON object")
    return {str(key): str(value) for key, value in content.items()}


def _write(path: Path, content: dict[str, str], *, first: bool) -> None:
    """Write beside and move into place; of two processes that make the first file, the earlier one wins."""
    text = json.dumps(content, indent=2)
    if first:
        place_once(path, text)
    else:
        _beside(path, text).replace(path)


def place_once(path: Path, text: str) -> None:
    """Make a file that only its owner can read, whole or not at all; if there is one by now, that one stays."""
    beside = _beside(path, text)
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def _beside(path: Path, text: str) -> Path:
    # A name of its own: two threads of one process may be at it.
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return beside
