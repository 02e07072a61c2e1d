"""Charts: from the words of a declaration to the query each asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cubes.catalogue import Catalogue
from cubes.label import Language
from cubes.named_query import NamedQuery
from dashboards.dataset import Dataset, Metric, status_id, status_metric
from dashboards.declaration import MOST_ROWS, Chart
from dashboards.identity import asset_id, slug_of
from dashboards.period_text import period_text

GRAINS = {"day": "P1D", "week": "P1W", "month": "P1M", "quarter": "P3M", "year": "P1Y"}
NO_FILTER = "No filter"
OFFSETS: Mapping[str, str] = {"previous": "inherit", "same_weekday": "1 week ago"}
"""How far back a comparison looks, as Superset calls it; `inherit` is a period of equal length."""

_USUAL_ROWS = 1000


@dataclass(frozen=True)
class DrawnChart:
    """A chart of one dashboard in one language, its names resolved; `dataset` is None for status.

    `by`, `across` and `fields` are columns of the dataset, `time` the date the period applies to,
    `grain` the grain of the horizontal axis if that is a time. `cuts` are the members people read
    by column.
    """

    id: str
    name: str
    declared: Chart
    language: Language
    dataset: Dataset | None
    by: tuple[str, ...]
    across: tuple[str, ...]
    fields: tuple[str, ...]
    cuts: Mapping[str, tuple[str, ...]]
    time: str | None
    grain: str | None

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.declared.title.text(self.language)

    @property
    def dataset_id(self) -> str:
        """The UUID of its dataset."""
        return status_id() if self.dataset is None else self.dataset.id

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of its dataset."""
        if self.dataset is None:
            return (status_metric(self.language),)
        return tuple(self.metric_of(measure).name for measure in self.declared.measures)

    def metric_of(self, measure: str) -> Metric:
        """The metric that shows one of its measures."""
        assert self.dataset is not None
        return self.dataset.metric_of(measure, self.declared.durations)

    @property
    def order(self) -> str:
        """The metric it is sorted by, largest first."""
        order = self.declared.order
        return self.metrics[0] if order is None else self.metric_of(order).name

    @property
    def offsets(self) -> tuple[str, ...]:
        """How far back its comparison looks; empty without one."""
        compare = self.declared.compare
        return () if compare is None else (OFFSETS[compare],)

    @property
    def limit(self) -> int:
        """The rows it asks for at most."""
        usual = MOST_ROWS if self.declared.viz == "detail" else _USUAL_ROWS
        return self.declared.limit or usual

    @property
    def period(self) -> str:
        """The period it keeps, whatever the dashboard's is."""
        return NO_FILTER if self.declared.period is None else period_text(self.declared.period)

    def query_context(self) -> dict[str, Any]:
        """The query the chart asks the server; the datasource is set by the import."""
        columns: list[Any] = [*self.by, *self.across, *self.fields]
        if self.grain is not None:
            columns[0] = {
                "timeGrain": GRAINS[self.grain],
                "columnType": "BASE_AXIS",
                "sqlExpression": self.by[0],
                "label": self.by[0],
                "expressionType": "SQL",
            }
        filters: list[dict[str, Any]] = [
            {"col": column, "op": "IN", "val": list(members)}
            for column, members in self.cuts.items()
        ]
        if self.time is not None:
            filters.insert(0, {"col": self.time, "op": "TEMPORAL_RANGE", "val": self.period})
        is_detail = self.declared.viz == "detail"
        query: dict[str, Any] = {
            "filters": filters,
            "extras": {"having": "", "where": ""}
            if self.grain is None
            else {"having": "", "where": "", "time_grain_sqla": GRAINS[self.grain]},
            "columns": columns,
            "metrics": None if is_detail else list(self.metrics),
            "orderby": self.row_order() if is_detail else [[self.order, False]],
            "row_limit": self.limit,
            "time_range": self.period,
            "annotation_layers": [],
            "applied_time_extras": {},
            "series_limit": 0,
            "order_desc": True,
            "url_params": {},
            "custom_params": {},
            "custom_form_data": {},
            "time_offsets": list(self.offsets),
        }
        return {
            "datasource": {"id": 0, "type": "table"},
            "force": False,
            "queries": [query],
            "form_data": {},
            "result_format": "json",
            "result_type": "full",
        }

    def row_order(self) -> list[list[Any]]:
        """The columns a detail is sorted by, each with whether it ascends."""
        assert self.dataset is not None
        if self.declared.order is None:
            return []
        column = self.dataset.field_column(self.declared.order.removeprefix("-"))
        assert column is not None
        return [[column.name, not self.declared.order.startswith("-")]]

    def format_of(self, metric: str) -> str:
        """The d3 format of one of its metrics."""
        assert self.dataset is not None
        return self.dataset.offered[metric].d3format

    def targets(self) -> Iterator[tuple[str, float, bool]]:
        """Its targets: the metric, the level, and whether less than it is a miss."""
        assert self.dataset is not None
        for measure, level in self.declared.targets.items():
            is_low_bad = self.dataset.cube.measures[measure].good != "lower"
            yield self.metric_of(measure).name, level, is_low_bad


