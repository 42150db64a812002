"""The page's example of a test suite: it is run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

from tests.journeys.processes import environment

PAGE = Path(__file__).parents[2] / "docs/python.md"


def test_the_page_s_test_file_passes(tmp_path: Path) -> None:
    """What docs/python.md prints under "Tests of your own" is a test file that passes, both of its tests."""
    section = PAGE.read_text().partition("## Tests of your own")[2]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "test_example.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", "test_example.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment({}), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
