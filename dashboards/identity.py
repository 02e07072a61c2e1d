"""Identities of assets: derived from names, so that the same bundle is generated every time."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from cubes.label import Language

_SPACE = uuid5(NAMESPACE_URL, "https://huiyin.invalid/superset")

DATABASE = "huiyin"
"""The one database of the bundle."""


def asset_id(kind: str, name: str) -> str:
    """The UUID of an asset: `kind` is database, dataset, chart or dashboard."""
    return str(asset_uuid(kind, name))


def asset_uuid(kind: str, name: str) -> UUID:
    """The same as a UUID."""
    return uuid5(_SPACE, f"{kind}/{name}")


def slug_of(slug: str, language: Language) -> str:
    """The address of a dashboard in a language."""
    return slug if language == "zh" else f"{slug}-{language}"


def filter_id(name: str) -> str:
    """The id of a dashboard's filter by a name of a cube."""
    return f"NATIVE_FILTER-{name.replace('.', '-')}"
