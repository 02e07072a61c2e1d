"""Questions of which some layers give a wrong number, on a few rows that fit in a head.

`print_answers` prints, for each, the truth by hand, ours and those of the peers, and which differ.
It runs in the peers' environment, see `tests.benchmarks.star_schema_peers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from cubes.catalogue import check_catalogue, load_catalogue
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.warehouse import read_warehouse
from tests.benchmarks.semantic_peers import MODELS, Cuts, boring, metricflow

# Unit 2 moved from North to South in February, unit 3 paid its balance in February; one sale has no
# unit, one a unit that is unknown.
TABLES = """
create table unit as
select * from (values (1, 'A', 'North'), (2, 'B', 'South'), (3, 'C', 'South'))
    as rows (unit_id, unit_name, region);
create table unit_history as
select * from (values
    (1, 'A', 'North', date '1900-01-01', date '9999-12-31'),
    (2, 'B', 'North', date '1900-01-01', date '2026-02-01'),
    (2, 'B', 'South', date '2026-02-01', date '9999-12-31'),
    (3, 'C', 'South', date '1900-01-01', date '9999-12-31'))
    as rows (unit_id, unit_name, region, valid_from, valid_to);
create table days as
select day::date as day
from range(timestamp '2025-12-01', timestamp '2026-04-01', interval 1 day) as rows (day);
create table sale as
select
    sale_id, unit_id, buyer, sold_on,
    amount::decimal(12, 2) as amount, cost::decimal(12, 2) as cost
from (values
    (1, 1, 'ann', date '2026-01-10', 100, 90),
    (2, 1, 'bob', date '2026-01-20', 100, 50),
    (3, 2, 'ann', date '2026-01-25', 10, 1),
    (4, 2, 'cid', date '2026-02-10', 10, 1),
    (5, 3, 'ann', date '2026-02-28', 30, 15),
    (6, null, 'dan', date '2026-02-21', 50, 25),
    (7, 9, 'eve', date '2026-02-22', 50, 25),
    (8, 3, 'ann', date '2026-03-05', 4, 2))
    as rows (sale_id, unit_id, buyer, sold_on, amount, cost);
create table complaint as
select * from (values
    (1, 1, date '2026-01-11'), (2, 2, date '2026-02-11'),
    (3, null, date '2026-02-21'), (4, null, date '2026-02-22'))
    as rows (complaint_id, unit_id, raised_on);
create table balance as
select * from (values
    (1, date '2026-01-31', 100), (2, date '2026-01-31', 40), (3, date '2026-01-31', 7),
    (1, date '2026-02-27', 80), (2, date '2026-02-27', 30),
    (1, date '2026-02-28', 70))
    as rows (unit_id, day, amount);
