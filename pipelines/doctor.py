"""The doctor: what a home and its machine lack, each finding with what to do. Changes nothing."""

from __future__ import annotations

import ipaddress
import locale
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from cubes.label import Label
from pipelines.errors import PipelineError
from pipelines.home import read_home
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT

Level = Literal["ok", "warn", "fail"]

_LEAST_BYTES = 200 * 2**20
_FEW_BYTES = 2 * 2**30
_OLD = timedelta(days=2)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor; `remedy` says what to do, None if there is nothing."""

    topic: Label
    level: Level
    text: Label
    remedy: Label | None = None


def examine(installation: Installation) -> Sequence[Finding]:
    """Every finding, in a fixed order; a check that breaks is a finding itself."""
    checks: Sequence[tuple[Label, Callable[[Label, Installation], Finding]]] = (
        (_label("Python", "Python"), _python),
        (_label("软件包", "Packages"), _packages),
        (_label("字符编码", "Locale"), _locale),
        (_label("时区数据", "Time zones"), _time_zones),
        (_label("中文字体", "Chinese fonts"), _fonts),
        (_label("磁盘", "Disk"), _disk),
        (_label("主目录", "Home"), _home),
        (_label("存储", "Stores"), _stores),
        (_label("密钥文件", "Secrets"), _secrets),
        (_label("时钟", "Clock"), _clock),
        (_label("快照", "Snapshot"), _snapshot),
        (_label("分析工具", "Analysts' tool"), _superset),
        (_label("端口", "Ports"), _ports),
        (_label("监听地址", "Hosts"), _hosts),
        (_label("进程", "Processes"), _processes),
    )
    found = []
    for topic, check in checks:
        try:
            found.append(check(topic, installation))
        except (OSError, ValueError, KeyError, PipelineError, sqlite3.Error) as error:
            told = " ".join(str(error).split())
            found.append(
                Finding(topic, "fail", _label(f"检查时出错：{told}", f"the check failed: {told}"))
            )
    return found


def required_packages(pyproject: str) -> dict[str, str]:
    """Exact versions of the packages the product itself needs, from the text of `pyproject`."""
    declared = tomllib.loads(pyproject)["dependency-groups"]["pipeline"]
    pairs = (re.split(r"\[.*\]==|==", line) for line in declared)
    return {name: wanted for name, wanted in pairs}


def age_finding(topic: Label, tag: str, as_of: datetime, now: datetime) -> Finding:
    """Whether a snapshot is of use at `now`."""
    age = now - as_of
    hours = max(age.total_seconds() / 3600, 0)
    text = _label(f"{tag}，{hours:.0f} 小时前的数据", f"{tag}, data of {hours:.0f} hours ago")
    if age <= _OLD:
        return Finding(topic, "ok", text)
    return Finding(
        topic, "warn", text, _label("huiyin run（或 huiyin up）", "huiyin run (or huiyin up)")
    )


def room_finding(topic: Label, free: int) -> Finding:
    """Whether `free` bytes of disk are enough."""
    text = _label(f"剩余 {free / 2**30:.1f} GB", f"{free / 2**30:.1f} GB free")
    if free < _LEAST_BYTES:
        return Finding(topic, "fail", text, _label("清出 200 MB 以上", "free at least 200 MB"))
    if free < _FEW_BYTES:
        return Finding(topic, "warn", text, _label("宜留 2 GB 以上", "better keep 2 GB free"))
    return Finding(topic, "ok", text)


def _python(topic: Label, installation: Installation) -> Finding:
    text = _same(sys.version.split()[0])
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding(topic, "ok", text)
    return Finding(
        topic, "fail", text, _label("安装 Python 3.11 或 3.12", "install Python 3.11 or 3.12")
    )


def _packages(topic: Label, installation: Installation) -> Finding:
    wanted = required_packages((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wrong = []
    for name, exact in wanted.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "-"
        if found != exact:
            wrong.append(f"{name} {found} ≠ {exact}")
    if wrong:
        return Finding(topic, "fail", _same(", ".join(wrong)), _same("make setup"))
    shown = ", ".join(f"{name} {wanted[name]}" for name in ("dagster", "dbt-core", "duckdb"))
    return Finding(topic, "ok", _same(shown))


def _locale(topic: Label, installation: Installation) -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        return Finding(topic, "ok", _same(encoding))
    return Finding(topic, "warn", _same(encoding), _same("export LANG=C.UTF-8"))


def _time_zones(topic: Label, installation: Installation) -> Finding:
    zone = installation.settings.timezone
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    offset = moment.astimezone(ZoneInfo(zone)).strftime("%z")
    is_right = moment.astimezone(ZoneInfo("Asia/Shanghai")).utcoffset() == timedelta(hours=8)
    if is_right:
        return Finding(topic, "ok", _same(f"{zone} {offset}"))
    return Finding(topic, "fail", _same(f"{zone} {offset}"), _same("apt-get install tzdata"))


def _fonts(topic: Label, installation: Installation) -> Finding:
    remedy = _same("apt-get install fontconfig fonts-noto-cjk")
    if shutil.which("fc-list") is None:
        return Finding(topic, "warn", _label("没有 fontconfig", "fontconfig is absent"), remedy)
    listed = subprocess.run(
        ["fc-list", ":lang=zh", "family"], capture_output=True, text=True, timeout=30
    )
    families = sorted({line.split(",")[0] for line in listed.stdout.splitlines() if line.strip()})
    if families:
        return Finding(topic, "ok", _same(families[0]))
    nothing = _label("图表里的中文会是方块", "Chinese in charts will be boxes")
    return Finding(topic, "warn", nothing, remedy)


def _disk(topic: Label, installation: Installation) -> Finding:
    return room_finding(topic, shutil.disk_usage(_existing(installation.home.path)).free)


def _home(topic: Label, installation: Installation) -> Finding:
    path = installation.home.path
    place = _existing(path)
    if not place.is_dir():
        return Finding(
            topic,
            "fail",
            _label(f"{place} 不是目录", f"{place} is no folder"),
            _label("另设 HUIYIN_HOME", "set HUIYIN_HOME to another place"),
        )
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            topic,
            "fail",
            _label(f"{place} 不可写：{error.strerror}", f"{place}: {error.strerror}"),
            _label("给予写权限，或另设 HUIYIN_HOME", "allow writing, or set HUIYIN_HOME"),
        )
    if place != path:
        return Finding(topic, "ok", _label(f"{path} 尚未创建", f"{path} is made at first use"))
    return Finding(topic, "ok", _same(str(path)))


def _stores(topic: Label, installation: Installation) -> Finding:
    home = installation.home
    stores = [home.ledger, home.pii, home.operations, home.inbox]
    present = [path for path in stores if path.exists()]
    broken = []
    for path in present:
        try:
            # `immutable` would miss what still stands in the write-ahead log.
            connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)
            try:
                connection.execute("select count(*) from sqlite_master").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            broken.append(f"{path.name}: {error}")
    for path in stores[:2]:
        try:
            home.require_store(path)
        except PipelineError:
            broken.append(f"{path.name}: gone")
    if broken:
        return Finding(
            topic,
            "fail",
            _same("; ".join(broken)),
            _label("从备份恢复该文件", "restore the file from a backup"),
        )
    shown = ", ".join(path.name for path in present)
    return Finding(topic, "ok", _same(shown) if shown else _label("还没有", "none yet"))


def _secrets(topic: Label, installation: Installation) -> Finding:
    settings = installation.settings
    path = settings.secrets_file or installation.home.secrets
    if not path.exists():
        if settings.pseudonym_key and settings.encryption_key:
            return Finding(topic, "ok", _label("来自环境变量", "from the environment"))
        if installation.home.pii.exists():
            return Finding(
                topic,
                "fail",
                _label(f"{path} 不见了，而 pii.db 还在", f"{path} is gone, but pii.db is there"),
                _label("从备份恢复该文件", "restore the file from a backup"),
            )
        return Finding(topic, "ok", _label("首次使用时生成", "made at first use"))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        text = _label(f"{path} 权限 {mode:o}，他人可读", f"{path} has mode {mode:o}")
        return Finding(topic, "fail", text, _same(f"chmod 600 {path}"))
    return Finding(topic, "ok", _same(f"{path.name} {mode:o}"))


def _clock(topic: Label, installation: Installation) -> Finding:
    clock = installation.clock
    zone = ZoneInfo(installation.settings.timezone)
    shown = clock.now().astimezone(zone).isoformat(sep=" ", timespec="minutes")
    if clock.kind == "system":
        return Finding(topic, "ok", _label(f"系统时钟 {shown}", f"the system's, {shown}"))
    if clock.kind == "from" and clock.started_at is not None:
        return Finding(topic, "ok", _label(f"演示时钟 {shown}", f"a demonstration's, {shown}"))
    remedy = (
        _label("huiyin up 之后开始走", "it runs from the first huiyin up on")
        if clock.kind == "from"
        else None
    )
    # Only a demonstration may stand still: real deliveries would never become due.
    is_meant = bool(read_home(installation.home).get("demo"))
    text = _label(f"停在 {shown}", f"it stands at {shown}")
    return Finding(topic, "ok" if is_meant else "warn", text, remedy)


def _snapshot(topic: Label, installation: Installation) -> Finding:
    current = installation.home.published / "current"
    if not current.is_symlink():
        return Finding(
            topic,
            "warn",
            _label("还没有发布过", "nothing is published yet"),
            _label("huiyin run（演示：huiyin demo）", "huiyin run (to try it: huiyin demo)"),
        )
    with installation.snapshot() as snapshot:
        as_of = datetime.fromisoformat(snapshot.info["as_of"])
        return age_finding(topic, snapshot.tag, as_of, installation.now())


def _superset(topic: Label, installation: Installation) -> Finding:
    from pipelines.superset import is_built, is_installed

    if not is_installed():
        return Finding(topic, "warn", _label("没有安装", "not installed"), _same("make bi"))
    if not is_built(installation.home):
        return Finding(
            topic,
            "warn",
            _label("看板还没有建立", "the dashboards are not built"),
            _same("huiyin superset build"),
        )
    return Finding(topic, "ok", _label("已安装，看板已建立", "installed, dashboards built"))


def _ports(topic: Label, installation: Installation) -> Finding:
    from pipelines.address import read_addresses
    from pipelines.processes.plan import host_of, preferred_ports
    from pipelines.processes.ports import is_free

    ours = {url.rpartition(":")[2] for url in read_addresses(installation.home).values()}
    preferred = preferred_ports(installation)
    taken = [
        f"{name} {port}"
        for name, port in preferred.items()
        if str(port) not in ours and not is_free(host_of(installation, name), port)
    ]
    if taken:
        shown = ", ".join(taken)
        return Finding(
            topic,
            "warn",
            _label(f"被占用：{shown}", f"taken: {shown}"),
            _label("huiyin up 会用下一个空闲端口", "huiyin up takes the next free one"),
        )
    shown = ", ".join(f"{name} {port}" for name, port in preferred.items())
    return Finding(topic, "ok", _same(shown))


def _hosts(topic: Label, installation: Installation) -> Finding:
    settings = installation.settings
    told, remedies = [], []
    if not is_loopback(settings.dagster_host):
        told.append(
            _label(
                f"Dagster 没有登录，却在 {settings.dagster_host} 上可达",
                f"Dagster has no sign-in and listens on {settings.dagster_host}",
            )
        )
        remedies.append(_same("HUIYIN_DAGSTER_HOST=127.0.0.1"))
    if not is_loopback(settings.host) and not settings.secure_cookies:
        told.append(
            _label(
                f"在 {settings.host} 上监听，登录 cookie 却不限于 https",
                f"listening on {settings.host}, but cookies are not confined to https",
            )
        )
        remedies.append(
            _label(
                "放到 TLS 代理后面，并设 HUIYIN_SECURE_COOKIES=true",
                "put it behind a proxy with TLS and set HUIYIN_SECURE_COOKIES=true",
            )
        )
    if told:
        return Finding(topic, "warn", _joined(told), _joined(remedies))
    shown = dict.fromkeys((settings.host, settings.dagster_host))
    return Finding(topic, "ok", _same(", ".join(shown)))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`; of names only localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _processes(topic: Label, installation: Installation) -> Finding:
    from pipelines.processes.operation import left_over, states

    found = states(installation)
    bad = [one for one in found if one.state not in {"healthy", "stopped"}]
    if left := left_over(installation):
        text = _label(f"遗留 {left} 个进程", f"{left} processes are left over")
        return Finding(topic, "fail", text, _same("huiyin down"))
    if bad:
        text = _label(
            "；".join(f"{one.name} {one.detail.zh if one.detail else one.state}" for one in bad),
            "; ".join(f"{one.name}: {one.detail.en if one.detail else one.state}" for one in bad),
        )
        return Finding(topic, "fail", text, _same("huiyin status; huiyin up"))
    if all(one.state == "stopped" for one in found):
        return Finding(topic, "ok", _label("没有启动", "not started"), _same("huiyin up"))
    if any(one.state == "stopped" for one in found):
        shown = ", ".join(one.name for one in found if one.state == "stopped")
        return Finding(topic, "warn", _same(shown), _same("huiyin up"))
    return Finding(topic, "ok", _label(f"{len(found)} 个正常", f"{len(found)} are well"))


def _existing(path: Path) -> Path:
    """The path, or the nearest parent that exists."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _label(zh: str, en: str) -> Label:
    return Label(zh=zh, en=en)


def _joined(labels: Sequence[Label]) -> Label:
    return _label("；".join(one.zh for one in labels), "; ".join(one.en for one in labels))


def _same(text: str) -> Label:
    return Label(zh=text, en=text)
