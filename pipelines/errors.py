"""The error tree of `pipelines`, and how every error of the product becomes an exit code.

PipelineError
├── SettingsError        settings or secrets are wrong (all faults at once); exit 2
├── HomeError            the home cannot be used for what was asked; exit 2
├── BuildLockedError     another build holds the lock; exit 3
├── KnownThenError       what was known then cannot be built as it was asked for; exit 2
│   └── RawGoneError     rows that were known then are not kept any more; exit 1
├── OperatorRowsError    a rule row that the operator added before was changed or removed; exit 2
├── BuildFailedError     a structural fault stopped the build before publishing; exit 1
├── DocumentationError   the page about the models could not be written; exit 1
├── SupersetError        Superset could not be given its dashboards; exit 3
├── PublishError         copying or swapping the snapshot failed; exit 3
├── ProcessesError       the running processes could not be started, asked or stopped; exit 3
└── UnhealthyError       a process does not come up, whatever is waited; exit 1
"""

from __future__ import annotations

from collections.abc import Sequence

from cubes.errors import Fault


class PipelineError(Exception):
    """Base of all errors raised by `pipelines`."""

    retryable: bool = False
    exit_code: int = 1


class SettingsError(PipelineError):
    """Settings are wrong; `faults` lists one sentence for each."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(
            f"Reading the settings found {len(self.faults)} fault(s):\n{lines}\n"
            "Trying again does not help; correct the environment or the .env file "
            "(.env.example lists every variable)."
        )


class HomeError(PipelineError):
    """The home directory cannot be used for what was asked."""

    exit_code = 2


class BuildLockedError(PipelineError):
    """Another process is building in this home and did not finish in time."""

    retryable = True
    exit_code = 3


class OperatorRowsError(PipelineError):
    """Rows of rule tables are only ever added; `faults` lists those that changed or are gone."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(
            f"Reading the operator's rule rows found {len(self.faults)} that were there before and "
            f"changed or are gone:\n{lines}\nNothing was built. Rows are only ever added, so that "
            "what was known at a time can be told. Trying again helps once each row stands as it "
            "was; to correct one, add a row below that says it right: of a policy the last row of "
            "a version counts, of a day the one announced last."
        )


class BuildFailedError(PipelineError):
    """A model or a data test of severity error failed; the last good snapshot serves on."""

    exit_code = 1


class KnownThenError(PipelineError):
    """What was known then cannot be built: the moment, the snapshot or the file is not usable."""

    exit_code = 2


class RawGoneError(KnownThenError):
    """Landed files that held rows known then are gone, by retention or by accident."""

    exit_code = 1


class DocumentationError(PipelineError):
    """The page that documents the models could not be written; a page there stays as it was."""


class SupersetError(PipelineError):
    """The analysts' tool could not be given its database, dashboards or roles."""

    retryable = True
    exit_code = 3


class PublishError(PipelineError):
    """A snapshot could not be written or swapped in; the last good snapshot serves on."""

    retryable = True
    exit_code = 3


class ProcessesError(PipelineError):
    """The running processes could not be started, asked or stopped."""

    retryable = True
    exit_code = 3


class UnhealthyError(PipelineError):
    """A process ends again and again; waiting longer does not help."""

    exit_code = 1


def exit_code_of(error: Exception) -> int:
    """Exit code of any error of the product: its own, else 3 when retrying helps, else 2."""
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    return 3 if getattr(error, "retryable", False) else 2
