"""The commands about cubes on any DuckDB file with any folder of declarations."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow
import pytest

from tests.pipelines.conftest import Command

FILES = {
    "dimensions/org": """
dimension: org
label: {zh: 门店, en: Shop}
table: shop
key: shop_id
code: shop_code
scope: true
parent: {table: town, key: town_id, on: town_id}
history: shop_then
hierarchies:
  org: {levels: [{name: province, sql: parent.province}, {name: prefecture, sql: parent.town}]}
attributes:
  size: {sql: "case when staff > 10 then 'big' else 'small' end", label: {zh: 规模, en: Size}}
""",
    "definitions/orders": """
cube: orders
label: {zh: 订单, en: Orders}
fact: sales_order
where: not is_test
time: {created: created_at, resolved: shipped_on}
joins: {org: shop_id}
dimensions:
  kind: {sql: kind, label: {zh: 类型, en: Kind}}
  weekday: {sql: "dayofweek(created_at)"}
details:
  order_no: {zh: 订单号, en: Order number}
measures:
  orders: {agg: count, label: {zh: 订单数, en: Orders}}
  amount: {agg: sum, sql: price * pieces, format: money, label: {zh: 金额, en: Amount}}
  big: {agg: count, where: org.staff > 10}
  big_share: {ratio: [big, orders], format: percent}
  buyers: {agg: count_distinct, sql: buyer}
