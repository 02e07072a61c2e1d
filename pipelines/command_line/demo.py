"""`huiyin demo`: the whole thread in one command, and the page that tells its story."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.output import LanguageOption, language_of, open_installation
from pipelines.progress import Steps


def add_to(application: typer.Typer) -> None:
    """Add the command of this module."""
    application.command()(demo)


def demo(
    context: typer.Context,
    mapping: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="平面数据集的映射 / mapping of a flat data set"
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="数据文件 / the data set's file")] = None,
    scale: Annotated[float, typer.Option(min=0.01, max=10, help="规模 / scale")] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, help="随机种子 / seed")] = None,
    language: LanguageOption = None,
) -> None:
    """演示：从原始数据到短信 / from raw extracts to a manager's SMS.

    例 / examples: huiyin demo; huiyin demo --mapping connectors/sources/nyc311.yml --data 311.csv
    """
    from pipelines.demonstration import (
        SEED,
        default_mapping_home,
        prepare_home,
        prepare_mapping_home,
        simulate_sources,
    )
    from pipelines.installation import Installation
    from pipelines.settings import read_settings
    from pipelines.story import tell_story
    from pipelines.thread import thread

    if (mapping is None) != (data is None):
        raise typer.BadParameter("--mapping 与 --data 要一起给出 / belong together")
    installation = open_installation(context)
    chosen = language_of(installation, language)
    steps = Steps(installation.settings.log_format)
    if mapping is not None and data is not None:
        given = context.obj is not None or "HUIYIN_HOME" in os.environ
        home = default_mapping_home(installation.settings, mapping, data, home_given=given)
        installation = Installation(read_settings(os.environ, home=home.path))
        with steps.step("deliver"):
            installation = prepare_mapping_home(installation, mapping, data)
    else:
        installation = prepare_home(installation)
        with steps.step("simulate"):
            simulate_sources(
                installation, scale=scale, seed=SEED if seed is None else seed, say=steps.say
            )
    outcome = thread(installation, steps, language=chosen)
    sys.stderr.flush()
    tell_story(installation, outcome, language=chosen)
