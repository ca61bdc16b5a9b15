"""What the documents tell people to type works, and what they link to is there."""

from __future__ import annotations

import importlib
import re
import shlex

import click
import pytest

from kubedossier.analytics.config import read_config
from kubedossier.cli import COMMANDS, cli

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def typed(text: str) -> list[list[str]]:
    """The kubedossier commands in the code blocks of a document, as argument lists."""
    blocks = re.findall(r"^```(?:sh|bash|console|shell)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    calls = [line.strip().removeprefix("$ ") for line in lines]
    return [shlex.split(call.split(" | ")[0], comments=True)[1:] for call in calls if call.startswith("kubedossier ")]


def unknown(arguments: list[str]) -> str:
    """What of a command line the program does not know; empty when it knows all."""
    names = {option for each in cli.params for option in each.opts} | {"-h", "--help"}
    for argument in arguments:
        if argument in COMMANDS:
            command: click.Command = importlib.import_module(f"kubedossier.cli.{COMMANDS[argument][0]}").command
            names |= {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            break
    else:
        if not {"--help", "--version"} & set(arguments):
            return f"no command in {arguments}"
    options = {argument.split("=")[0] for argument in arguments if re.match(r"--?[a-z]", argument)}
    return " ".join(sorted(options - names))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_in_a_document_is_one_the_program_knows(checkout, name):
    text = (checkout / name).read_text("utf-8")
    assert [f"{shlex.join(each)}: {unknown(each)}" for each in typed(text) if unknown(each)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_in_a_document_is_there(checkout, name):
    targets = set(re.findall(r"^([a-z]+):", (checkout / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (checkout / name).read_text("utf-8")
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))
    assert named - targets == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_inside_the_tree_leads_somewhere(checkout, name):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (checkout / name).read_text("utf-8"))
    assert [link for link in links if not (checkout / link).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_configuration_in_a_document_is_one_the_program_takes(checkout, name, tmp_path):
    for block in re.findall(r"^```toml\n(.*?)^```", (checkout / name).read_text("utf-8"), re.MULTILINE | re.DOTALL):
        path = tmp_path / "kubedossier.toml"
        path.write_text(block, "utf-8")
        assert read_config(path).path == path


def test_a_wrong_command_would_be_found():
    blocks = "```sh\nkubedossier demo --nonsense\nkubedossier nothing\nkubedossier --version\n```\n"
    assert [bool(unknown(each)) for each in typed(blocks)] == [True, True, False]