"""
_SOUTH: Cuts = (("unit.region", ("South",)),)


@dataclass(frozen=True)
class Question:
    """A question with its true answer, which is the total or the figure of one `member`.

    The peers are asked the same measure, axes and cuts as the cube, or what `boring` and
    `metricflow` say instead; `more` is what only our query has. `before` changes the data first.
    """

    title: str
    truth: Any
    cube: str
    measure: str
    by: tuple[str, ...] = ()
    cuts: Cuts = ()
    member: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    boring: Mapping[str, Any] = field(default_factory=dict)
    metricflow: Mapping[str, Any] = field(default_factory=dict)
    before: str = ""


_TWO_FACTS = {"model": "unit_with_facts", "measures": ("complaint.complaints", "bare_sale.sales")}
QUESTIONS = (
    Question(
        "cost / revenue in total, no mean of shares", 209 / 354, "sale", "cost_share"
    ),
    Question(
        "cost / revenue where the unit is none or unknown", 0.5, "sale", "cost_share",
        by=("unit.region",), member="null",
    ),
    Question("different buyers in total, no sum of regions", 5, "sale", "buyers"),
    Question("balance on the last day", 70, "balance", "balance"),
    Question(
        "balance on the last day, South (it owes nothing any more)", 0, "balance", "balance",
        cuts=_SOUTH,
    ),
    Question(
        "balance at the end of February by month, South", 0, "balance", "balance",
        by=("balance_day.month",), cuts=_SOUTH, member="2026-02-01",
        more={"period": "2026-01..2026-02", "fill": "zero"},
        boring={"by": ()}, metricflow={"by": ("metric_time.month",)},
    ),
    Question(
        "complaints / sale in total", 4 / 8, "sale", "complaints_per_sale", boring=_TWO_FACTS
    ),
    Question(
        "complaints / sale where the unit is none or unknown", 1.0, "sale", "complaints_per_sale",
        by=("unit.region",), member="null",
        boring={**_TWO_FACTS, "by": ("unit_with_facts.region",)},
    ),
    Question(
        "revenue of North as units were when it was sold", 210, "sale", "revenue",
        by=("unit.region",), member="North", more={"as_was": True},
        boring={"model": "then", "by": ("then.region",), "measures": ("sale.revenue",)},
        metricflow={"by": ("unit_then.region",)},
    ),
    Question(
        "revenue of the month before, first quarter", 240 + 110, "sale", "revenue",
        more={"period": "2025-12..2026-02"},
        boring={"cuts": (("sold", ("2025-12-01..2026-02-28",)),)},
        metricflow={
            "measures": ("revenue_of_the_month_before",), "by": ("metric_time.quarter",),
            "member": "2026-01-01",
        },
    ),
    Question(
        "revenue of a region that does not exist ('Sout')", "refused", "sale", "revenue",
        cuts=(("unit.region", ("Sout",)),),
    ),
    Question(
        "revenue of North when unit 1 is there twice", "200 or refused", "sale", "revenue",
        by=("unit.region",), member="North",
        before="insert into unit values (1, 'A again', 'North')",
    ),
)  # fmt: skip


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _value(names: Sequence[str], rows: list[tuple[Any, ...]], member: str | None) -> Any:
    """The figure of the member (or of the only row); a quotient where two figures are given."""
    for row in rows:
        if member is None or any(_text(cell) == member for cell in row[: len(names)]):
            figures = row[len(names) :]
            return figures[0] if len(figures) == 1 else figures[0] / figures[1]
    return None if member is None else "no row"


def _text(cell: Any) -> str:
    return "null" if cell is None else str(cell).removesuffix(" 00:00:00")


def ours(connection: duckdb.DuckDBPyConnection, question: Question) -> Any:
    """Our answer; the declarations are checked against the database as a build does."""
    catalogue = load_catalogue([MODELS / "answers_cubes"])
    check_catalogue(catalogue, connection)
    query = CubeQuery.from_mapping(
        {
            "cube": question.cube,
            "measures": question.measure,
            "by": question.by,
            "cuts": dict(question.cuts),
            **question.more,
        }
    )
    result = run_query(
        catalogue,
        connection,
        query,
        scope=Scope.all(),
        business_date=None,
        language="en",
        warehouse=read_warehouse(connection),
    )
    rows = [tuple(row.values()) for row in result.rows]
    return _value(question.by, rows, question.member)


def by_boring(connection: duckdb.DuckDBPyConnection, question: Question) -> Any:
    """The boring semantic layer's answer."""
    asked: dict[str, Any] = {
        "measures": (question.measure,),
        "by": question.by,
        **question.boring,
    }
    model = asked.get("model", question.cube)
    if model == "then":
        peer = boring(connection, "answers", "sale")
        sql = _as_was(connection, asked)
    else:
        peer = boring(connection, "answers", model)
        sql = peer.sql(asked["measures"], asked["by"], asked.get("cuts", question.cuts))
    return _read(
        connection,
        sql,
        [peer.column(name) for name in asked["by"]],
        [peer.column(name) for name in asked["measures"]],
        question.member,
    )


def _as_was(connection: duckdb.DuckDBPyConnection, asked: Mapping[str, Any]) -> str:
    """A history is joined by more than equal keys, which its YAML cannot say, only Python."""
    import ibis
    from boring_semantic_layer import to_semantic_table

    backend = ibis.duckdb.from_connection(connection)
    then = to_semantic_table(backend.table("unit_history"), name="then").with_dimensions(
        region=lambda table: table.region
    )
    sale = to_semantic_table(backend.table("sale"), name="sale").with_measures(
        revenue=lambda table: table.amount.sum()
    )
    joined = sale.join_one(
        then,
        on=lambda fact, version: (
            (fact.unit_id == version.unit_id)
            & (version.valid_from <= fact.sold_on)
            & (fact.sold_on < version.valid_to)
        ),
    )
    return str(joined.query(dimensions=asked["by"], measures=asked["measures"]).sql())


def by_metricflow(connection: duckdb.DuckDBPyConnection, question: Question) -> Any:
    """MetricFlow's answer."""
    peer = metricflow("answers", question.cube)
    asked: dict[str, Any] = {
        "measures": (question.measure,),
        "by": question.by,
        "member": question.member,
        **question.metricflow,
    }
    sql = peer.sql(asked["measures"], asked["by"], question.cuts)
    names = [peer.column(name) for name in asked["by"]]
    return _read(connection, sql, names, list(asked["measures"]), asked["member"])


def _read(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    axes: list[str],
    measures: list[str],
    member: str | None,
) -> Any:
    cursor = connection.execute(sql)
    found = [item[0] for item in cursor.description or ()]
    places = [found.index(name) for name in (*axes, *measures)]
    rows = [tuple(row[place] for place in places) for row in cursor.fetchall()]
    return _value(axes, rows, member)


def _said(ask: Callable[[duckdb.DuckDBPyConnection, Question], Any], question: Question) -> str:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        if question.before:
            connection.execute(question.before)
        try:
            value = ask(connection, question)
        except Exception as error:
            return f"refused: {_first_line(error)[:90]}"
        return f"{value:.4g}" if isinstance(value, float) else _text(value)


def print_answers() -> None:
    """The table of all questions."""
    print("\n| question | truth | ours | boring-semantic-layer | metricflow |")
    print("|---|---|---|---|---|")
    for question in QUESTIONS:
        truth = question.truth
        told = f"{truth:.4g}" if isinstance(truth, float) else str(truth)
        answers = [_said(ask, question) for ask in (ours, by_boring, by_metricflow)]
        print(f"| {question.title} | {told} | {' | '.join(answers)} |")


if __name__ == "__main__":
    print_answers()
