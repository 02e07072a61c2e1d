"""Digests and rules against the named queries of the cubes."""

from __future__ import annotations

from typing import Any

import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.errors import DeclarationError
from notifications.reference import check_references


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The shipped cubes and queries."""
    return load_catalogue([shipped_folder()])


def test_every_shipped_digest_and_rule_asks_what_the_cubes_answer(
    catalogue: Catalogue, declared: Any
) -> None:
    _, digests, rules = declared
    check_references(catalogue, digests, rules)


def faults(catalogue: Catalogue, digests: Any, rules: Any) -> str:
    """The text of the faults."""
    with pytest.raises(DeclarationError) as caught:
        check_references(catalogue, digests, rules)
    return str(caught.value)


def test_a_name_nobody_answers_to_is_reported_with_the_nearest_one(
    catalogue: Catalogue, declared: Any
) -> None:
    _, digests, rules = declared
    sales, surge = digests["daily_sales"], rules["complaints_surge"]
    tables = {
        **sales.tables,
        "unit": sales.tables["unit"].model_copy(update={"query": "daily_sale"}),
        "families": sales.tables["families"].model_copy(update={"by": ("produkt.family",)}),
    }
    wrong = sales.model_copy(update={"tables": tables})
    found = faults(
        catalogue,
        {"daily_sales": wrong},
        {"complaints_surge": surge.model_copy(update={"measure": "complaint", "day": "made.day"})},
    )
    assert "there is no query 'daily_sale' (did you mean 'daily_sales'?)" in found
    assert "no dimension 'produkt' (did you mean 'product'?)" in found
    assert "no measure 'complaint' (did you mean 'complaints'?)" in found
    assert "'day' cannot be 'made.day'" in found


def test_a_comparison_that_the_query_does_not_make_is_reported(
    catalogue: Catalogue, declared: Any
) -> None:
    _, digests, _ = declared
    queries = {
        name: query.model_copy(update={"compare": None})
        for name, query in catalogue.queries.items()
    }
    bare = Catalogue(catalogue.dimensions, catalogue.cubes, queries, catalogue.files)
    found = faults(bare, {"daily_sales": digests["daily_sales"]}, {})
    assert "'revenue_change_ratio' is used, but query 'daily_sales' compares nothing" in found
