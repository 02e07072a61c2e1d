"""Reading operations: named queries and cubes within the key's scope, from one pinned snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from connectors.contract import Contract
from connectors.inbox import ApiClient
from connectors.service.answer_stream import AnswerStream
from connectors.service.operation import OPERATIONS
from connectors.service.packet import Packet, Params
from connectors.service.pins import SnapshotPins
from connectors.service.refusal import PacketRefused, field_fault
from cubes.answer import answer_columns
from cubes.catalogue import Catalogue
from cubes.drill_through import drill_through
from cubes.errors import AnswerTooLarge, AnswerTooSlow, QueryError, TableMissing
from cubes.label import LANGUAGES, Label
from cubes.limits import Limits, within_seconds
from cubes.named_query import NamedQuery, run_named_query
from cubes.query import run_query
from cubes.question import CubeQuery
from cubes.record_stream import RecordStream, stream_named_records, stream_query
from cubes.result import CubeResult, plain
from cubes.result_cache import ResultCache
from cubes.scope import Scope
from cubes.snapshot import Snapshot

_CUBE_KEYS = tuple(OPERATIONS["query_cube"].params)
_ROW_KEYS = tuple(OPERATIONS["query_rows"].params)
MOST_STREAMED = 50_000_000
"""The rows of an answer that is read in parts."""


@dataclass(frozen=True)
class Reader:
    """What answers questions: the catalogue, the snapshots, the limits of a cube's answer, whole
    and in parts, and the answers kept."""

    catalogue: Catalogue
    contracts: Mapping[str, Contract]
    pins: SnapshotPins
    limits: Limits = field(default_factory=Limits)
    stream_limits: Limits = field(default_factory=lambda: Limits(rows=MOST_STREAMED, seconds=600))
    cache: ResultCache = field(default_factory=ResultCache)

    def named_query(self, packet: Packet, client: ApiClient) -> tuple[Any, str]:
        """The answer of a named query, and the snapshot it is from; raises PacketRefused.

        A query the key has no permission for is not known to it.
        """
        named, given, language = self._named_question(packet, client)
        with self.pins.pinned() as snapshot, snapshot.cursor() as cursor:
            with refused("params.params"):
                result = run_named_query(
                    self.catalogue,
                    cursor,
                    named.query,
                    given,
                    scope=scope_of(client),
                    business_date=snapshot.business_date,
                    language=language,
                    warehouse=snapshot.warehouse,
                    snapshot=snapshot.tag,
                    limited=True,
                    cache=self.cache,
                )
            data = {"query": named.query, "label": named.label.text(language)}
            return {**data, **_told(result, snapshot.business_date)}, snapshot.tag

    def cube(self, packet: Packet, client: ApiClient) -> tuple[Any, str]:
        """The answer of a cube, and the snapshot it is from; raises PacketRefused."""
        mapping, language = _cube_question(packet, _CUBE_KEYS)
        with self.pins.pinned() as snapshot, snapshot.cursor() as cursor:
            with refused("params"), within_seconds(cursor, self.limits.seconds):
                result = run_query(
                    self.catalogue,
                    cursor,
                    CubeQuery.from_mapping(mapping),
                    scope=scope_of(client),
                    business_date=snapshot.business_date,
                    language=language,
                    warehouse=snapshot.warehouse,
                    snapshot=snapshot.tag,
                    most_rows=self.limits.rows,
                    cache=self.cache,
                )
            return _told(result, snapshot.business_date), snapshot.tag

    def rows(self, packet: Packet, client: ApiClient) -> tuple[Any, str]:
        """The rows behind figures of a cube, and the snapshot; raises PacketRefused."""
        mapping, language = _cube_question(packet, _ROW_KEYS)
        columns = mapping.pop("columns", ())
        with self.pins.pinned() as snapshot, snapshot.cursor() as cursor:
            with refused("params"), within_seconds(cursor, self.limits.seconds):
                result = drill_through(
                    self.catalogue,
                    cursor,
                    CubeQuery.from_mapping(mapping),
                    columns=columns,
                    scope=scope_of(client),
                    business_date=snapshot.business_date,
                    language=language,
                    warehouse=snapshot.warehouse,
                    snapshot=snapshot.tag,
                    most_rows=self.limits.rows,
                )
            return _told(result, snapshot.business_date), snapshot.tag

    def stream(self, packet: Packet, client: ApiClient, media: str) -> AnswerStream:
        """The answer of a named query or a cube, to be read in parts; raises PacketRefused.

        What is wrong with the question is raised by the first read.
        """
        with ExitStack() as held:
            snapshot = held.enter_context(self.pins.pinned())
            cursor = held.enter_context(snapshot.cursor())
            return AnswerStream(
                media,
                snapshot.tag,
                snapshot.business_date.isoformat(),
                self._records(packet, client, snapshot, cursor),
                cursor,
                held.pop_all(),
            )

    @contextmanager
    def _records(
        self,
        packet: Packet,
        client: ApiClient,
        snapshot: Snapshot,
        cursor: duckdb.DuckDBPyConnection,
    ) -> Iterator[RecordStream]:
        scope, day, warehouse = scope_of(client), snapshot.business_date, snapshot.warehouse
        with ExitStack() as held:
            if packet.operation == "run_named_query":
                named, given, language = self._named_question(packet, client)
                with refused("params.params"):
                    opened = stream_named_records(
                        self.catalogue,
                        cursor,
                        named.query,
                        given,
                        scope=scope,
                        business_date=day,
                        language=language,
                        warehouse=warehouse,
                    )
                    stream = held.enter_context(opened)
            else:
                mapping, language = _cube_question(packet, _CUBE_KEYS)
                with refused("params"):
                    cubed = stream_query(
                        self.catalogue,
                        cursor,
                        CubeQuery.from_mapping(mapping),
                        scope=scope,
                        business_date=day,
                        language=language,
                        warehouse=warehouse,
                        limits=self.stream_limits,
                    )
                    stream = held.enter_context(cubed)
            yield stream

    def _named_question(
        self, packet: Packet, client: ApiClient
    ) -> tuple[NamedQuery, Mapping[str, Any], str]:
        params = Params(packet.params)
        params.unknown(("query", "params", "language"))
        name = params.text("query", 200, required=True)
        given = params.part("params")
        language = params.one_of("language", LANGUAGES) or "zh"
        params.require()
        named = self.catalogue.queries.get(name or "")
        if named is None or named.permission not in client.permissions:
            raise PacketRefused("not_found")
        return named, given, language

    def operations(self, packet: Packet, client: ApiClient) -> tuple[Any, str | None]:
        """What the key may do: operations, named queries with their signatures, streams."""
        params = Params(packet.params)
        params.unknown(("language",))
        language = params.one_of("language", LANGUAGES) or "zh"
        params.require()
        told: dict[str, Any] = {
            "operations": [
                {
                    "operation": operation.name,
                    "label": operation.label.model_dump()[language],
                    "writes": operation.writes,
                    "params": operation.schema,
                    "example": operation.example,
                }
                for operation in OPERATIONS.values()
                if operation.is_open_to(client.permissions)
            ],
            "streams": [
                _stream(contract, name, language)
                for source, contract in self.contracts.items()
                if source in client.sources and "deliver" in client.permissions
                for name in contract.streams
            ],
            "unit": client.unit_id,
            "test": client.is_test,
        }
        asked = [
            query
            for query in self.catalogue.queries.values()
            if query.permission in client.permissions
        ]
        try:
            with self.pins.pinned() as snapshot:
                told["queries"] = [
                    {
                        **described(query, language),
                        "columns": self._columns(query, snapshot, language),
                    }
                    for query in asked
                ]
                return told, snapshot.tag
        except PacketRefused:
            told["queries"] = [{**described(query, language), "columns": []} for query in asked]
            return told, None

    def _columns(self, query: NamedQuery, snapshot: Any, language: str) -> list[dict[str, Any]]:
        found = answer_columns(
            self.catalogue,
            query,
            warehouse=snapshot.warehouse,
            business_date=snapshot.business_date,
            language=language,
        )
        return [{"name": item.name, "label": item.label} for item in found]


def described(query: NamedQuery, language: str) -> dict[str, Any]:
    """A named query as it is told: label, signature, typed parameters, limits."""
    about = query.description
    return {
        "query": query.query,
        "label": query.label.text(language),
        "description": about.text(language) if isinstance(about, Label) else about or "",
        "signature": query.signature(),
        "params": {
            name: {
                "type": item.type,
                "label": item.label.text(language) if item.label else name,
                "required": not item.optional and item.default is None and name != "business_date",
                "default": plain(item.default),
                "min": plain(item.min),
                "max": plain(item.max),
                "values": list(item.values) if item.values else None,
            }
            for name, item in query.parameters.items()
        },
        "limits": query.limits.model_dump(),
    }


def scope_of(client: ApiClient) -> Scope:
    """What the key may see: its unit and those below, or all."""
    return Scope.all() if client.unit_id is None else Scope.units([client.unit_id])


def _stream(contract: Contract, name: str, language: str) -> dict[str, Any]:
    stream = contract.streams[name]
    return {
        "source": contract.source,
        "stream": name,
        "label": stream.label.model_dump()[language],
        "key": list(stream.key),
        "sums": list(stream.control.sums),
        "columns": {
            column.from_ or own: {"type": column.type, "required": column.required}
            for own, column in stream.columns.items()
        },
    }


def _cube_question(packet: Packet, keys: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The mapping of a question to a cube and its language; what it names the cube checks."""
    params = Params(packet.params)
    params.unknown(keys)
    language = params.one_of("language", LANGUAGES) or "zh"
    params.text("cube", 200, required=True)
    for name in ("time", "period", "compare", "fill", "totals"):
        params.text(name, 200)
    params.integer("limit", 1, 10_000)
    params.flag("keys")
    params.flag("as_was")
    for name in ("measures", "by", "order", "columns"):
        value = params.data.get(name, [])
        if not isinstance(value, list) or len(value) > 20 or not all(_is_text(v) for v in value):
            params.fault(name, "list", most=20)
    for name, value in params.part("cuts").items():
        values = value if isinstance(value, list) else [value]
        is_fit = 0 < len(values) <= 200 and all(
            one is None or isinstance(one, bool | int) or _is_text(one) for one in values
        )
        if not is_fit or len(name) > 200:
            params.fault("cuts", "list", most=200)
    params.require()
    mapping = {key: value for key, value in packet.params.items() if key != "language"}
    return mapping, language


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 200


@contextmanager
def refused(field: str) -> Iterator[None]:
    """Turn what a query refuses into the refusal of the packet; `field` is where it was asked."""
    try:
        yield
    except AnswerTooSlow as error:
        raise PacketRefused("answer_too_slow") from error
    except AnswerTooLarge as error:
        raise PacketRefused("answer_too_large") from error
    except QueryError as error:
        # The engine's own words name tables and columns, which no client is told.
        if isinstance(error, TableMissing) or isinstance(error.__cause__, duckdb.Error):
            raise PacketRefused("invalid", faults=[field_fault(field, "unanswerable")]) from error
        said = {language: error.text(language) for language in LANGUAGES}
        raise PacketRefused("invalid", faults=[field_fault(field, "query", said=said)]) from error


def _told(result: CubeResult, business_date: Any) -> dict[str, Any]:
    """A result as data; the statement is ours and no table is told."""
    told = result.to_mapping()
    del told["sql"], told["snapshot"]
    return {"business_date": business_date.isoformat(), **told}
