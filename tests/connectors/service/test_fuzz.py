"""A schema-driven fuzz of the service finds no 5xx and no answer outside the packet's form."""

from __future__ import annotations

import pyarrow
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode

from connectors.service.answer_stream import ARROW
from connectors.service.refusal import load_codes
from tests.connectors.service.conftest import Served
from tests.soak import examples

EXAMPLES = examples(15, most=500)


@pytest.mark.soak
def test_no_request_derived_from_the_description_fails_the_server(served: Served) -> None:
    seen: list[int] = []
    address = f"http://127.0.0.1:{served.server.port}"
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    bounded = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    for operation in [found.ok() for found in schema.get_all_operations()]:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if operation.path == "/health":
                continue

            @bounded
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Case) -> None:
                case.headers = {"Authorization": f"Bearer {served.trial.key}"}
                answer = case.call()
                seen.append(answer.status_code)
                assert answer.status_code < 500
                if answer.headers["content-type"][0] == ARROW:
                    assert answer.status_code == 200
                    assert pyarrow.ipc.open_stream(answer.content).read_all() is not None
                    return
                body = answer.json()
                assert set(body) == {"id", "code", "message", "data", "snapshot"}
                assert load_codes()[body["code"]].status == answer.status_code

            send()
    assert len(seen) > EXAMPLES and {200, 422} <= set(seen)


def test_every_operation_is_described_with_an_example(served: Served) -> None:
    described = served.server.request("GET", "/openapi.json").json
    content = described["paths"]["/v1/packets"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    for name, example in examples.items():
        answer = served.trial.packet(example["value"])
        # An example names things of a home; its form is right in every one.
        assert answer.json["code"] in {"ok", "tested", "not_found", "invalid"}, (name, answer.text)
        if answer.json["code"] == "invalid":
            fields = {fault["field"] for fault in answer.json["data"]["faults"]}
            assert not fields & set(example["value"]["params"]) - {"unit"}, (name, answer.text)
