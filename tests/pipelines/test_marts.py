from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.dbt_run import DBT_PROJECT
from pipelines.marts import declared_marts

MODELS = {
    "models/staging/shop/stg_shop__sales": "select * from {{ source('shop', 'sales') }}",
    "models/intermediate/int_sales": "from {{ ref('stg_shop__sales') }}, {{ ref('rate') }}",
    "models/marts/sales/fct_sale": "select * from {{ ref('int_sales') }} -- {{ ref('fct_z') }}",
    "models/marts/sales/fct_a": "select {{ outer() }} from {{ ref('fct_sale') }}",
    "models/marts/cases/fct_case": "select * from {{ source('build', 'flat_case') }}",
}
MACROS = (
    "{% macro outer(x=1) %} {{ inner() }} {% endmacro %}"
    "{% macro inner() %} (select 1 from {{ source('build', 'build') }}, {{ ref('dim_day') }})"
    "{% endmacro %}"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {**MODELS, "macros/some": MACROS}.items():
        path = tmp_path / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "models/marts/sales/fct_sale.yml").write_text(
        "models:\n- name: fct_sale\n  description: One sale.\n"
        "  config: {meta: {zh: 每行一笔。}}\n"
        "  columns: [{name: amount, description: What was paid.}]\n",
        encoding="utf-8",
    )
    return tmp_path


def own_models(project: Path) -> Path:
    own = project / "site"
    (own / "marts" / "day").mkdir(parents=True)
    (own / "marts" / "day" / "dim_day.sql").write_text("select 1", encoding="utf-8")
    return own


def test_a_mart_is_made_of_the_marts_and_streams_behind_all_that_lies_between(
    project: Path,
) -> None:
    marts = {mart.name: mart for mart in declared_marts(project, own_models(project))}
    assert marts["fct_sale"].streams == {("shop", "sales")}
    assert marts["fct_sale"].marts == frozenset()
    assert marts["fct_a"].marts == {"fct_sale", "dim_day"}
    assert marts["fct_case"].streams == {("build", "flat_case")}
    assert marts["dim_day"].domain == "day"


def test_every_mart_stands_behind_those_it_is_made_of(project: Path) -> None:
    names = [mart.name for mart in declared_marts(project, own_models(project))]
    assert names.index("fct_a") > max(names.index("fct_sale"), names.index("dim_day"))


def test_description_and_columns_come_from_the_file_beside_the_model(project: Path) -> None:
    marts = {mart.name: mart for mart in declared_marts(project, own_models(project))}
    sale = marts["fct_sale"]
    assert (sale.description.zh, sale.description.en) == ("每行一笔。", "One sale.")
    assert sale.columns == {"amount": "What was paid."}


def test_marts_that_are_made_of_themselves_are_named(project: Path) -> None:
    (project / "models/marts/sales/fct_sale.sql").write_text("{{ ref('fct_a') }}")
    with pytest.raises(ValueError, match="fct_a"):
        declared_marts(project, own_models(project))


def test_every_shipped_mart_is_described_in_chinese_and_in_english() -> None:
    for mart in declared_marts(DBT_PROJECT, Path("none")):
        assert mart.description.en != mart.name, mart.name
        assert mart.description.zh != mart.description.en, mart.name
