"""One round of exchange with partners: what one export does, no other suffers."""

from __future__ import annotations

import copy
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner, Result

from connectors.errors import ConnectorError
from connectors.exporting.declaration import MOST_SECONDS
from connectors.exporting.ledger import ExportLedger
from cubes.errors import DeclarationError
from cubes.label import Language
from pipelines.assets.checks import mart_checks
from pipelines.assets.keys import SNAPSHOT, daily_partitions
from pipelines.command_line import output
from pipelines.command_line.application import application
from pipelines.errors import HomeError
from pipelines.exchange import ExchangeReport, exchange, export_now, exports_of
from pipelines.export_checks import open_exports
from pipelines.installation import Installation
from pipelines.lock import build_lock
from pipelines.resources import InstallationResource
from pipelines.sensors import _EXCHANGE_SECONDS, sensors
from pipelines.story import _partners as exchange_table
from pipelines.story_words import words
from pipelines.thread import Outcome
from pipelines.tidying import tidy
from tests.connectors.service.conftest import publish_marts
from tests.connectors.service.test_exports import FIGURES

CLOCK = "fixed:2026-03-31T09:00:00+08:00"
PUBLISHED = date(2026, 3, 30)
DAYS = {
    "query": "days",
    "label": {"zh": "日期", "en": "Days"},
    "sql": "select $business_date as day, 1 as number",
    "scope": "open",
    "columns": {
        "day": {"label": {"zh": "日", "en": "Day"}, "type": "date"},
        "number": {"label": {"zh": "数", "en": "Number"}, "type": "integer"},
    },
}
BY_DAY = {
    **FIGURES,
    "query": "days",
    "interface": {"type": "files", "format": "delimited", "location": "out"},
    "key": ["day"],
    "columns": {"day": {"type": "date"}, "number": {"type": "bigint"}},
    "control": {"sums": ["number"]},
}


