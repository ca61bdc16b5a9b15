"""Exit codes: each means one thing, and the README says which."""

from __future__ import annotations

import re

from kubedossier.analytics import errors
from kubedossier.analytics.errors import EXIT_CODES, KubedossierError


def classes() -> list[type[KubedossierError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, KubedossierError)]


def test_no_two_kinds_of_error_share_a_code():
    codes = [one.exit_code for one in classes()]
    assert len(codes) == len(set(codes))
    assert set(codes) | {0, errors.INTERRUPTED_EXIT_CODE} == set(EXIT_CODES)


def test_the_table_in_the_readme_is_the_one_of_the_program(checkout):
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", (checkout / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES
