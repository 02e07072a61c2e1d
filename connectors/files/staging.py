"""A delimited file read, checked and staged as Parquet in one pass of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from heapq import merge
from itertools import islice
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Contract
from connectors.files.key_check import KeyCheck, Numbers
from connectors.files.record_places import FoundRecord, RecordPlaces, places_in, single_rows
from connectors.files.typed_chunks import ChunkTyping, TypedChunk, Typist, typed_chunks
from connectors.formats.delimited import DelimitedFile, Reading, check_trailer
from connectors.pii_store import PiiStore
from connectors.schema_change import ColumnFinding, Header, resolve_header
from connectors.staging import BatchFacts, Staging
from connectors.validation import MOST_REJECTED, Rejected, mask

_FOUND_AT_ONCE = 10_000
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class StagedFile:
    """What was read and staged; `rejected` lists at most MOST_REJECTED of `rejections` records.

    `sums` are totals of control and trailer columns over all records, `readable` says whether every
    value in them could be read.
    """

    reading: Reading
    rejected: list[Rejected]
    rejections: int
    sums: dict[str, str]
    readable: bool
    findings: tuple[ColumnFinding, ...]
    staging: Staging


class FileStager:
    """Reads delimited files of one contract and stages them on one connection.

    `scratch` is a folder for temporaries, `zone` the operator's time zone. What was planned for one
    file serves the next with the same header.
    """

    def __init__(
        self,
        contract: Contract,
        connection: duckdb.DuckDBPyConnection,
        pii: PiiStore,
        *,
        scratch: Path,
        zone: str,
    ) -> None:
        self._contract = contract
        self._connection = connection
        self._pii = pii
        self._scratch = scratch
        self._zone = zone
        self._plans: dict[tuple[str, tuple[str, ...] | None], tuple[Header, Typist]] = {}

    def stage(self, path: Path, stream_name: str, facts: BatchFacts, folder: Path) -> StagedFile:
        """Read a file and stage its good records in `folder`.

        Raises RefusedDelivery when records can no longer be found, the header does not fit, or the
        trailer disagrees; nothing stays staged then.
        """
        layout = self._contract.layout
        file = DelimitedFile(path, layout)
        header, typist = self._plan(stream_name, file.header)
        staging = Staging(folder, typist.typing.stream, facts, self._pii, list(header.extra))
        try:
            with KeyCheck(self._scratch) as keys:
                run = _Run(path, typist, staging, keys, header.places)
                for records in _one_ahead(run.examine, typed_chunks(file.units(), typist)):
                    staging.add(records)
                if typist.typing.checks_keys:
                    run.reject_repeated_keys()
            reading = file.reading(run.records)
            readable = run.unreadable == 0
            sums = {name: format(total, "f") for name, total in run.sums.items()}
            check_trailer(reading, layout, sums, readable=readable)
            staging.finish(run.repeated)
        except BaseException:
            staging.discard()
            raise
        run.rejected.sort(key=lambda one: one.record_no)
        return StagedFile(
            reading, run.rejected, run.rejections, sums, readable, header.findings, staging
        )

    def _plan(self, stream_name: str, names: tuple[str, ...] | None) -> tuple[Header, Typist]:
        plan = self._plans.get((stream_name, names))
        if plan is None:
            contract = self._contract
            stream = contract.streams[stream_name]
            header = resolve_header(names, stream)
            typing = ChunkTyping(
                stream,
                contract.layout,
                header.places,
                extra=header.extra,
                width=len(names or stream.columns),
                zone=contract.zone or self._zone,
                dates_in=self._zone,
            )
            plan = self._plans[stream_name, names] = header, Typist(typing, self._connection)
        return plan


@dataclass(frozen=True)
class _Held:
    """A record that may repeat a key: where it stands, the hash of its key, itself as staged."""

    found: FoundRecord
    key_hash: int
    record: pa.Table

    @property
    def record_no(self) -> int:
        return self.found.record_no


class _Run:
    """Counts of one pass over a file, and what it rejects."""

    def __init__(
        self,
        path: Path,
        typist: Typist,
        staging: Staging,
        keys: KeyCheck,
        places: Mapping[str, int],
    ) -> None:
        self.records = 0
        self.rejections = 0
        self.rejected: list[Rejected] = []
        self.repeated: list[int] = []
        self.unreadable = 0
        self._held: list[_Held] = []
        self._typist = typist
        self._staging = staging
        self._keys = keys
        self._columns = places
        self._layout = typist.typing.layout
        self._places = RecordPlaces(path, self._layout)
        stream = typist.typing.stream
        self._key = stream.key
        trailer = self._layout.trailer
        summed = [*stream.control.sums, *(trailer.sums if trailer else ())]
        self.sums = {name: Decimal(0).scaleb(-(stream.columns[name].scale or 0)) for name in summed}

    def examine(self, chunk: TypedChunk) -> pa.Table:
        """The good records of the next chunk; the others are noted."""
        first = self.records + 1
        count = chunk.rows
        self.records += count
        self._places.note(first, chunk)
        with localcontext(_EXACT):
            for name in self.sums:
                self.sums[name] += _total(chunk.columns[name])
        records = chunk.columns.append_column(
            "_record_no", pa.array(np.arange(first, first + count, dtype=np.int64))
        )
        good = None
        if chunk.faults.null_count < count:
            wrong = pc.is_valid(chunk.faults)
            for name in self.sums:
                nulls = pc.is_null(chunk.columns[name])
                self.unreadable += pc.sum(pc.and_(wrong, nulls)).as_py() or 0
            good = pc.invert(wrong).to_numpy()
            self._reject(chunk, first, np.flatnonzero(~good))
        if chunk.keys is not None:
            met = self._keys.add(chunk.keys, good)
            if len(met):
                good = np.ones(count, dtype=bool) if good is None else good.copy()
                good[met] = False
                self._hold(chunk, records, first, met)
        return records if good is None else records.filter(pa.array(good))

    def reject_repeated_keys(self) -> None:
        """Reject each good record whose key has been seen before; stage the others held back.

        A hash that two keys share holds back a record that is good.
        """
        if self.rejections > MOST_REJECTED:
            return
        faulty = {one.record_no for one in self.rejected}
        held = {one.record_no: one for one in self._held}
        late = self._keys.unseen_meetings(faulty | held.keys())
        if not held and not len(late):
            return
        hashes = np.array([one.key_hash for one in self._held], dtype=np.uint64)
        earlier = self._keys.sharing(hashes) if held else late[:0]
        known = np.array(sorted(faulty | held.keys()), dtype=np.int64)
        written = np.setdiff1d(np.union1d(earlier, late), known)
        found = self._places.find(written)
        candidates = merge(
            self._with_keys(found),
            self._with_keys(one.found for one in self._held),
            key=lambda pair: pair[0].record_no,
        )
        seen: set[tuple[object, ...]] = set()
        for one, key in candidates:
            if key not in seen:
                seen.add(key)
                if one.record_no in held:
                    self._staging.add(held[one.record_no].record)
                continue
            self.rejections += 1
            if self.rejections > MOST_REJECTED:
                return
            if one.record_no not in held:
                self.repeated.append(one.record_no)
            self.rejected.append(self._rejected(one, f"{self._key[0]}|duplicate_key"))

    def _with_keys(
        self, found: Iterable[FoundRecord]
    ) -> Iterator[tuple[FoundRecord, tuple[object, ...]]]:
        iterator = iter(found)
        while block := list(islice(iterator, _FOUND_AT_ONCE)):
            table = pa.concat_tables([one.place for one in block])
            typed = self._typist.type_block(table).columns
            keys = zip(*(typed[name].to_pylist() for name in self._key), strict=True)
            yield from zip(block, keys, strict=True)

    def _hold(self, chunk: TypedChunk, records: pa.Table, first: int, met: Numbers) -> None:
        """Keep records back whose key may have been seen; more than may be rejected are counted."""
        assert chunk.keys is not None
        room = MOST_REJECTED - len(self.rejected) - len(self._held)
        if len(met) > room:
            self.rejections += len(met)
            return
        few = single_rows(records, met.tolist())
        for index, place in zip(met.tolist(), self._rows(chunk, met.tolist()), strict=True):
            found = FoundRecord(first + index, place)
            self._held.append(_Held(found, int(chunk.keys[index]), next(few)))

    def _rows(self, chunk: TypedChunk, indexes: list[int]) -> list[pa.Table]:
        if chunk.places is not None:
            return list(single_rows(chunk.places, indexes))
        assert chunk.chunk is not None
        return places_in(chunk.chunk, self._layout, indexes)

    def _reject(self, chunk: TypedChunk, first: int, wrong: Numbers) -> None:
        self.rejections += len(wrong)
        room = MOST_REJECTED - len(self.rejected)
        indexes = wrong[: max(room, 0)].tolist()
        faults = chunk.faults.take(pa.array(indexes, pa.int64())).to_pylist()
        for index, place, fault in zip(indexes, self._rows(chunk, indexes), faults, strict=True):
            self.rejected.append(self._rejected(FoundRecord(first + index, place), fault))

    def _rejected(self, found: FoundRecord, fault: str) -> Rejected:
        column, _, reason = fault.rpartition("|")
        place = self._columns.get(column)
        (row,) = found.place.to_pylist()
        texts = row["fields"]
        value = texts[place - 1] if place and texts and place <= len(texts) else None
        return Rejected(
            found.record_no,
            row["line"],
            row["byte_offset"],
            row["byte_length"],
            column or None,
            reason,
            None if value is None else mask(value),
        )


def _one_ahead(
    examine: Callable[[TypedChunk], pa.Table], chunks: Iterable[TypedChunk]
) -> Iterator[pa.Table]:
    """Examine chunks in their order on another thread, one ahead of whoever takes the records."""
    with ThreadPoolExecutor(1) as beside:
        coming: Future[pa.Table] | None = None
        for chunk in chunks:
            following = beside.submit(examine, chunk)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _total(column: pa.ChunkedArray) -> Decimal:
    """The sum of a column of integers or decimals, exact in a context of enough digits."""
    least, most = pc.min_max(column).as_py().values()
    if least is None:
        return Decimal(0)
    # Sums beyond what their type holds would wrap around.
    digits = len(str(max(abs(int(least)), abs(int(most))) * len(column)))
    scale = column.type.scale if pa.types.is_decimal(column.type) else 0
    if digits <= 18 or (scale and digits + scale <= 38):
        return Decimal(pc.sum(column).as_py())
    return sum((Decimal(value) for value in column.drop_null().to_pylist()), Decimal(0))