""",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "cubes" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    file = tmp_path / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        run_ = connection.execute
        run_("create table town as select * from (values (1, '四川', '成都'), (2, '四川', '绵阳'), "
             "(3, '云南', '昆明')) t(town_id, province, town)")  # fmt: skip
        run_("create table shop as select * from (values (10, 'A1', 1, 20), (11, 'A2', 1, 5), "
             "(12, 'B1', 2, 30), (13, 'C1', 3, 8)) "
             "t(shop_id, shop_code, town_id, staff)")  # fmt: skip
        run_("create table shop_then as select shop_id, shop_code, "
             "case when shop_id = 11 then 2 else town_id end as town_id, staff, "
             "date '2000-01-01' as valid_from, date '2026-03-01' as valid_to from shop "
             "union all select *, date '2026-03-01', date '9999-12-31' from shop")  # fmt: skip
        run_("create table sales_order (order_no varchar, shop_id int, created_at timestamp, "
             "shipped_on date, kind varchar, price decimal(9, 2), pieces int, buyer varchar, "
             "is_test boolean)")  # fmt: skip
        run_("insert into sales_order values "
             "('o1', 10, '2026-01-05 10:00', '2026-01-06', 'complaint', 1.50, 2, 'x', false), "
             "('o2', 11, '2026-02-10 10:00', '2026-03-01', 'report', 2.00, 1, 'x', false), "
             "('o3', 12, '2026-03-02 10:00', null, 'praise', 4.00, 1, 'y', false), "
             "('o4', 12, '2026-03-30 10:00', null, null, 8.00, 1, 'z', false), "
             "('o5', null, '2025-03-02 10:00', null, 'a, b', 1.00, 1, null, false), "
             "('o6', 10, '2026-03-30 10:00', null, 'report', 99.00, 1, 'q', true)")  # fmt: skip
    return file


@pytest.fixture
def cube(huiyin: Command, shop: Path, tmp_path: Path) -> Command:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        return huiyin("cube", "--db", shop, "--definitions", tmp_path / "cubes", *arguments)

    return call


def rows(cube: Command, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = cube("query", "orders", *arguments, "--format", "json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)["rows"]
    return found


def test_nothing_is_made_in_the_home_by_asking_another_file(cube: Command, tmp_path: Path) -> None:
    assert cube("query", "orders", "--measures", "orders")[0] == 0
    assert not (tmp_path / "home").exists()


def test_check_list_and_describe_in_both_languages(cube: Command) -> None:
    assert "1 个立方体、1 个维度" in cube("check")[1]
    assert "1 cubes, 1 dimensions" in cube("check", "--language", "en")[1]
    assert json.loads(cube("check", "--format", "json")[1])["cubes"] == 1
    assert "订单" in cube("list")[1]
    described = json.loads(cube("describe", "orders", "--format", "json")[1])
    assert "org.prefecture" in described["dimensions"][0]["levels"]
    assert described["dimensions"][0]["has_history"]


@pytest.mark.parametrize(
    ("cuts", "orders"),
    [
        (["org=四川/成都"], 2),
        (["org=四川"], 4),
        (["org.prefecture=成都,昆明"], 2),
        (["org=#A2"], 1),
        (["created=2026-01..2026-03"], 4),
        (["created=2026-01,2026-03"], 3),
        (["kind=complaint,report"], 2),
        (["kind=complaint,"], 2),
        (["kind="], 1),
        (["kind=a\\, b"], 1),
        (["org.size=big", "created=2026-03"], 2),
        (["weekday=1"], 3),
        (["resolved=2026-03"], 1),
    ],
)
def test_cuts_are_written_as_people_think(cube: Command, cuts: list[str], orders: int) -> None:
    given = [word for cut in cuts for word in ("--cut", cut)]
    assert rows(cube, "--measures", "orders", *given) == [{"orders": orders}]


def test_times_totals_order_and_limit(cube: Command) -> None:
    code, out, _ = cube(
        "query", "orders", "--measures", "orders,amount,big_share,buyers",
        "--by", "org.prefecture,created.month", "--totals", "--order", "-amount", "--limit", "2",
        "--format", "json",
    )  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert [row["amount"] for row in told["rows"]] == ["12.00", "3.00"]
    assert told["rows"][0]["created.month"] == "2026-03-01"
    grand = next(row for row in told["totals"] if len(row) == 4)
    assert grand == {"orders": 5, "amount": "18.00", "big_share": 0.6, "buyers": 3}
    assert {len(row) for row in told["totals"]} == {4, 5}


def test_a_year_before_zero_and_what_was(cube: Command) -> None:
    (row,) = rows(cube, "--measures", "orders", "--period", "2026-03", "--compare", "year")
    assert row == {
        "orders": 2, "orders__previous": 1, "orders__change": 1, "orders__change_ratio": 1.0,
    }  # fmt: skip
    full = rows(
        cube, "--measures", "orders", "--by", "created.month", "--period", "2026-01..2026-04",
        "--fill", "zero",
    )  # fmt: skip
    assert [one["orders"] for one in full] == [1, 1, 2, 0]
    bare = rows(
        cube, "--measures", "orders", "--by", "created.month", "--period", "2026-01..2026-04",
        "--fill", "none",
    )  # fmt: skip
    assert len(bare) == 3
    by = ["--measures", "orders", "--by", "org.prefecture", "--cut", "created=2026-02"]
    assert rows(cube, *by) == [{"org.prefecture": "成都", "orders": 1}]
    assert rows(cube, *by, "--as-was") == [{"org.prefecture": "绵阳", "orders": 1}]


def test_relative_periods_end_on_the_last_day_of_the_file(cube: Command) -> None:
    for period, orders in (("month", 2), ("month to date", 2), ("last 7 days", 1), ("year", 4)):
        assert rows(cube, "--measures", "orders", "--period", period) == [{"orders": orders}]


def test_a_scope_is_a_unit_by_id_or_code_and_an_unknown_one_is_refused(cube: Command) -> None:
    for scope in ("10", "A1"):
        assert rows(cube, "--measures", "orders", "--scope", scope) == [{"orders": 1}]
    assert rows(cube, "--measures", "orders", "--scope", "A1", "--scope", "B1") == [{"orders": 3}]
    code, _, err = cube("query", "orders", "--measures", "orders", "--scope", "A9")
    assert code == 2 and "There is no unit 'A9' (did you mean 'A" in err


def test_every_format_holds_the_same_figures(cube: Command, tmp_path: Path) -> None:
    asked = ["query", "orders", "--measures", "orders,amount", "--by", "org.prefecture"]
    told = json.loads(cube(*asked, "--totals", "--format", "json")[1])
    lines = list(csv.DictReader(io.StringIO(cube(*asked, "--format", "csv")[1])))
    assert [{k: v or None for k, v in line.items()} for line in lines] == [
        {**row, "orders": str(row["orders"])} for row in told["rows"]
    ]
    for kind in ("arrow", "xlsx", "html", "csv", "json", "table"):
        code, out, _ = cube(*asked, "--totals", "--format", kind, "-o", tmp_path / f"a.{kind}")
        assert (code, out) == (0, "")
    table = pyarrow.ipc.open_stream((tmp_path / "a.arrow").read_bytes()).read_all()
    assert [str(value) for value in table["amount"].to_pylist()] == [
        row["amount"] for row in told["rows"]
    ]
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    sheet = list(book.worksheets[0].iter_rows(values_only=True))
    assert sheet[0] == ("prefecture", "订单数", "金额")
    assert [line[1:] for line in sheet[1:-1]] == [
        (row["orders"], float(row["amount"])) for row in told["rows"]
    ]
    assert sheet[-1] == ("合计", 5, 18)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert '<html lang="zh-CN">' in page and "<td>成都</td>" in page and "18.00" in page
    assert "合计" in (tmp_path / "a.table").read_text("utf-8")
    assert not list(tmp_path.glob(".*.part"))


def test_what_a_streamed_format_leaves_out_is_said(cube: Command) -> None:
    asked = ["query", "orders", "--measures", "orders", "--by", "kind", "--totals"]
    _, out, err = cube(*asked, "--format", "csv")
    assert "不含合计行" in err and len(out.splitlines()) == 6


def test_a_failed_answer_leaves_the_file_that_was_there(cube: Command, tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("kept")
    code, _, err = cube("query", "orders", "--measures", "order", "--format", "csv", "-o", file)
    assert code == 2 and "has no measure 'order' (did you mean 'orders'?)" in err
    code, _, err = cube(
        "query", "orders", "--measures", "orders", "--format", "csv", "-o", tmp_path / "no" / "x"
    )
    assert code != 0 and err
    assert file.read_text() == "kept" and not list(tmp_path.glob(".*.part"))


def test_an_explanation_tells_definition_source_and_what_moved_it(cube: Command) -> None:
    asked = [
        "query", "orders", "--measures", "amount", "--period", "2026-03", "--compare", "previous",
        "--explain",
    ]  # fmt: skip
    code, out, _ = cube(*asked)
    assert code == 0
    for part in ("金额 (amount) = sum(price * pieces)", "来源表：sales_order", "对变化的贡献",
                 "绵阳", "SQL"):  # fmt: skip
        assert part in out
    told = json.loads(cube(*asked, "--format", "json")[1])["explanation"]
    assert told["measures"][0]["change"] == "10.00"
    assert told["compared"] == {"start": "2026-02-01", "end": "2026-02-28"}
    english = cube(*asked, "--language", "en")[1]
    assert "Amount (amount)" in english and "part in the change" in english


def test_rows_behind_a_figure(cube: Command) -> None:
    code, out, _ = cube(
        "rows", "orders", "--measures", "big", "--columns", "order_no,kind", "--order", "-order_no",
        "--format", "json",
    )  # fmt: skip
    assert code == 0
    assert [row["order_no"] for row in json.loads(out)["rows"]] == ["o4", "o3", "o1"]
    assert "订单号" in cube("rows", "orders", "--measures", "orders")[1]


def test_rows_that_may_be_more_than_shown_are_said_to_be(cube: Command) -> None:
    _, out, err = cube("rows", "orders", "--measures", "orders", "--limit", "2", "--format", "json")
    assert len(json.loads(out)["rows"]) == 2 and "只给出前 2 行" in err
    assert cube("rows", "orders", "--measures", "orders", "--limit", "9")[2] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["orders", "--measures", "orders", "--by", "org.town"], "did you mean"),
        (["order", "--measures", "orders"], "did you mean 'orders'"),
        (["orders", "--measures", "orders", "--cut", "org=四川/成"], "has no member '四川/成'"),
        (["orders", "--measures", "orders", "--cut", "created=2026-03..2026-01"], "ends before"),
        (["orders", "--measures", "orders", "--cut", "kind=x'; drop table town; --"], "no member"),
        (["orders", "--measures", "orders; drop table town"], "has no measure"),
        (["orders", "--measures", "orders", "--order", "-price"], "no column of the result"),
        (["orders", "--measures", "orders", "--compare", "yeer"], "did you mean 'year'"),
        (["orders", "--measures", "orders", "--fill", "ones"], "'fill' cannot be 'ones'"),
        (["orders", "--measures", "orders", "--cut", "kind=a", "--cut", "kind=b"], "once only"),
        (["orders", "--measures", "orders", "--cut", "kind"], "name=value"),
        (["orders", "--measures", "orders", "--explain", "--format", "csv"], "--format"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_message(
    cube: Command, arguments: list[str], said: str
) -> None:
    code, out, err = cube("query", *arguments)
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err


def test_what_is_asked_wrongly_is_said_in_chinese_and_then_in_english(cube: Command) -> None:
    asked = ["query", "orders", "--measures", "order", "--language", "en"]
    assert cube(*asked)[2].splitlines() == [
        "立方体“orders”没有度量“order”（是不是“orders”？）。",
        "Cube 'orders' has no measure 'order' (did you mean 'orders'?).",
    ]
    err = cube("rows", "orders", "--measures", "orders", "--scope", "A9")[2]
    chinese, english = err.splitlines()
    assert chinese.startswith("没有单位“A9”") and english.startswith("There is no unit 'A9'")


def test_a_join_that_fans_out_and_twenty_faults_are_all_told(
    huiyin: Command, shop: Path, tmp_path: Path
) -> None:
    with duckdb.connect(str(shop)) as connection:
        connection.execute("insert into shop select * from shop where shop_id = 10")
    arguments = ["cube", "--db", str(shop), "--definitions", str(tmp_path / "cubes"), "check"]
    code, _, err = huiyin(*arguments)
    assert code == 2 and "1 rows of shop repeat a key" in err
    for command in ("query", "rows"):
        asked = [*arguments[:-1], command, "orders", "--measures", "orders"]
        code, out, err = huiyin(*asked)
        assert (code, out) == (2, "") and "1 rows of shop repeat a key" in err
    file = tmp_path / "cubes" / "definitions" / "orders.yml"
    wrong = "".join(f"  bad{n}: {{agg: sum, sql: no_column_{n}}}\n" for n in range(19))
    file.write_text(file.read_text("utf-8") + wrong, "utf-8")
    code, _, err = huiyin(*arguments)
    assert code == 2
    assert sum(f"no_column_{n}'" in err for n in range(19)) == 19 and "repeat a key" in err
    # Faults of form are told with them, and by themselves where there is no database yet.
    broken = tmp_path / "cubes" / "definitions" / "other.yml"
    broken.write_text("cube: other\nfact: other\nmeasure: {n: {agg: count}}\n", "utf-8")
    said = "other.yml:3: measure: unknown key (did you mean 'measures'?)"
    code, _, err = huiyin(*arguments)
    assert code == 2 and said in err and "no_column_0'" in err
    code, _, err = huiyin("cube", "--definitions", str(tmp_path / "cubes"), "check")
    assert code == 2 and said in err and "no_column_0'" not in err


def test_an_answer_goes_into_a_pipe_and_through_a_link_and_replaces_neither(
    cube: Command, tmp_path: Path
) -> None:
    asked = ["query", "orders", "--measures", "orders", "--format", "csv", "-o"]
    target, link, pipe = (tmp_path / name for name in ("figures.csv", "link.csv", "pipe.csv"))
    target.write_text("before")
    link.symlink_to(target)
    assert cube(*asked, link)[0] == 0
    assert link.is_symlink() and target.read_text("utf-8").startswith('"orders"')
    os.mkfifo(pipe)
    # Held open for reading and writing, the pipe keeps what is written into it.
    held = os.open(pipe, os.O_RDWR)
    try:
        assert cube(*asked, pipe)[0] == 0
        assert pipe.is_fifo() and os.read(held, 1000) == target.read_bytes()
    finally:
        os.close(held)


def test_a_file_that_is_no_database_is_said(huiyin: Command, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("no database")
    for file in (other, tmp_path / "missing.duckdb"):
        code, _, err = huiyin("cube", "--db", file, "query", "cases", "--measures", "cases")
        assert code in (1, 2, 3) and "Opening" in err and "Traceback" not in err
    assert not (tmp_path / "missing.duckdb").exists()


def test_no_data_is_an_answer_in_every_format(huiyin: Command, shop: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(shop)) as connection:
        for table in ("sales_order", "shop", "town"):
            connection.execute(f"delete from {table}")
    for kind in ("table", "json", "csv", "xlsx", "html", "arrow"):
        code, _, err = huiyin(
            "cube", "--db", shop, "--definitions", tmp_path / "cubes", "query", "orders",
            "--measures", "orders,amount", "--by", "org.prefecture", "--totals",
            "--period", "month", "--format", kind, "-o", tmp_path / f"empty.{kind}",
        )  # fmt: skip
        assert code == 0, err
    assert "没有数据" in (tmp_path / "empty.html").read_text("utf-8")


def test_rows_behind_a_figure_are_given_as_csv_and_arrow(cube: Command, tmp_path: Path) -> None:
    words = (
        "rows",
        "orders",
        "--measures",
        "orders",
        "--columns",
        "order_no",
        "--order",
        "order_no",
    )
    assert cube(*words, "--format", "csv")[1].splitlines() == [
        '"order_no"', '"o1"', '"o2"', '"o3"', '"o4"', '"o5"',
    ]  # fmt: skip
    file = tmp_path / "rows.arrow"
    assert cube(*words, "--format", "arrow", "-o", file)[0] == 0
    table = pyarrow.ipc.open_stream(file.read_bytes()).read_all()
    assert table["order_no"].to_pylist() == ["o1", "o2", "o3", "o4", "o5"]


def test_named_queries_of_a_folder_are_listed_and_run(
    huiyin: Command, shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "cubes" / "queries").mkdir()
    (tmp_path / "cubes" / "queries" / "by_kind.yml").write_text(
        "query: by_kind\nlabel: {zh: 按类型, en: By kind}\ncube: orders\nmeasures: [orders]\n"
        "by: [kind]\norder: [-orders, kind]\n",
        encoding="utf-8",
    )
    chosen = ("query", "--db", shop, "--definitions", tmp_path / "cubes")
    code, out, err = huiyin(*chosen, "list")
    assert code == 0 and "by_kind" in out and "daily_sales" not in out, err
    code, out, err = huiyin(*chosen, "run", "by_kind", "--format", "csv")
    assert code == 0 and len(out.splitlines()) == 6, err


def test_a_time_that_is_no_date_is_told_by_check_and_by_the_query(
    cube: Command, tmp_path: Path
) -> None:
    path = tmp_path / "cubes" / "definitions" / "orders.yml"
    path.write_text(FILES["definitions/orders"].replace("created_at,", "order_no,"), "utf-8")
    code, _, err = cube("check")
    assert code == 2
    assert "orders.yml:6: time.created: 'order_no' is VARCHAR, no date or time" in err
    code, _, err = cube("query", "orders", "--measures", "orders")
    assert code == 2 and "name a column of dates" in err and "Traceback" not in err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_written_nowhere(tmp_path: Path, closed: str) -> None:
    words = f"{sys.executable} -m pipelines.command_line cube list {closed}"
    done = subprocess.run(
        ["bash", "-c", words],
        env={**os.environ, "HUIYIN_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert ("cases" in done.stdout) == (closed == "2>&-")


def test_a_file_named_like_a_format_gets_it(cube: Command, tmp_path: Path) -> None:
    words = ("query", "orders", "--measures", "orders", "--by", "kind")
    for name in ("a.xlsx", "a.JSON", "a.csv", "a.txt"):
        assert cube(*words, "-o", tmp_path / name)[0] == 0
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets
    assert json.loads((tmp_path / "a.JSON").read_text("utf-8"))["rows"]
    assert (tmp_path / "a.csv").read_text("utf-8").startswith('"kind","orders"')
    assert "┃" in (tmp_path / "a.txt").read_text("utf-8")


def test_as_many_rows_as_were_asked_for_are_said_to_be_so(cube: Command) -> None:
    words = ("query", "orders", "--measures", "orders", "--by", "kind", "--language", "en")
    assert "first 2 rows and there may be more" in cube(*words, "--limit", "2")[2]
    assert "may be more" not in cube(*words)[2]
