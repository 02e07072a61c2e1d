"""One question to a cube from the command line, and the ways to answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from pipelines.command_line.answer_output import (
    MOST_ROWS,
    STREAMED,
    AnswerFormat,
    give,
    say_rows_were_cut,
    say_totals_are_left_out,
    write_stream,
)
from pipelines.command_line.output import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cubes.label import Language
    from cubes.question import CubeQuery
    from cubes.result import CubeResult
    from cubes.scope import Scope
    from pipelines.command_line.chosen_database import ChosenDatabase


@dataclass(frozen=True)
class CubeQuestion:
    """A query of one database, asked within a scope at a moment, to be told in a language."""

    database: ChosenDatabase
    query: CubeQuery
    scope: Scope
    now: datetime
    language: Language

    def show(self, output: AnswerFormat, file: Path | None, *, show_sql: bool) -> None:
        """Print the answer or write it to the file; raises QueryError."""
        if output in STREAMED:
            self._stream(output, file)
            return
        from cubes.query import run_query

        result = run_query(
            self.database.catalogue,
            self.database.connection,
            self.query,
            **self._surroundings(),
            snapshot=self.database.tag,
            most_rows=MOST_ROWS,
        )
        give(result, output, file, title=self._title(), show_sql=show_sql)
        say_rows_were_cut(len(result.rows), self.query.limit, self.language)

    def explain(self, output: AnswerFormat, file: Path | None) -> None:
        """Show the answer with what it means, where it comes from and what moved it."""
        from cubes.explanation import explain_query
        from pipelines.command_line.figure_explanation import print_explanation

        if output not in (AnswerFormat.table, AnswerFormat.text, AnswerFormat.json):
            raise typer.BadParameter("--explain: table | json", param_hint="--format")
        explanation = explain_query(
            self.database.catalogue,
            self.database.connection,
            self.query,
            **self._surroundings(),
            snapshot=self.database.tag,
        )
        if output is AnswerFormat.json:
            print_json({**explanation.result.to_mapping(), "explanation": explanation.to_mapping()})
            return
        give(explanation.result, output, file, title=self._title(), show_sql=False)
        print_explanation(explanation, self.language)

    def show_rows(
        self, columns: Sequence[str], output: AnswerFormat, file: Path | None
    ) -> CubeResult:
        """Show the rows behind the figures; return them."""
        from cubes.drill_through import drill_through
        from cubes.record_stream import RecordStream

        result = drill_through(
            self.database.catalogue,
            self.database.connection,
            self.query,
            columns=columns,
            **self._surroundings(),
            snapshot=self.database.tag,
            most_rows=MOST_ROWS,
        )
        if output in STREAMED:
            write_stream(RecordStream.of(result), output, file)
        else:
            give(result, output, file, title=self._title(), show_sql=False)
        return result

    def _stream(self, output: AnswerFormat, file: Path | None) -> None:
        from cubes.limits import Limits
        from cubes.record_stream import stream_query

        if self.query.totals != "none":
            say_totals_are_left_out(self.language)
        with stream_query(
            self.database.catalogue,
            self.database.connection,
            self.query,
            **self._surroundings(),
            limits=Limits.none(),
        ) as stream:
            write_stream(stream, output, file)

    def _surroundings(self) -> dict[str, Any]:
        self.database.require_keys(self.query.cube)
        return {
            "scope": self.scope,
            "business_date": self.database.business_date(self.query.cube, self.now),
            "language": self.language,
            "warehouse": self.database.warehouse,
        }

    def _title(self) -> str:
        return self.database.catalogue.cube(self.query.cube).label.text(self.language)
