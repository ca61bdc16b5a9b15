"""What the fault tests share: the kit beside them, runs that fork, and how much is to be tried."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from faultkit import straced
from faultkit.nursery import Nursery
from faultkit.outputs import OutputBench
from faultkit.workload import SCENARIOS, Bench, write_input

# Read before any test takes the variables of whoever runs it away.
EVERYTHING = os.environ.get("KUBEDOSSIER_FAULTS") == "all"


@pytest.fixture(scope="session")
def nursery():
    """Forks runs of the command line."""
    process = Nursery()
    yield process
    process.close()


@pytest.fixture(scope="session")
def benches(nursery, tmp_path_factory):
    """Benches by name, each made when it is first asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Bench(tmp_path_factory.mktemp(name), nursery, name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def snapshots(nursery, tmp_path_factory):
    """A snapshot of a Console, which is an archive that is served."""
    case = tmp_path_factory.mktemp("console")
    write_input(case / "all.ndjson", 0, 45)
    assert nursery.run(case, "import", "all.ndjson").code == 4
    with subprocess.Popen(
        straced.command(case, "serve", "--plain-http", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=straced.environment(case),
    ) as console:
        try:
            address = console.stdout.readline().strip()
            yield Bench(tmp_path_factory.mktemp("snapshot"), nursery, "snapshot", address)
        finally:
            console.terminate()


@pytest.fixture(scope="session")
def output_benches(nursery, tmp_path_factory):
    """Benches of output files, by name and whether there is an old one."""
    made = {}

    def get(name, old):
        if (name, old) not in made:
            made[name, old] = OutputBench(tmp_path_factory.mktemp(name), nursery, name, old=old)
        return made[name, old]

    return get


@pytest.fixture(params=[one for one in SCENARIOS if one != "snapshot"])
def bench(request, benches):
    """Each kind of run that changes an archive."""
    return benches(request.param)


@pytest.fixture(params=["first", "next"])
def imports(request, benches):
    """Imports alone: into nothing, and into an archive that has half of it."""
    return benches(request.param)


@pytest.fixture
def first_bench(benches):
    """An import into nothing."""
    return benches("first")


@pytest.fixture(scope="session")
def everything():
    """Whether all is to be tried."""
    return EVERYTHING


@pytest.fixture(scope="session")
def sample():
    """A seeded choice of a few of many; all of them with KUBEDOSSIER_FAULTS=all."""

    def choose(many, few):
        many = list(many)
        return many if EVERYTHING or len(many) <= few else random.Random(20261123).sample(many, few)

    return choose
