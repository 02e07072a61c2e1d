"""Derived measures: figures computed from aggregates of sums, so they are right in every total."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from cubes.cube import Cube, Measure
from cubes.sql import Node, as_double, call, coalesce, greatest, number

Value = Callable[[str], Node]
"""Gives a fresh node of an aggregated measure by its name."""


def derived(cube: Cube, measure: Measure, value: Value, overall: Value) -> Node:
    """The expression of a derived measure of the cube.

    `value` gives the figure of an aggregated measure in a row of the answer, `overall` its figure
    over all rows of the answer.
    """
    if measure.ratio is not None:
        return _ratio(measure, value)
    if measure.weighted is not None:
        terms: list[Node] = [
            exp.Mul(
                this=number(weight),
                expression=exp.Paren(this=derived(cube, cube.measures[name], value, overall)),
            )
            for name, weight in measure.weighted.items()
        ]
        size = number(sum(measure.weighted.values()))
        return exp.Div(this=exp.Paren(this=_sum(terms)), expression=size)
    if measure.wilson is not None:
        return _wilson(measure, *measure.wilson, value)
    assert measure.shrunk is not None
    part, whole = measure.shrunk
    size = number(measure.m)
    share = _quotient(overall(part), overall(whole))
    above = _sum([as_double(value(part)), exp.Mul(this=size, expression=exp.Paren(this=share))])
    below = _sum([as_double(value(whole)), size.copy()])
    return exp.Div(this=exp.Paren(this=above), expression=exp.Paren(this=below))


def _ratio(measure: Measure, value: Value) -> Node:
    """The quotient of a ratio's sides, null over zero."""

    def total(side: Sequence[str]) -> Node:
        if len(side) == 1:
            return value(side[0])
        return _sum([coalesce(value(name), number(0)) for name in side])

    above, below = measure.sides
    node = _quotient(total(above), total(below))
    if measure.scale != 1:
        node = exp.Mul(this=number(measure.scale), expression=node)
    return node


def _quotient(above: Node, below: Node) -> Node:
    return exp.Div(this=as_double(above), expression=call("nullif", as_double(below), number(0)))


def _wilson(measure: Measure, part: str, whole: str, value: Value) -> Node:
    """Wilson's lower bound with both sides of the fraction multiplied by n: x of n, z deviations.

    (x + z^2/2 - z * sqrt(x * (n - x) / n + z^2/4)) / (n + z^2)
    """
    square = measure.z * measure.z

    def x() -> Node:
        return as_double(value(part))

    def n() -> Node:
        return as_double(value(whole))

    rest = exp.Paren(this=exp.Sub(this=n(), expression=x()))
    spread = exp.Div(this=exp.Mul(this=x(), expression=rest), expression=n())
    width = call("sqrt", exp.Add(this=spread, expression=number(square / 4)))
    middle = exp.Add(this=x(), expression=number(square / 2))
    lower = exp.Sub(this=middle, expression=exp.Mul(this=number(measure.z), expression=width))
    size = exp.Paren(this=exp.Add(this=n(), expression=number(square)))
    bound = exp.Div(this=exp.Paren(this=lower), expression=size)
    is_known = exp.And(
        this=exp.GTE(this=value(whole), expression=number(measure.least)),
        expression=exp.Between(this=value(part), low=number(0), high=value(whole)),
    )
    case = exp.Case()
    # The bound of none of n is zero, which rounding may miss.
    case.append("ifs", exp.If(this=is_known, true=greatest([bound, number(0)])))
    return case


def _sum(nodes: Sequence[Node]) -> Node:
    result = nodes[0]
    for node in nodes[1:]:
        result = exp.Add(this=result, expression=node)
    return result
