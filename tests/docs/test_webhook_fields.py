"""The page that tells which webhook fields to subscribe to, and the doctor that looks whether they are."""

import re
from pathlib import Path

from hookline.providers.whatsapp.health import APP_FIELDS

PAGE = Path(__file__).parents[2] / "docs" / "connect-whatsapp.md"


def test_the_page_and_the_doctor_name_the_same_fields() -> None:
    """Whoever follows the page is told by the doctor that nothing is missing."""
    listed = re.search(r"the verify token, and at\s+least (.+?)\.\n", PAGE.read_text(), re.S)
    assert listed is not None
    assert sorted(re.findall(r"`(\w+)`", listed[1])) == sorted(APP_FIELDS)