def chart_id(slug: str, name: str) -> str:
    """The UUID of a chart of a dashboard."""
    return asset_id("chart", f"{slug}/{name}")


def resolved(chart: Chart, catalogue: Catalogue) -> Chart:
    """The chart with what its query gives where the chart itself says nothing.

    A cut that waits for a parameter is left to the dashboard's filters.
    """
    query = None if chart.query is None else catalogue.queries.get(chart.query)
    if query is None:
        return chart
    cuts = {name: _members(found) for name, found in query.cuts.items() if "{" not in str(found)}
    return chart.model_copy(
        update={
            "cube": chart.cube or query.cube,
            "measures": chart.measures or query.measures,
            "by": chart.by or (() if chart.viz == "number" else query.by),
            "time": chart.time or query.time or ("none" if query.period is None else None),
            "compare": chart.compare or _comparison(chart, query),
            "cuts": {**cuts, **chart.cuts},
        }
    )


def _comparison(chart: Chart, query: NamedQuery) -> Any:
    known = chart.viz == "number" and query.compare in OFFSETS
    return query.compare if known else None


def _members(found: Any) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list | tuple) else (str(found),)


def draw(
    slug: str,
    name: str,
    declared: Chart,
    language: Language,
    datasets: Mapping[str, Dataset],
) -> DrawnChart:
    """Resolve the names of a resolved chart; those the check refuses must not come here.

    An organisation level that this operator does not have is replaced by the unit itself.
    """
    dataset = None if declared.cube is None else datasets[declared.cube]
    time = None
    if dataset is not None and declared.time != "none":
        time = dataset.time_column(declared.time or dataset.cube.default_time)
    return DrawnChart(
        id=chart_id(slug_of(slug, language), name),
        name=name,
        declared=declared,
        language=language,
        dataset=dataset,
        by=_resolve(dataset, declared.by),
        across=_resolve(dataset, declared.across),
        fields=tuple(_fields(dataset, declared.fields, slug_of(slug, language))),
        cuts={} if dataset is None else _cuts(dataset, declared.cuts),
        time=time,
        grain=_grain(dataset, declared.by),
    )


def _fields(dataset: Dataset | None, names: Sequence[str], slug: str) -> Iterator[str]:
    """The columns of a detail; the link to a page stands behind the detail it is of.

    The page itself needs no link to itself.
    """
    if dataset is None:
        return
    for name in names:
        column = dataset.field_column(name)
        if column is not None:
            yield column.name
        if name in dataset.links and dataset.pages[name].slug != slug:
            yield dataset.links[name]


def _cuts(dataset: Dataset, cuts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Members by column, in the words the view shows for their codes."""
    found = {}
    for name, codes in cuts.items():
        column = dataset.member_column(name)
        assert column is not None
        labels = dataset.labels_of(name)
        found[column.name] = tuple(labels[code] for code in codes)
    return found


def _resolve(dataset: Dataset | None, names: Sequence[str]) -> tuple[str, ...]:
    if dataset is None:
        return ()
    found = []
    for name in names:
        column = dataset.member_column(name)
        if column is None:
            column = dataset.member_column(f"{name.partition('.')[0]}.unit")
        assert column is not None
        found.append(column.name)
    return tuple(dict.fromkeys(found))


def _grain(dataset: Dataset | None, by: Sequence[str]) -> str | None:
    if dataset is None or not by:
        return None
    role, _, grain = by[0].partition(".")
    return (grain or dataset.cube.time[role].grain) if role in dataset.cube.time else None