class Partners:
    """A home with a published snapshot, a query and exports of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        publish_marts(home)
        self.query()
        self.declare("good")

    def _write(self, name: str, content: Any) -> None:
        path = self.home / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    def query(self, name: str = "days", **changes: Any) -> None:
        self._write(f"cubes/queries/{name}.yml", {**DAYS, "query": name, **changes})

    def declare(self, export: str, **changes: Any) -> None:
        declared = {**copy.deepcopy(BY_DAY), "export": export, **changes}
        self._write(f"connectors/exports/{export}.yml", declared)

    def open(self, clock: str = CLOCK) -> Installation:
        return Installation.open({"HUIYIN_CLOCK": clock, "HUIYIN_SOURCES": ""}, home=self.home)

    def round(self, clock: str = CLOCK) -> ExchangeReport:
        return exchange(self.open(clock), say=lambda text: None)

    def open_codes(self) -> list[str]:
        with self.open().ledger() as ledger:
            return [one.code for one in ledger.exchange_events(unresolved=True)]


@pytest.fixture
def partners(tmp_path: Path) -> Partners:
    return Partners(tmp_path / "home")


def test_a_due_export_goes_out_and_its_answer_is_read(partners: Partners) -> None:
    report = partners.round()
    assert [one.export for one in report.delivered] == ["good"] and report.failures == ()
    (made,) = report.delivered
    path = partners.home / "out" / made.place
    answer = {"rows_read": 1, "sums": {"number": "1"}, "result": "ok"}
    path.with_name(f"{path.name}.read.log").write_text(json.dumps(answer))
    again = partners.round()
    assert again.delivered == () and [one.status for one in again.answered] == ["confirmed"]


def test_a_query_that_fails_stops_no_other_export_and_is_told_once(partners: Partners) -> None:
    partners.query(sql="select $business_date as day, cast('x' as integer) as number")
    partners.query("others")
    partners.declare("others", query="others")
    for _ in range(2):
        report = partners.round()
        assert len(report.failures) == 1 and report.failures[0].startswith("good 2026-03-30: ")
    with partners.open().ledger() as ledger:
        assert len(ExportLedger(ledger.rows).exports(export="others")) == 1
    assert partners.open_codes() == ["unmade_export"]
    partners.query()
    assert [one.export for one in partners.round().delivered] == ["good"]
    assert partners.open_codes() == []


def test_an_export_that_does_not_fit_its_query_stops_no_other(partners: Partners) -> None:
    partners.declare(
        "bad",
        columns={"day": {"type": "date"}, "numbers": {"type": "bigint"}},
        control={"sums": []},
    )
    report = partners.round()
    assert [one.export for one in report.delivered] == ["good"]
    assert len(report.failures) == 1 and "did you mean 'number'?" in report.failures[0]
    assert partners.open_codes() == ["unmade_export"]


def test_an_export_beyond_its_limits_is_given_up_and_leaves_nothing(partners: Partners) -> None:
    digits = ", ".join(f"t{place}.digit" for place in range(12))
    tables = ", ".join(f"ten as t{place}" for place in range(12))
    ten = f"with ten(digit) as (values {', '.join(f'({one})' for one in range(10))})"
    partners.query(sql=f"{ten} select $business_date as day, t0.digit as number from {tables}")
    partners.declare("good", key=["number"], limits={"rows": 3000})
    report = partners.round()
    assert report.delivered == () and "more than 3000 rows" in report.failures[0]
    assert partners.open_codes() == ["unmade_export"]
    partners.declare("good", key=["number"], limits={"seconds": 0.2})
    partners.query(
        sql=f"{ten} select $business_date as day, max(greatest({digits})) as number from {tables}"
    )
    (failure,) = partners.round().failures
    assert "was given up" in failure and "take 0.2 seconds: 'limits'" in failure
    assert list((partners.home / "exports" / "good").iterdir()) == []


def test_a_place_that_cannot_be_reached_leaves_its_export_for_the_next_round(
    partners: Partners,
) -> None:
    (partners.home / "wall").write_text("no folder")
    partners.declare("bad", interface={**BY_DAY["interface"], "location": "wall"})
    report = partners.round()
    assert [one.export for one in report.delivered] == ["good"] and report.failures
    assert partners.open_codes() == []
    partners.round("fixed:2026-04-02T09:00:00+08:00")
    assert "undelivered_export" in partners.open_codes()
    (partners.home / "wall").unlink()
    assert "bad" in [one.export for one in partners.round().delivered]
    assert "undelivered_export" not in partners.open_codes()


def test_a_round_while_another_one_holds_the_lock_fails_softly(
    partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.exchange._LOCK_SECONDS", 0)
    lock = partners.home / "locks" / "exports.lock"
    with build_lock(lock, wait_seconds=0, say=lambda _: None, doing="exporting"):
        report = partners.round()
    assert report.delivered == () and len(report.failures) == 1
    assert partners.open_codes() == []
    assert len(partners.round().delivered) == 1


def test_without_a_snapshot_answers_are_read_all_the_same(partners: Partners) -> None:
    (made,) = partners.round().delivered
    answer = {"rows_read": 1, "result": "ok"}
    (partners.home / "out" / f"{made.place}.read.log").write_text(json.dumps(answer))
    (partners.home / "published").rename(partners.home / "elsewhere")
    report = partners.round()
    assert [one.status for one in report.answered] == ["confirmed"] and report.failures == ()


def test_a_day_that_is_not_published_yet_is_not_exported(partners: Partners) -> None:
    with pytest.raises(HomeError, match="do not exist yet"):
        export_now(partners.open(), ["good"], PUBLISHED + timedelta(days=1), again=False)
    (made,) = export_now(partners.open(), ["good"], PUBLISHED - timedelta(days=1), again=False)
    assert made.business_date == PUBLISHED - timedelta(days=1)


def test_days_on_which_nothing_ran_are_made_up_for_once_with_their_own_figures(
    partners: Partners,
) -> None:
    early = "fixed:2026-03-28T09:00:00+08:00"
    export_now(partners.open(early), ["good"], date(2026, 3, 27), again=False)
    made = partners.round().delivered
    assert [(one.business_date.day, one.sequence) for one in made] == [(28, 2), (29, 3), (30, 4)]
    texts = [(partners.home / "out" / one.place).read_text(encoding="utf-8") for one in made]
    assert ["2026-03-28" in texts[0], "2026-03-29" in texts[1]] == [True, True]
    assert partners.round().delivered == () and "unmade_export" not in partners.open_codes()


def test_a_missed_day_too_far_back_is_told_until_it_is_made_by_hand(partners: Partners) -> None:
    early = "fixed:2026-02-27T09:00:00+08:00"
    export_now(partners.open(early), ["good"], date(2026, 2, 26), again=False)
    # 2026-02-28 is the first of the 31 days up to the published 30 March.
    for _ in range(2):
        partners.round()
    with partners.open().ledger() as ledger:
        (event,) = ledger.exchange_events(unresolved=True, code="unmade_export")
        first = ExportLedger(ledger.rows).exports(export="good")[1]
    assert event.business_date == date(2026, 2, 27)
    assert first.business_date == date(2026, 2, 28)
    export_now(partners.open(), ["good"], date(2026, 2, 27), again=False)
    assert "unmade_export" not in partners.open_codes()


def test_a_round_that_takes_long_leaves_the_rest_to_the_next_and_serves_each_export_first(
    partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    partners.declare("other")
    early = "fixed:2026-03-28T09:00:00+08:00"
    export_now(partners.open(early), ["good", "other"], date(2026, 3, 27), again=False)
    ticks = iter(range(1000))
    with monkeypatch.context() as slow:
        slow.setattr("pipelines.exchange.monotonic", lambda: 8 * next(ticks))
        # Each is given 30 seconds, so the last one may begin after 20.
        made = exchange(partners.open(), say=lambda text: None, seconds=50).delivered
    assert [(one.export, one.business_date.day) for one in made] == [("good", 28), ("other", 28)]
    assert len(partners.round().delivered) == 4


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", ["与伙伴交换", "确认不符", "对方读到 2 行，送出的是 1 行"]),
        ("en", ["Exchange with partners", "disagrees", "2 rows were read, 1 was delivered"]),
    ],
)
def test_the_page_of_the_demonstration_tells_of_the_exchange_in_its_readers_language(
    partners: Partners, language: Language, said: list[str]
) -> None:
    (made,) = partners.round().delivered
    answer = {"rows_read": 2, "result": "ok"}
    (partners.home / "out" / f"{made.place}.read.log").write_text(json.dumps(answer))
    none: Any = None
    outcome = Outcome((), none, none, (), partners.round().answered)
    shown = Console(width=100, file=io.StringIO(), record=True)
    shown.print(exchange_table(partners.open(), outcome, words(language), language))
    page = shown.export_text()
    assert all(one in page for one in said) and "good" in page
    assert ("were read" in page) == (language == "en")


def test_an_export_may_take_no_longer_than_a_look_of_its_sensor_lasts(
    partners: Partners,
) -> None:
    partners.declare("good", limits={"seconds": MOST_SECONDS})
    made = exchange(partners.open(), say=lambda text: None, seconds=_EXCHANGE_SECONDS).delivered
    assert [one.export for one in made] == ["good"]
    partners.declare("good", limits={"seconds": MOST_SECONDS + 1})
    with pytest.raises(DeclarationError, match=r"'limits.seconds' is 46, at most 45 are possible"):
        exports_of(partners.open())


def test_what_is_open_with_exports_is_a_warning_that_says_what_to_do(partners: Partners) -> None:
    partners.declare(
        "bad",
        columns={"day": {"type": "date"}, "numbers": {"type": "bigint"}},
        control={"sums": []},
    )
    assert open_exports(partners.open()).passed
    partners.round()
    late = "fixed:2026-04-02T09:00:00+08:00"
    found = open_exports(partners.open())
    assert (found.passed, found.severity, found.facts["waiting in time"]) == (False, "warn", 1)
    partners.round(late)
    found = open_exports(partners.open(late))
    assert found.facts["unmade_export"] == found.facts["missing_read_log"] == 1
    assert found.facts["waiting in time"] == 0
    for said in (found.zh, found.en):
        assert "bad 2026-03-30 (unmade_export)" in said and "good 2026-03-30" in said
        assert "huiyin exchange export" in said
    assert "到期的导出没有做" in found.zh and "was not made" in found.en


def test_dagster_warns_of_a_failed_export_at_the_published_snapshot(
    partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    partners.query(sql="select $business_date as day, cast('x' as integer) as number")
    partners.round()
    monkeypatch.setenv("HUIYIN_CLOCK", CLOCK)
    exports = dg.AssetCheckKey(SNAPSHOT, "exports")
    definitions = dg.Definitions(
        asset_checks=[mart_checks([])],
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks(exports))],
        resources={"installation": InstallationResource(home=str(partners.home))},
    )
    done = definitions.resolve_job_def("checks").execute_in_process()
    (told,) = done.get_asset_check_evaluations()
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "good 2026-03-30 (unmade_export)" in (told.description or "")


def test_the_sensor_of_partners_shows_what_is_open_once_and_that_it_is_settled(
    partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = dg.AssetCheckKey(SNAPSHOT, "exports")
    days = daily_partitions(PUBLISHED, "Asia/Shanghai", datetime(2026, 4, 2, tzinfo=UTC))
    (look,) = [
        one for one in sensors("job", days=days, intake=[], service={}) if one.name == "partners"
    ]
    monkeypatch.setenv("HUIYIN_CLOCK", CLOCK)
    monkeypatch.setenv("HUIYIN_SOURCES", "")
    home = InstallationResource(home=str(partners.home))

    def shown(instance: dg.DagsterInstance) -> list[bool]:
        with dg.build_sensor_context(instance, resources={"installation": home}) as context:
            look(context)
        storage = instance.event_log_storage
        events = storage.get_asset_check_execution_history(key, limit=9)
        return [one.event.asset_check_evaluation.passed for one in events if one.event]

    with dg.DagsterInstance.ephemeral() as instance:
        partners.query(sql="select $business_date as day, cast('x' as integer) as number")
        assert shown(instance) == shown(instance) == [False]
        partners.query()
        assert shown(instance) == [True, False]


def test_tidying_deletes_contents_that_are_kept_no_longer(partners: Partners) -> None:
    partners.declare("good", keep="10 days")
    (made,) = partners.round().delivered
    late = partners.open("fixed:2026-04-12T09:00:00+08:00")
    assert tidy(late, say=lambda _: None, dry_run=True).exported == 1
    report = tidy(late, say=lambda _: None)
    assert report.exported == 1
    assert "删除的导出留底 kept contents of exports deleted: 1" in report.lines()
    assert not (partners.home / "exports" / "good" / made.place).exists()
    assert (partners.home / "out" / made.place).exists()


def test_an_export_of_an_unknown_query_is_a_fault_of_its_file(partners: Partners) -> None:
    partners.declare("bad", query="day")
    with pytest.raises(DeclarationError, match=r"unknown query 'day' \(did you mean 'days'"):
        exports_of(partners.open())


def test_an_export_is_sent_again_only_when_asked(partners: Partners) -> None:
    (first,) = partners.round().delivered
    (same,) = export_now(partners.open(), ["good"], None, again=False)
    assert same.export_id == first.export_id
    (second,) = export_now(partners.open(), ["good"], None, again=True)
    assert (second.sequence, second.status) == (2, "delivered")


def test_errors_of_one_export_made_by_name_are_raised(partners: Partners) -> None:
    partners.declare(
        "bad",
        columns={"day": {"type": "date"}, "numbers": {"type": "bigint"}},
        control={"sums": []},
    )
    with pytest.raises(ConnectorError):
        export_now(partners.open(), ["bad"], None, again=False)


def test_the_commands_list_find_by_a_prefix_and_note_an_answer(
    partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_PIPED_WIDTH", 100)
    (made,) = partners.round().delivered

    def run(*arguments: str) -> Result:
        environment = {"HUIYIN_HOME": str(partners.home), "HUIYIN_CLOCK": CLOCK}
        return CliRunner().invoke(application, list(arguments), env=environment)

    listed = run("exchange", "status", "--language", "en").output
    assert made.export_id[:8] in listed and made.place in listed and "due 04-01 09:00" in listed
    assert max(cell_len(line) for line in listed.splitlines()) <= 100
    assert run("exchange", "confirm", "zz", "--rows", "1").exit_code == 2
    run("exchange", "confirm", made.export_id[:8], "--rows", "2", "--reason", "call 13912345678")
    told = run("exchange", "status", "--language", "zh").output
    assert "确认不符" in told and "13912345678" not in told
    reasons = {"zh": "对方读到 2 行，送出的是 1 行", "en": "2 rows were read, 1 was delivered"}
    for language, other in (("zh", "en"), ("en", "zh")):
        for command in (["exchange", "status"], ["deliveries", "centre.good"]):
            told = "".join(run(*command, "--language", language).output.split())
            assert "".join(reasons[language].split()) in re.sub("[│|]", "", told)
            assert "".join(reasons[other].split()) not in re.sub("[│|]", "", told)
    assert "read_log_disagrees" in run("deliveries", "centre.good", "--language", "en").output
    assert run("deliveries", "centre.nothing").exit_code == 2
    run("exchange", "export", "good", "--again")
    (again,) = export_now(partners.open(), ["good"], None, again=False)
    done = run("exchange", "confirm", again.export_id[:10], "--rows", "1", "--language", "en")
    assert "confirmed" in done.output
    twice = run("exchange", "confirm", again.export_id[:10], "--rows", "1", "--language", "en")
    assert "only a delivered export" in twice.output
    nothing = run("exchange", "status", "--open", "--language", "en").output
    assert "No delivery is open: all that went out are confirmed." in nothing
    assert "1 earlier ones" in run("exchange", "status", "--limit", "1", "--language", "en").output
