"""What the documentation says of the models, held against their files."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from jinja2 import meta

from connectors.simulator.life_stories import STORIES
from pipelines.dbt_run import DBT_PROJECT
from pipelines.marts import declared_marts

MODELS = DBT_PROJECT / "models"
OVERVIEW = (MODELS / "overview.md").read_text(encoding="utf-8")
MARTS = sorted(path for path in (MODELS / "marts").rglob("*.sql"))
FINAL = re.compile(r"^final as \(\n    select\n(.*?)\n    from ", re.DOTALL | re.MULTILINE)
DOC = re.compile(r"\{\{\s*doc\('(\w+)'\)\s*\}\}")


def columns_of(sql: str) -> list[str]:
    """The names that the first select of `final` gives."""
    environment = jinja2.Environment()
    macros = meta.find_undeclared_variables(environment.parse(sql))
    rendered = environment.from_string(sql).render(dict.fromkeys(macros, _something))
    found = FINAL.search(rendered)
    assert found, "the model does not end with a select list named final"
    text = re.sub(r"--[^\n]*", "", found[1])
    items, depth, begun = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            items.append(text[begun:place])
            begun = place + 1
    return [re.findall(r"\w+", item)[-1] for item in [*items, text[begun:]]]


def _something(*_: Any, **__: Any) -> str:
    """What any macro gives; a select list is read without looking into it."""
    return "something"


@cache
def declared(kind: str) -> dict[str, dict[str, Any]]:
    """Models or seeds by name, as all .yml files declare them."""
    folder = MODELS if kind == "models" else DBT_PROJECT / kind
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {
        one["name"]: one
        for path in sorted(folder.rglob("*.yml"))
        for one in yaml.load(path.read_text(encoding="utf-8"), Loader=loader).get(kind) or []
    }


def test_the_columns_of_a_select_are_read_past_calls_cases_and_comments() -> None:
    sql = (
        "with\n\nfinal as (\n    select\n        a.x,\n        -- y, as it was\n"
        "        greatest(a.y, 1) as y,\n        {%- for n in range(1, 3) %}\n"
        "        a.l{{ n }}_id,\n        {%- endfor %}\n        case when a.z then {{ key(['q']) }}"
        " end\n            as z\n    from a\n)\n\nselect * from final\n"
    )
    assert columns_of(sql) == ["x", "y", "l1_id", "l2_id", "z"]


@pytest.mark.parametrize("path", MARTS, ids=lambda path: path.stem)
def test_every_column_of_a_mart_is_described_and_no_other(path: Path) -> None:
    selected = columns_of(path.read_text(encoding="utf-8"))
    told = {one["name"]: one.get("description") for one in declared("models")[path.stem]["columns"]}
    assert sorted(told) == sorted(selected)
    assert [name for name in selected if not (told[name] or "").strip()] == []


@pytest.mark.parametrize("kind", ["models", "seeds"])
def test_the_first_sentence_of_every_table_says_what_one_row_is(kind: str) -> None:
    suffix = {"models": "sql", "seeds": "csv"}[kind]
    files = {path.stem for path in (DBT_PROJECT / kind).rglob(f"*.{suffix}")}
    found = declared(kind)
    assert found.keys() == files
    assert [
        name for name, one in found.items() if not one.get("description", "").startswith("One ")
    ] == []


def test_every_mart_tells_in_chinese_what_one_row_is() -> None:
    marts = {mart.name: mart for mart in declared_marts(DBT_PROJECT, Path("none"))}
    assert marts.keys() == {path.stem for path in MARTS}
    assert [name for name, one in marts.items() if "行" not in one.description.zh] == []


def test_every_word_that_a_column_borrows_is_declared_and_every_declared_one_is_borrowed() -> None:
    terms = re.findall(r"\{% docs (\w+) %\}", (MODELS / "terms.md").read_text(encoding="utf-8"))
    texts = [path.read_text(encoding="utf-8") for path in MODELS.rglob("*.yml")]
    assert sorted(terms) == sorted({name for text in texts for name in DOC.findall(text)})


def test_where_marts_are_shown_a_borrowed_word_is_written_out() -> None:
    marts = {mart.name: mart for mart in declared_marts(DBT_PROJECT, Path("none"))}
    assert marts["fct_sale"].columns["currency"] == (
        "ISO code of the currency that the amounts of the row are in."
    )
    assert not [one for one in marts.values() for text in one.columns.values() if "{{" in text]


def test_the_overview_lists_every_fact_in_both_languages() -> None:
    facts = sorted(path.stem for path in MARTS if path.stem.startswith("fct_"))
    english, chinese = OVERVIEW.split("# 反馈数据仓库")
    linked = re.findall(r"^\| \[(fct_\w+)\]\(#!/model/model\.huiyin\.(fct_\w+)\) \|", english, re.M)
    assert sorted(name for name, _ in linked) == facts
    assert all(name == place for name, place in linked)
    assert sorted(re.findall(r"^\| (fct_\w+) \|", chinese, re.M)) == facts


def test_every_link_of_the_overview_leads_to_a_model() -> None:
    linked = re.findall(r"#!/model/model\.huiyin\.(\w+)\)", OVERVIEW)
    assert linked and set(linked) <= declared("models").keys()


@pytest.mark.parametrize("part", [0, 1], ids=["english", "chinese"])
def test_the_case_of_the_overview_is_the_life_written_by_hand(part: int) -> None:
    text = OVERVIEW.split("# 反馈数据仓库")[part]
    story = next(one for one in STORIES if one.name == "everything")
    assert story.case_no in text
    # A day and a time without its year and seconds, as the tables show them.
    short = [story.created[5:16], *(when[5:16] for when, *_ in story.events)]
    shown = re.findall(r"^\| (?:\w{2,3}) (\d\d-\d\d \d\d:\d\d) \|", text, re.M)
    assert shown == short
    clocks = [
        (f"{clock} {ordinal}", started[5:16], due[5:16], stopped[5:16], elapsed, state)
        for clock, ordinal, _, _, started, due, stopped, elapsed, state, _ in story.clocks
    ]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if re.match(r"\| \w+ \d+ \|", line)
    ]
    assert clocks == [
        (row[0], row[2], row[3], row[4], int(row[5].replace(" ", "")), row[6]) for row in rows
    ]
