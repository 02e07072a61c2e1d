"""The command sla check: what is wrong with the policies of time limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_json,
    print_text,
)

if TYPE_CHECKING:
    from cubes.errors import Fault

_KINDS = (("错误", "fault"), ("警告", "warning"), ("说明", "note"))


def check(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """检查所有时限，自带的和本单位的 / check all policies, shipped and the operator's.

    错误：未知的时钟、日历、状态；永远轮不到的；没有兜底时限的时钟；版本次序颠倒；有提醒没有时限。
    警告：快照里没有的单位、类别、渠道。说明：未启用、须核对原文的；被本单位的时限取代的自带时限。
    有错误则退出 1。

    Faults: unknown clocks, calendars and statuses; policies that can never win, with the one before
    them; clocks without a policy for every case; versions out of order; warnings without a target.
    Warnings: units, categories and channels that the snapshot does not have. Notes: policies that
    are not active, and shipped ones that the operator's replace. Exits 1 for faults.

    \b
    JSON: {"faults": [...], "warnings": [...], "notes": [...], "snapshot": tag | null}
          每项 / each {"file", "line", "message"}

    例 / example: huiyin sla check
    """
    from cubes.rule_check import rule_faults
    from cubes.sla_policy_check import PolicyReport
    from pipelines.operator_rows import changed_rows, read_rule_files
    from pipelines.sla_policies import check_rules

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    faults: list[Fault] = []
    tables = read_rule_files(installation.home, faults)
    report, tag, is_readable = PolicyReport((), (), ()), None, not faults
    if is_readable:
        faults += rule_faults(tables)
        report, tag = check_rules(installation, tables["sla_policy"])
        faults += report.faults
    # Rows that could not be read are not gone.
    if is_readable and installation.home.ledger.exists():
        with installation.ledger() as ledger:
            faults += changed_rows(installation.home, ledger, tables)
    told = (sorted(faults), report.warnings, report.notes)
    if output is Format.json:
        keys = ("faults", "warnings", "notes")
        print_json(
            {
                **{
                    key: [vars(one) for one in found] for key, found in zip(keys, told, strict=True)
                },
                "snapshot": tag,
            }
        )
        return 1 if faults else 0
    for kind, found in zip(_KINDS, told, strict=True):
        for one in found:
            print_text(f"{kind[not chinese]} {one}")
    rows, wrong, odd, off = len(tables["sla_policy"]), *map(len, told)
    print_text(
        f"{rows} 条时限，{wrong} 个错误，{odd} 个警告，{off} 条说明"
        if chinese
        else f"{rows} policies, {wrong} faults, {odd} warnings, {off} notes"
    )
    if tag is None and is_readable:
        print_text(
            "还没有快照，单位、类别和渠道未核对"
            if chinese
            else "There is no snapshot yet, so units, categories and channels were not looked up"
        )
    return 1 if faults else 0
