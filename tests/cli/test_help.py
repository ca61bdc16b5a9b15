"""The help: quick, narrow enough for a terminal, and with an example for each command."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from kubedossier import __version__
from kubedossier.cli import COMMANDS, cli

HEAVY = (
    "duckdb",
    "httpx",
    "jinja2",
    "msgspec",
    "numpy",
    "polars",
    "pyarrow",
    "rich",
    "starlette",
    "uvicorn",
    "weasyprint",
)
LOADED = """
import json, sys
from kubedossier.__main__ import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["kubedossier", *arguments]
    try:
        main()
    except SystemExit as done:
        assert not done.code, arguments
heavy = [name for name in json.loads(sys.argv_heavy) if name in sys.modules]
print("LOADED", json.dumps(heavy))
""".replace("sys.argv_heavy", repr(json.dumps(HEAVY)))


def loaded_by(*commands: list[str]) -> list[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running these commands."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(commands)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout.rsplit("LOADED ", 1)[1])
    return names


def invoke(*arguments: str, columns: int = 80) -> str:
    result = CliRunner().invoke(cli, list(arguments), terminal_width=columns, prog_name="kubedossier")
    assert result.exit_code == 0, result.output
    return result.output


def test_help_and_version_load_nothing_heavy():
    assert loaded_by(["--help"], ["--version"]) == []


def test_the_help_of_no_command_loads_anything_heavy():
    assert loaded_by(*([name, "--help"] for name in COMMANDS)) == []


def test_the_version_is_the_packages():
    assert invoke("--version") == f"kubedossier, version {__version__}\n"


def test_the_help_names_every_command():
    text = invoke("--help")
    for name, (_, short) in COMMANDS.items():
        assert f"  {name} " in text
        assert short in text


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_eighty_columns(name):
    text = invoke(*filter(None, [name]), "--help")
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_list_of_commands_is_cut(name):
    listed = invoke(name, "--help").partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_gives_an_example_that_parses(name):
    command = importlib.import_module(f"kubedossier.cli.{COMMANDS[name][0]}").command
    assert isinstance(command, click.Command)
    assert command.help
    text = invoke(name, "--help")
    examples = text.split("Examples:\n")[1].splitlines()
    assert any(f"kubedossier {name}" in line for line in examples)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_explains_itself(name):
    command = importlib.import_module(f"kubedossier.cli.{COMMANDS[name][0]}").command
    silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert silent == []


def test_a_misspelt_command_names_the_nearest():
    result = CliRunner().invoke(cli, ["snapshoot"])
    assert result.exit_code == 2
    assert "Did you mean 'snapshot'?" in result.output


def test_the_archive_comes_from_option_then_environment_then_configuration_then_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def archive(*arguments: str) -> str:
        seen = []
        group = click.Group("kubedossier", params=cli.params, callback=cli.callback, context_settings={})
        group.add_command(
            click.Command("look", callback=click.pass_obj(lambda obj: seen.append(str(obj.archive_path()))))
        )
        CliRunner().invoke(group, [*arguments, "look"], auto_envvar_prefix="KUBEDOSSIER", catch_exceptions=False)
        return seen[0]

    assert archive() == "dossier"
    (tmp_path / "kubedossier.toml").write_text('archive = "configured"')
    assert archive() == "configured"
    other = tmp_path / "other.toml"
    other.write_text('archive = "named"')
    assert archive("--config", str(other)) == str(tmp_path / "named")
    monkeypatch.setenv("KUBEDOSSIER_ARCHIVE", "from-environment")
    assert archive() == "from-environment"
    assert archive("--archive", "option") == "option"


def test_an_option_of_a_command_reads_its_own_environment_variable(monkeypatch):
    monkeypatch.setitem(COMMANDS, "look", ("look", "For this test."))
    seen = []
    look = click.Command("look", params=[click.Option(["--at"])], callback=lambda at: seen.append(at))
    monkeypatch.setitem(sys.modules, "kubedossier.cli.look", type(sys)("look"))
    monkeypatch.setattr(sys.modules["kubedossier.cli.look"], "command", look, raising=False)
    monkeypatch.setenv("KUBEDOSSIER_LOOK_AT", "the environment")
    CliRunner().invoke(cli, ["look"], catch_exceptions=False)
    CliRunner().invoke(cli, ["look", "--at", "the option"], catch_exceptions=False)
    assert seen == ["the environment", "the option"]


@pytest.mark.parametrize("name", ["KUBEDOSSIER_VERBOSE", "KUBEDOSSIER_LOG_FORMAT", "KUBEDOSSIER_VERSION"])
def test_no_unscoped_name_is_read_but_the_documented_ones(monkeypatch, name):
    monkeypatch.setenv(name, "nonsense")
    assert "Commands:" in invoke("--help")
