"""Labels the front end lacks: of the period before in a line chart, and of measures drilled by."""

from __future__ import annotations

from typing import Any

# A comparison is a series of its own, which is named after how far back it looks.
_COMPARISONS = {
    "zh": {"inherit": "上期", "1 week ago": "上周同期"},
    "en": {"inherit": "Period before", "1 week ago": "Week before"},
}


def language_of(table_name: str) -> str:
    """The language of one of our datasets, by the name of its view."""
    return "en" if table_name.endswith("_en") else "zh"


def label_comparisons() -> None:
    """Give the series of a comparison a label.

    The front end looks up every series among the labels of the dataset, where Superset has none
    for them.
    """
    from superset.connectors.sqla.models import SqlaTable

    usual = SqlaTable.data_for_slices

    def data_for_slices(self: Any, slices: list[Any]) -> Any:
        data = usual(self, slices)
        data["verbose_map"].update(_COMPARISONS[language_of(self.table_name)])
        return data

    SqlaTable.data_for_slices = data_for_slices


def label_drilled_metrics() -> None:
    """Tell the window of a drill the labels of measures too; Superset tells it those of columns."""
    from superset.datasets import api, schemas

    fields = schemas.fields

    class MetricSchema(schemas.Schema):  # type: ignore[misc]
        metric_name = fields.String()
        verbose_name = fields.String()

    class DrillInfoSchema(api.DatasetDrillInfoSchema):  # type: ignore[misc]
        metrics = fields.List(fields.Nested(MetricSchema))

    api.DatasetDrillInfoSchema = DrillInfoSchema
