"""What a mart promises of its columns stops a build, and how a model is stored may change."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from pipelines.dbt_run import run_dbt
from pipelines.errors import BuildFailedError
from pipelines.mart_tests import NodeResult, last_outcomes
from tests.dbt_project.builds import Builds

# dbt keeps its state in this process, so one worker runs all that starts it.
pytestmark = pytest.mark.xdist_group("dbt")


@dataclass(frozen=True)
class Copy:
    """The built home in files that may be harmed."""

    folder: Path

    def harm(self, *statements: str) -> None:
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)

    def run(self, *arguments: str) -> list[NodeResult]:
        return run_dbt(
            arguments,
            warehouse=self.folder / "warehouse.duckdb",
            work=self.folder / "work.duckdb",
            target=self.folder / "target",
            site_models=self.folder / "site_models",
            memory_limit="1GB",
            threads=2,
            outcomes=self.folder / "outcomes.json",
        )


@pytest.fixture
def copy(builds: Builds, tmp_path: Path) -> Copy:
    for name in ("warehouse.duckdb", "work.duckdb"):
        shutil.copy(builds.home.folder / name, tmp_path / name)
    return Copy(tmp_path)


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["insert into marts.fct_sla_clock from marts.fct_sla_clock limit 1"], "stands more than"),
        (
            ["update marts.fct_sla_clock set state = 'lost' where ordinal = 1"],
            "state is another value",
        ),
        (["update marts.fct_sla_clock set state = null where ordinal = 1"], "state is null"),
        (
            ["update marts.fct_sla_clock set clock_key = null where ordinal = 1"],
            "clock_key is null",
        ),
        (["delete from marts.dim_sla_clock"], "clock is not in dim_sla_clock"),
    ],
)
def test_a_broken_promise_is_named_and_fails_the_mart(
    copy: Copy, statements: list[str], told: str
) -> None:
    copy.run("test", "--select", "fct_sla_clock_is_sound")
    copy.harm(*statements)
    with pytest.raises(BuildFailedError, match=told):
        copy.run("test", "--select", "fct_sla_clock_is_sound")


def test_an_unknown_reference_that_may_arrive_later_warns(copy: Copy) -> None:
    copy.harm("update marts.fct_sla_clock set unit_at_due_id = 'nobody' where ordinal = 1")
    (result,) = copy.run("test", "--select", "fct_sla_clock_is_as_expected")
    assert (result.status, result.severity, result.of) == ("warn", "warn", ("fct_sla_clock",))
    assert result.failures > 0


def test_a_model_may_become_a_table_a_view_and_an_incremental_table(copy: Copy) -> None:
    site = copy.folder / "site_models"
    site.mkdir()

    def stored(materialized: str, number: int) -> tuple[str, list[int]]:
        (site / "mine.sql").write_text(
            f"{{{{ config(materialized='{materialized}', schema='marts') }}}}\n"
            f"select {number} as number\n",
            encoding="utf-8",
        )
        copy.run("run", "--select", "mine")
        with duckdb.connect(str(copy.folder / "warehouse.duckdb"), read_only=True) as connection:
            kinds = connection.execute(
                "select table_type from information_schema.tables where table_name = 'mine'"
            ).fetchall()
            rows = connection.execute("from marts.mine order by all").fetchall()
        assert len(kinds) == 1
        return kinds[0][0], [row[0] for row in rows]

    assert stored("view", 1) == ("VIEW", [1])
    assert stored("table", 2) == ("BASE TABLE", [2])
    assert stored("incremental", 3) == ("BASE TABLE", [2, 3])
    assert stored("view", 4) == ("VIEW", [4])
    assert stored("incremental", 5) == ("BASE TABLE", [5])
    assert last_outcomes(copy.folder / "outcomes.json") == {}
