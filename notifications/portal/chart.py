"""Charts: a series by day drawn as SVG on the server, text kept as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import vl_convert

from cubes.label import Language
from notifications import wording
from notifications.portal.shown import value_text

_FONTS = "PingFang SC, Microsoft YaHei, Noto Sans CJK SC, Noto Sans SC, sans-serif"
_SOFT, _LINE, _BAR, _LAST = (
    "#5b6676",
    "#dfe4ea",
    "#9cc5cc",
    "#0f5e6e",
)
WIDE, NARROW = (900, 220), (340, 190)
_WEEK = 7


@dataclass(frozen=True)
class Series:
    """What is drawn: a value by day (None where it is not known) and how it is said."""

    points: tuple[tuple[date, Decimal | None], ...]
    label: str
    format: str
    language: Language
    currency: str


@lru_cache(maxsize=512)
def draw(series: Series, size: tuple[int, int]) -> str:
    """The SVG of a series; the last day stands out, a dashed line marks the mean."""
    svg: str = vl_convert.vegalite_to_svg(_specification(series, size))
    title = f'<svg role="img" aria-label="{_escaped(_summary(series))}"'
    return svg.replace("<svg", title, 1)


def _summary(series: Series) -> str:
    known = [(day, value) for day, value in series.points if value is not None]
    if not known:
        return series.label
    last = value_text(known[-1][1], series.format, series.language, series.currency)
    return f"{series.label}: {wording.day(known[-1][0], series.language)} {last}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _specification(series: Series, size: tuple[int, int]) -> dict[str, Any]:
    last = series.points[-1][0]
    rows: list[dict[str, Any]] = [
        {
            "day": wording.day(day, series.language),
            "value": None if value is None else float(value),
            "kind": "last" if day == last else "day",
        }
        for day, value in series.points
    ]
    known = [row["value"] for row in rows if row["value"] is not None]
    ticks = [row["day"] for row in rows[::-1][::_WEEK]]
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "cornerRadiusTopLeft": 2, "cornerRadiusTopRight": 2},
            "encoding": {
                "x": _across(rows, ticks),
                "y": {
                    "field": "value",
                    "type": "quantitative",
                    "title": None,
                    "axis": _axis(series),
                },
                "color": {
                    "field": "kind",
                    "type": "nominal",
                    "legend": None,
                    "scale": {"domain": ["day", "last"], "range": [_BAR, _LAST]},
                },
            },
        }
    ]
    if len(known) > 1:
        mean = sum(known) / len(known)
        layers.append(
            {
                "data": {"values": [{"mean": mean}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": _SOFT},
                "encoding": {"y": {"field": "mean", "type": "quantitative"}},
            }
        )
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": size[0],
        "height": size[1],
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "data": {"values": rows},
        "layer": layers,
        "config": {
            "font": _FONTS,
            "view": {"stroke": None},
            "axis": {
                "labelColor": _SOFT,
                "labelFontSize": 12,
                "domainColor": _LINE,
                "tickColor": _LINE,
                "gridColor": _LINE,
            },
        },
    }


def _across(rows: Sequence[dict[str, Any]], ticks: Sequence[str]) -> dict[str, Any]:
    return {
        "field": "day",
        "type": "ordinal",
        "title": None,
        "sort": [row["day"] for row in rows],
        "axis": {"values": list(ticks), "labelAngle": 0, "ticks": False, "labelPadding": 6},
        "scale": {"paddingInner": 0.25, "paddingOuter": 0.1},
    }


def _axis(series: Series) -> dict[str, Any]:
    axis: dict[str, Any] = {"tickCount": 4, "domain": False, "ticks": False, "labelPadding": 6}
    if series.format == "percent":
        axis["format"] = ".0%"
    elif series.language == "zh":
        axis["labelExpr"] = (
            "abs(datum.value) >= 1e8 ? format(datum.value / 1e8, '~r') + '亿' : "
            "abs(datum.value) >= 1e4 ? format(datum.value / 1e4, '~r') + '万' : "
            "format(datum.value, ',~r')"
        )
    else:
        axis["format"] = ",~r"
    return axis


def warm() -> None:
    """Draw once, so that no visitor waits for the drawing engine to start."""
    point = (date(2026, 1, 1), Decimal(1))
    draw(Series((point,), "", "integer", "zh", "CNY"), NARROW)
