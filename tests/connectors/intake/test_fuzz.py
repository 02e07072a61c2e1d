"""A schema-driven fuzz of the whole interface finds no 5xx."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode

from tests.connectors.intake.server import Server
from tests.soak import examples

EXAMPLES = examples(10, most=1000)


@pytest.mark.soak
def test_no_request_derived_from_the_description_fails_the_server(tmp_path: Path) -> None:
    seen: list[int] = []
    with Server(tmp_path / "home") as server:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
        bounded = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        for operation in [found.ok() for found in schema.get_all_operations()]:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if mode is GenerationMode.NEGATIVE and operation.path == "/health":
                    continue

                @bounded
                @given(case=operation.as_strategy(generation_mode=mode))
                def send(case: Case) -> None:
                    status = case.call().status_code
                    seen.append(status)
                    assert status < 500

                send()
    assert len(seen) > EXAMPLES and 202 in seen and 422 in seen
