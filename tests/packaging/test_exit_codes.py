"""Exit codes: the README says what each means."""

from __future__ import annotations

import re

from kubedossier.analytics.errors import EXIT_CODES


def test_the_table_in_the_readme_is_the_one_of_the_program(checkout):
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", (checkout / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES
