"""The configuration file: found where it is said to be, and never misunderstood in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubedossier.analytics.config import Config, ConsoleConfig, JobConfig, find_config, read_config
from kubedossier.analytics.errors import UsageError

COMPLETE = """\
archive = "dossier"
queries = "my-queries"                  # folder of the user's own .sql files

[console.prod]
url = "https://console.example:8083"
username = "auditor"                    # password: environment, password_file or keyring
ca_bundle = "corp-ca.pem"

[report.monthly]
organisation = "Example Ltd"
frameworks = ["soc2", "pci-dss"]
paper = "a4"

[[job]]
name = "nightly"
run = "snapshot"
console = "prod"
cron = "15 1 * * *"
timezone = "UTC"

[[job]]
name = "monthly-report"
run = "report"
report = "monthly"
period = "last-month"
cron = "0 6 1 * *"
deliver = [{ directory = "/srv/reports" }]
"""


@pytest.fixture
def write(tmp_path: Path):
    def written(text: str) -> Path:
        path = tmp_path / "kubedossier.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def refused(path: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_config(path)
    return caught.value


def test_everything_the_file_says_is_read(write, tmp_path):
    config = read_config(write(COMPLETE))
    assert config.archive == tmp_path / "dossier"
    assert config.queries == tmp_path / "my-queries"
    assert config.consoles == {
        "prod": ConsoleConfig(
            "prod", "https://console.example:8083", username="auditor", ca_bundle=tmp_path / "corp-ca.pem"
        )
    }
    assert config.report("monthly").frameworks == ("soc2", "pci-dss")
    assert [job.name for job in config.jobs] == ["nightly", "monthly-report"]
    assert config.jobs[0] == JobConfig("nightly", "snapshot", "15 1 * * *", console="prod")
    assert config.jobs[1].deliver[0].directory == Path("/srv/reports")


def test_no_file_is_the_empty_configuration():
    assert read_config(None) == Config()
    assert read_config(None).console() is None
    assert read_config(None).report("monthly").organisation is None


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "kubedossier.toml"
    path.write_bytes(b"\xef\xbb\xbfarchive = 'x'\n")
    assert read_config(path).archive == tmp_path / "x"


@pytest.mark.parametrize(
    ("old", "new", "line", "near"),
    [
        ("archive =", "archve =", 1, "archive"),
        ("ca_bundle =", "ca_bundel =", 7, "ca_bundle"),
        ("[report.monthly]", "[reports.monthly]", 9, "report"),
        ("frameworks =", "framework =", 11, "frameworks"),
        ("period =", "periode =", 25, "period"),
        ("{ directory =", "{ directry =", 27, "directory"),
        ('console = "prod"', 'console = "prd"', 17, "prod"),
        ('report = "monthly"', 'report = "montly"', 24, "monthly"),
    ],
)
def test_an_unknown_word_is_named_with_file_line_and_nearest_known_one(write, old, new, line, near):
    error = refused(write(COMPLETE.replace(old, new)))
    assert "kubedossier.toml" in error.message
    assert f"line {line}:" in error.message
    assert f"'{near}'" in error.hint


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('"dossier"', "7", 1, "must be a path, not 7"),
        ('"auditor"', "true", 6, "must be text"),
        ('["soc2", "pci-dss"]', '"soc2"', 11, "must be a list"),
        ('["soc2", "pci-dss"]', '["soc2", 1]', 11, "must be text, not 1"),
        ('paper = "a4"', 'paper = "a5"', 12, "'a4' or 'letter'"),
        ('"https://console.example:8083"', '"console.example"', 5, "https://"),
        ('"https://console.example:8083"', '"https://me:pw@console.example"', 5, "user name or password"),
        ('cron = "15 1 * * *"\n', "", 14, "has no 'cron'"),
        ('organisation = "Example Ltd"', 'organisation = ""', 10, "is empty"),
        ('ca_bundle = "corp-ca.pem"', "page_size = true", 7, "must be a whole number"),
        ('ca_bundle = "corp-ca.pem"', 'insecure = "yes"', 7, "must be true or false"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(write, old, new, line, what):
    error = refused(write(COMPLETE.replace(old, new)))
    assert f"line {line}:" in error.message
    assert what in error.message


@pytest.mark.parametrize("key", ["password", "token", "Secret", "access_key"])
def test_a_secret_is_refused_and_its_value_not_repeated(write, key):
    error = refused(write(COMPLETE.replace('username = "auditor"', f'{key} = "hunter2"')))
    assert "line 6:" in error.message
    assert "secret" in error.message
    assert "hunter2" not in error.message + error.hint
    assert "password_file" in error.hint


@pytest.mark.parametrize("text", ["archive = \n", "[console", "a = 1\na = 2\n"])
def test_text_that_is_no_toml_is_refused_with_its_place(write, text):
    assert "no TOML" in refused(write(text)).message


@pytest.mark.parametrize("text", ["console = 3", "report = []", "job = {}", "[console]\nprod = 1"])
def test_a_table_of_the_wrong_shape_is_refused(write, text):
    assert "must be a" in refused(write(text)).message


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path):
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"archive = '\xff'")
    assert "not UTF-8" in refused(binary).message
    assert "absent.toml" in refused(tmp_path / "absent.toml").message


def test_lines_inside_a_long_text_are_not_taken_for_keys(write):
    long_text = 'organisation = """\npaper = "a5"\n[console.prod]\n"""\npaper = "a5"'
    error = refused(write(COMPLETE.replace('organisation = "Example Ltd"', long_text).replace('paper = "a4"\n', "")))
    assert "line 14:" in error.message


def test_the_current_folder_comes_before_the_users_own(tmp_path):
    here, home = tmp_path / "here", tmp_path / "xdg"
    (home / "kubedossier").mkdir(parents=True)
    here.mkdir()
    environ = {"XDG_CONFIG_HOME": str(home)}
    assert find_config(environ, here) is None
    (home / "kubedossier" / "kubedossier.toml").touch()
    assert find_config(environ, here) == home / "kubedossier" / "kubedossier.toml"
    (here / "kubedossier.toml").touch()
    assert find_config(environ, here) == here / "kubedossier.toml"


def test_without_xdg_the_users_own_is_under_their_home(tmp_path):
    own = tmp_path / ".config" / "kubedossier" / "kubedossier.toml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_config({"HOME": str(tmp_path)}, tmp_path / "elsewhere") == own


def test_the_only_console_needs_no_name_and_several_do(write):
    config = read_config(write(COMPLETE))
    assert config.console() == config.console("prod")
    with pytest.raises(UsageError) as caught:
        config.console("prot")
    assert "'prod'" in caught.value.hint
    two = read_config(write(COMPLETE + '[console.test]\nurl = "https://test.example"\n'))
    with pytest.raises(UsageError, match="several"):
        two.console()


def test_a_report_that_is_not_configured_is_refused(write):
    config = read_config(write(COMPLETE))
    with pytest.raises(UsageError) as caught:
        config.report("monthy")
    assert "'monthly'" in caught.value.hint
