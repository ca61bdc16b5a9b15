"""The OpenAPI description: the vendor's contract for the paths that are served, and what is served is as described."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from kubedossier.analytics.serve.app import build_app, description
from kubedossier.analytics.serve.auth import Access, Account
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.vocabulary import PROVIDERS, techniques

LOGIN = ("reader", "geheim")
BASE = "/api/v33.01/"
OURS = {BASE + "authenticate/renew", BASE + "openapi.json"}
WORDS = {"description", "summary"}


def bare(value: Any) -> Any:
    """A description without its texts, with flat lists of values."""
    if isinstance(value, dict):
        flat = {key: bare(inner) for key, inner in value.items() if key not in WORDS}
        if isinstance(flat.get("enum"), list) and isinstance(flat["enum"][0], list):
            flat["enum"] = flat["enum"][0]
        return flat
    return [bare(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def contract(extracts):
    """The vendor's contract."""
    return bare(json.loads((extracts / "openapi-33.01-audits-kubernetes.json").read_text()))


@pytest.fixture(scope="module")
def own():
    return bare(json.loads(description()))


def test_the_paths_are_the_vendors_and_what_is_ours_is_named(contract, own):
    assert set(own["paths"]) - OURS == set(contract["paths"])


@pytest.mark.parametrize(
    "path", ["audits/kubernetes", "audits/kubernetes/download", "authenticate", "version", "_ping"]
)
def test_a_paths_contract_is_the_vendors(contract, own, path):
    (method, theirs), *more = contract["paths"][BASE + path].items()
    ours = own["paths"][BASE + path][method]
    assert not more
    for key in ("operationId", "parameters", "requestBody", "tags", "x-prisma-cloud-target-env"):
        assert ours.get(key) == theirs.get(key)
    assert set(ours["responses"]) == set(theirs["responses"])


@pytest.mark.parametrize("path", ["audits/kubernetes", "authenticate", "version"])
def test_an_answers_content_is_the_vendors(contract, own, path):
    (theirs,), (ours,) = (one["paths"][BASE + path].values() for one in (contract, own))
    assert ours["responses"]["200"]["content"] == theirs["responses"]["200"]["content"]


def test_the_shapes_of_the_content_are_the_vendors_but_for_the_null_of_an_empty_page(contract, own):
    ours, theirs = own["components"]["schemas"], contract["components"]["schemas"]
    assert ours.pop("error")
    assert ours["-_kubeaudit.Audit"].pop("nullable") is True
    assert ours == {name: theirs[name] for name in ours}


def test_its_values_are_those_of_the_vocabulary():
    schemas = json.loads(description())["components"]["schemas"]
    assert sorted(schemas["mitre.Technique"]["enum"]) == sorted(techniques())
    assert sorted(schemas["common.CloudProvider"]["enum"]) == sorted(PROVIDERS)


def test_every_reference_in_it_leads_somewhere():
    text = description().decode()
    found = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert found == set(json.loads(text)["components"]["schemas"])


def test_it_is_served_to_those_who_may_come_in(served):
    answer = served.get(path="/api/v1/openapi.json")
    assert (answer.status_code, answer.content) == (200, description())
    assert served.get(path="/api/v1/openapi.json", auth=("nobody", "x")).status_code == 401


# A text that is no field cannot be sorted by, and a negative offset leaves nothing out; the contract says neither.
# What is empty or unknown is ignored, because the Console's clients send such things.
BEYOND_THE_CONTRACT = [positive_data_acceptance, negative_data_rejection]


@pytest.fixture(scope="module")
def described(filled):
    """The served API, seen through its description."""
    app = build_app(Pages(filled), Access((Account(*LOGIN),)))
    schema = schemathesis.openapi.from_dict(json.loads(description()))
    schema.app = app
    return schema


AUDITS, DOWNLOAD, LOG_IN = "get-audits-kubernetes", "get-audits-kubernetes-download", "post-authenticate"
REST = ["get-authenticate-renew", "get-version", "get-_ping", "get-openapi"]  # which take nothing that could be wrong
ASKED = [(one, mode) for one in (AUDITS, DOWNLOAD, LOG_IN) for mode in schemathesis.GenerationMode]
ASKED += [(one, schemathesis.GenerationMode.POSITIVE) for one in REST]


@pytest.mark.parametrize(("operation", "mode"), ASKED)
def test_whatever_is_asked_the_answer_is_as_described(described, operation, mode):
    chosen = described.find_operation_by_id(operation)

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=chosen.as_strategy(generation_mode=mode))
    def ask(case):
        case.call_and_validate(auth=LOGIN, excluded_checks=BEYOND_THE_CONTRACT)

    ask()
