"""The simulator's two verbs: the first delivery of a home, and the next day's."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from .days import FIRST_BUSINESS_DATE, day_no, iso
from .defects import plan
from .delivery import deliver_files, parcels
from .errors import DamagedState, NotSimulated, OtherSimulation, WrongSetting
from .flag_tables import deliver_tables
from .franchise import keep_packets
from .rules import write_rules
from .sending import replace_file
from .truth import Truth, tell_truth
from .world import make_world

_SMALLEST, _LARGEST = 0.01, 10.0


def simulate(
    home: Path,
    *,
    seed: int,
    scale: float,
    progress: Callable[[str], None] | None = None,
) -> Truth:
    """Delivers everything from 2025-01-01 to 2026-03-30 into the home, once.

    `scale` 1 is about 20,000 customers. A home already delivered with the same seed and scale is
    left as it is (also when later days were delivered) and its truth is returned; a delivery that
    was cut off is completed. Raises WrongSetting, OtherSimulation, DamagedState.
    """
    if not _SMALLEST <= scale <= _LARGEST:
        raise WrongSetting(
            f"cannot simulate at scale {scale}: it must lie between {_SMALLEST} and {_LARGEST}; "
            "trying again does not help, choose another scale"
        )
    if seed < 0:
        raise WrongSetting(
            f"cannot simulate with seed {seed}: it must be 0 or more; choose another seed"
        )
    state = _read_state(home)
    if state is not None:
        if (state["seed"], state["scale"]) != (seed, scale):
            raise OtherSimulation(
                f"cannot simulate seed {seed}, scale {scale} into {home}: it holds seed "
                f"{state['seed']}, scale {state['scale']}; trying again does not help, use "
                "another home"
            )
        if state["through"] is not None:
            return _read_truth(home)
    _write_state(home, seed, scale, None)
    return _deliver(home, seed, scale, -1, day_no(FIRST_BUSINESS_DATE), progress)


def simulate_next_day(home: Path, *, progress: Callable[[str], None] | None = None) -> Truth:
    """Delivers the business day after the last one delivered and updates the truth.

    Cut off in between, the same call delivers the rest of the same day. Raises NotSimulated,
    DamagedState.
    """
    state = _read_state(home)
    if state is None or state["through"] is None:
        raise NotSimulated(
            f"cannot deliver the next day into {home}: there is no complete first delivery; "
            "simulate it first, then try again"
        )
    through = day_no(state["through"])
    return _deliver(home, state["seed"], state["scale"], through, through + 1, progress)


def _deliver(
    home: Path,
    seed: int,
    scale: float,
    after: int,
    through: int,
    progress: Callable[[str], None] | None,
) -> Truth:
    tell = progress or (lambda _: None)
    world = make_world(seed, scale, through, tell)
    defects = plan(world)
    files = parcels(world, defects)
    truth = tell_truth(world, defects, files)
    deliver_tables(home, world, tell)
    deliver_files(home, world, files, after, tell)
    tell(f"franchise: {keep_packets(home, world.referrals, after, through)} packets to send")
    write_rules(home / "simulator" / "rules")
    text = json.dumps(truth.to_json(), ensure_ascii=False, indent=1) + "\n"
    replace_file(home / "simulator" / "truth.json", text.encode())
    # The state comes last: until it names the day, the same call delivers what is missing.
    _write_state(home, seed, scale, iso(through))
    return truth


def _write_state(home: Path, seed: int, scale: float, through: str | None) -> None:
    text = json.dumps({"seed": seed, "scale": scale, "through": through}) + "\n"
    replace_file(home / "simulator" / "state.json", text.encode())


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedState(
            f"cannot read {path}: {error}; trying again does not help, restore the file or "
            "start with a new home"
        ) from error


def _read_state(home: Path) -> dict[str, Any] | None:
    path = home / "simulator" / "state.json"
    if not path.exists():
        return None
    state = _read_json(path)
    try:
        through = state["through"]
        return {
            "seed": int(state["seed"]),
            "scale": float(state["scale"]),
            "through": None if through is None else date.fromisoformat(through),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedState(
            f"cannot read {path}: it lacks seed, scale or through ({error}); trying again does "
            "not help, restore the file or start with a new home"
        ) from error


def _read_truth(home: Path) -> Truth:
    path = home / "simulator" / "truth.json"
    content = _read_json(path)
    try:
        return Truth(**content)
    except TypeError as error:
        raise DamagedState(
            f"cannot use {path}: {error}; trying again does not help, restore the file or start "
            "with a new home"
        ) from error
