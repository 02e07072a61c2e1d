"""Settings: read once from the environment (prefix `HUIYIN_`), `.env` and the home, then frozen.

Order of precedence: environment, `.env` in the project's root, `home.json` of the home (what a
demo chose for itself), defaults. All faults are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
)

from cubes.label import Language
from pipelines.errors import SettingsError

PREFIX = "HUIYIN_"
_CREDENTIALS = ("_password", "_key_file", "_key_passphrase", "_endpoint")
PROJECT_ROOT = Path(__file__).resolve().parent.parent


PublicUrl = Annotated[
    str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?$", max_length=200)
]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseModel):
    """Everything an installation can choose; field `x` is read from `HUIYIN_X`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = PROJECT_ROOT / "var"
    clock: str | None = None
    timezone: str = "Asia/Shanghai"
    calendar: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "china"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    first_day: date = date(2020, 1, 1)
    language: Language = "zh"
    sources: tuple[str, ...] = ()
    secrets_file: Path | None = None
    pseudonym_key: str | None = Field(default=None, repr=False)
    encryption_key: str | None = Field(default=None, repr=False)
    signature_zh: Annotated[str, Field(min_length=3, max_length=20)] = "【回音】"
    signature_en: Annotated[str, Field(min_length=3, max_length=20)] = "[Huiyin]"
    build_wait_minutes: Annotated[float, Field(ge=0, le=1440)] = 30
    memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)?(MB|GB|TB)$")] = "1GB"
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    keep_snapshots: Annotated[int, Field(ge=3)] = 3
    log_format: Literal["text", "json"] = "text"
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    dagster_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    dagster_port: Port = 3000
    intake_port: Port = 8010
    portal_port: Port = 8020
    service_port: Port = 8030
    superset_port: Port = 8088
    public_portal_url: PublicUrl | None = None
    public_superset_url: PublicUrl | None = None
    publish_every_minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    secure_cookies: bool = False
    superset_admin_password: Annotated[str, Field(min_length=8)] | None = Field(
        default=None, repr=False
    )
    test_data: Path | None = None
    _credentials: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def credentials(self) -> Mapping[str, str]:
        """Secrets of sources and partners from the environment, such as HUIYIN_BILLING_PASSWORD."""
        return self._credentials

    @field_validator("sources", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as Asia/Shanghai") from error
        return value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value if value.is_absolute() else PROJECT_ROOT / value


def read_settings(
    environment: Mapping[str, str],
    *,
    dotenv: Path | None = PROJECT_ROOT / ".env",
    home: Path | None = None,
) -> Settings:
    """Read and validate all settings; `home` overrides `HUIYIN_HOME`.

    Raises SettingsError with every fault at once: unknown variables, wrong values, and a
    `home.json` that cannot be read.
    """
    from pipelines.home import read_home_choices

    faults: list[str] = []
    chosen = {**_read_dotenv(dotenv, faults), **_prefixed(environment)}
    if home is not None:
        chosen["home"] = str(home)
    credentials = {
        f"{PREFIX}{name.upper()}": chosen.pop(name) for name in list(chosen) if is_credential(name)
    }
    # What steers the tests is no setting of the product they start.
    chosen = {
        name: value
        for name, value in chosen.items()
        if name in Settings.model_fields or not name.startswith("test_")
    }
    for name in sorted(set(chosen) - set(Settings.model_fields)):
        faults.append(f"{PREFIX}{name.upper()} is not a setting{_suggestion(name)}")
        del chosen[name]
    empty = [name for name, value in chosen.items() if value == ""]
    for name in empty:
        del chosen[name]
    home_path = Path(chosen.get("home", str(PROJECT_ROOT / "var")))
    home_path = home_path if home_path.is_absolute() else PROJECT_ROOT / home_path
    values: dict[str, Any] = {**read_home_choices(home_path, faults), **chosen}
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0])
            place = f"{PREFIX}{name.upper()}" if name in chosen else f"{home_path}/home.json {name}"
            shown = "" if name.endswith(("_key", "_password")) else f"={values.get(name)!r}"
            faults.append(f"{place}{shown}: {item['msg']}")
    if settings is not None and settings.clock is not None:
        from pipelines.clock import parse_clock

        try:
            parse_clock(settings.clock)
        except ValueError as error:
            faults.append(f"{PREFIX}CLOCK={settings.clock!r}: {error}")
    if faults or settings is None:
        raise SettingsError(faults)
    settings._credentials.update(credentials)
    return settings


def is_credential(name: str) -> bool:
    """Whether a variable without its prefix names a secret of a source, and no mistyped setting."""
    from difflib import get_close_matches

    settings = [field for field in Settings.model_fields if field.endswith(_CREDENTIALS)]
    if name in Settings.model_fields or not name.endswith(_CREDENTIALS):
        return False
    return not get_close_matches(name, settings, cutoff=0.85)


def _prefixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }


def _read_dotenv(path: Path | None, faults: list[str]) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator:
            faults.append(f"{path}:{number}: expected NAME=value")
            continue
        values[name.strip()] = value.strip().strip("'\"")
    return _prefixed(values)


def _suggestion(name: str) -> str:
    from cubes.declaration import suggest

    hint = suggest(name, Settings.model_fields)
    return hint.replace("'", f"'{PREFIX}", 1).upper().replace("(DID YOU MEAN", "(did you mean")
