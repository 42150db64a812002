"""Development's secrets: made once, agreed upon, readable by nobody else."""

import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from hookline.domain.errors import StartupError
from hookline.security.development import FILE_NAME, made_secrets, place_once

NAMES = ["META_APP_SECRETS", "META_VERIFY_TOKEN", "JWT_SECRET"]


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    """Every call gives the same values; each name has its own, long and random."""
    first = made_secrets(tmp_path / "new" / "data", NAMES)
    assert made_secrets(tmp_path / "new" / "data", NAMES) == first
    assert len(set(first.values())) == len(NAMES)
    assert all(len(value) >= 64 for value in first.values())
    assert made_secrets(tmp_path / "other", NAMES) != first


def test_a_further_name_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    """An upgrade that needs one more secret changes none."""
    first = made_secrets(tmp_path, NAMES[:1])
    assert made_secrets(tmp_path, NAMES)[NAMES[0]] == first[NAMES[0]]


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    """The file's mode is 0600 from its first byte on, whatever the umask; nothing else is left behind."""
    before = os.umask(0)
    try:
        made_secrets(tmp_path, NAMES[:1])
        made_secrets(tmp_path, NAMES)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_folder_s_mode_is_left_alone(tmp_path: Path) -> None:
    """No existing folder's mode is ever changed."""
    tmp_path.chmod(0o751)
    made_secrets(tmp_path, NAMES)
    assert tmp_path.stat().st_mode & 0o777 == 0o751


def _make(folder: str, barrier: "multiprocessing.synchronize.Barrier", answers: "multiprocessing.Queue[str]") -> None:
    barrier.wait()
    answers.put(json.dumps(made_secrets(Path(folder), NAMES), sort_keys=True))


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """However many make them at the same moment, all have the same values."""
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        barrier, answers = context.Barrier(4), context.Queue()
        processes = [context.Process(target=_make, args=(str(folder), barrier, answers)) for _ in range(4)]
        for process in processes:
            process.start()
        found = {answers.get(timeout=20) for _ in processes}
        for process in processes:
            process.join()
        assert found == {json.dumps(made_secrets(folder, NAMES), sort_keys=True)}


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "\xff"])
def test_a_broken_file_is_said_and_kept(tmp_path: Path, content: str) -> None:
    """A file that is not ours is neither overwritten nor believed; the text names it."""
    path = tmp_path / FILE_NAME
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StartupError, match=FILE_NAME):
        made_secrets(tmp_path, NAMES)
    assert path.read_bytes() == content.encode("latin-1")


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    """If DATA_DIR is a file, the text says so and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="HOOKLINE_DATA_DIR"):
        made_secrets(tmp_path / "file", NAMES)


def test_threads_that_make_a_file_at_once_agree(tmp_path: Path) -> None:
    """Of many in one process that place the same file, one wins whole, and nothing else is left behind."""
    path, texts = tmp_path / "key", [f"{number}" * 10_000 for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as threads:
        list(threads.map(partial(place_once, path), texts))
    assert path.read_text().strip() in texts
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
