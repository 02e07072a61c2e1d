"""Shared dimensions: one YAML file each in `dimensions/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from cubes.label import Label, with_label

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

FROM_ORG_LEVEL = "from org_level"

MOST_LEVELS = 8
"""The levels an organisation may have, as `from org_level` knows them."""

VALID_FROM, VALID_TO = "valid_from", "valid_to"
"""The columns of a history that bound a version (half-open dates)."""


class Frozen(BaseModel):
    """Base of all declarations: frozen, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class LocalisedSql(Frozen):
    """A column or expression for each language."""

    zh: str
    en: str


class Attribute(Frozen):
    """A property of a member: `sql` gives its value, `key` (optional) tells equal values apart.

    `values` labels its codes: a mapping, or `from org_level` for names of organisation levels.
    """

    sql: str | LocalisedSql | None = None
    key: str | None = None
    label: Label | None = None
    values: Literal["from org_level"] | dict[str, Label] = Field(default_factory=dict)


class Level(Attribute):
    """One level of a hierarchy; without `sql` its name is the column."""

    name: Name


class Hierarchy(Frozen):
    """Levels, coarsest first: a list, or `from org_level` (columns l1_id, l1_name, ... l8_name).

    A branch may end early: its lower levels are null; with `ragged: false` the check against the
    database refuses that. `closure` names a table (ancestor_id, descendant_id, valid_from,
    valid_to) used for scope.
    """

    levels: Literal["from org_level"] | tuple[Level, ...]
    ragged: bool = True
    closure: str | None = None

    @field_validator("levels", mode="before")
    @classmethod
    def _named_levels(cls, value: object) -> object:
        if isinstance(value, list):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        if value != FROM_ORG_LEVEL:
            raise ValueError(f"must be a list of levels or '{FROM_ORG_LEVEL}'")
        return value


class Parent(Frozen):
    """A snowflaked parent table: `on` (a column of this table) points to its `key`.

    Expressions of the dimension name its columns `parent.<column>`.
    """

    table: str
    key: str
    on: str


class Dimension(Frozen):
    """A table with one row per member, joined many-to-one from facts by `key`.

    `name` gives the text that people see for a key; `code` is a second column that `#CODE` matches.
    With `scope: true` an account's jurisdiction applies on this dimension. `unit` is a column with
    the unit a member belongs to: a restricted account knows the members of its own units and those
    in rows it may see; without `unit` everybody knows all members.

    `history` is a table with the same columns and `valid_from`, `valid_to` (half-open dates): the
    versions of each member, which a query with `as_was` joins at each fact's date. A snowflaked
    parent has none and stays as it is.
    """

    dimension: Name
    label: Label
    description: str | Label | None = None
    owner: str | None = None
    table: str
    key: str
    code: str | None = None
    name: str | LocalisedSql | None = None
    history: str | None = None
    scope: bool = False
    unit: str | None = None
    parent: Parent | None = None
    hierarchies: dict[Name, Hierarchy] = Field(default_factory=dict)
    attributes: dict[Name, Attribute] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _label(cls, value: object) -> object:
        return with_label(value, "dimension")

    @property
    def closure(self) -> str | None:
        """The closure table of its first hierarchy that has one."""
        for hierarchy in self.hierarchies.values():
            if hierarchy.closure is not None:
                return hierarchy.closure
        return None


def localised(sql: str | LocalisedSql, language: str) -> str:
    """The expression for `language`."""
    if isinstance(sql, str):
        return sql
    return sql.zh if language == "zh" else sql.en


def variants(sql: str | LocalisedSql) -> tuple[str, ...]:
    """All expressions whose values name the member."""
    if isinstance(sql, str):
        return (sql,)
    return (sql.zh,) if sql.zh == sql.en else (sql.zh, sql.en)
