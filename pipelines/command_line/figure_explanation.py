"""The explanation of a figure as text, in Chinese and English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.command_line.output import print_table, print_text

if TYPE_CHECKING:
    from cubes.explanation import DimensionContribution, MeasureExplanation, QueryExplanation
    from cubes.label import Language

_MOST_DIMENSIONS = 3


def print_explanation(explanation: QueryExplanation, language: Language) -> None:
    """Print where a result comes from, and for each measure its meaning and what moved it."""
    chinese = language == "zh"
    result = explanation.result
    facts = {
        ("来源表" if chinese else "read from"): explanation.read,
        ("快照" if chinese else "snapshot"): result.snapshot,
        ("数据截至" if chinese else "data up to"): explanation.business_date,
    }
    print_text("")
    print_text(
        ("，" if chinese else ", ").join(
            f"{name}{'：' if chinese else ': '}{value}"
            for name, value in facts.items()
            if value is not None
        )
    )
    for measure in explanation.measures:
        _print_measure(explanation, measure, language)
    print_text("\nSQL")
    print_text(result.sql)


def _print_measure(
    explanation: QueryExplanation, measure: MeasureExplanation, language: Language
) -> None:
    from cubes.formatting import difference_format, format_value

    chinese = language == "zh"
    column = next(c for c in explanation.result.columns if c.name == measure.name)
    print_text("")
    print_text(f"{measure.label} ({measure.name}) = {measure.definition}")
    if measure.description:
        print_text(f"  {measure.description}")
    if measure.owner:
        print_text(f"  {'负责：' if chinese else 'owner: '}{measure.owner}")
    if measure.reason is not None:
        print_text(f"  {measure.reason.text(language)}")
        return
    current, previous = (
        format_value(value, column.format) for value in (measure.current, measure.previous)
    )
    change = format_value(measure.change, difference_format(column.format), signed=True)
    print_text(
        f"  本期 {current}，比较期 {previous}，变化 {change}"
        if chinese
        else f"  now {current}, then {previous}, change {change}"
    )
    for dimension in measure.dimensions[:_MOST_DIMENSIONS]:
        _print_dimension(dimension, column.format, language)


def _print_dimension(
    dimension: DimensionContribution, shown_as: str | None, language: Language
) -> None:
    from cubes.formatting import difference_format, format_value

    chinese = language == "zh"
    moved_as = difference_format(shown_as)
    rows = [
        [
            one.text,
            format_value(one.previous, shown_as),
            format_value(one.current, shown_as),
            format_value(one.contribution, moved_as, signed=True),
            format_value(one.share, "percent"),
        ]
        for one in dimension.members
    ]
    if dimension.others:
        told = f"其他 {dimension.others} 个" if chinese else f"{dimension.others} others"
        moved = format_value(dimension.others_contribution, moved_as, signed=True)
        rows.append([told, "", "", moved, ""])
    print_table(
        f"{dimension.label} ({dimension.name})",
        ["成员", "比较期", "本期", "对变化的贡献", "占变化"]
        if chinese
        else ["member", "then", "now", "part in the change", "share of it"],
        rows,
        empty="-",
        figures=range(1, 5),
    )
