"""Words of the partner's document in both languages, and which codes concern a partner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.contract import Contract

TYPES = {
    "zh": {
        "string": "文本",
        "integer": "整数",
        "bigint": "长整数",
        "date": "日期",
        "timestamp": "时间",
        "boolean": "是否",
    },
    "en": {"string": "text", "bigint": "large integer", "boolean": "yes or no"},
}
PII = {
    "zh": {
        "phone": "电话",
        "name": "姓名",
        "id_card": "证件号",
        "bank_card": "银行卡号",
        "email": "邮箱",
        "account": "账号",
    },
    "en": {"id_card": "identity card", "bank_card": "bank card"},
}
INTERFACES = {
    "zh": {
        "files": "数据文件加发送日志",
        "table": "数据库接口表",
        "extract": "由我方读取数据库表",
        "service": "服务接口",
        "inbox": "反馈入口",
    },
    "en": {
        "files": "data files with a send log",
        "table": "interface tables of a database",
        "extract": "tables that we read",
        "service": "the service",
        "inbox": "the intake",
    },
}
LOG_FIELDS = {
    "file": ("文件名，与数据文件完全一致", "the name of the data file, exactly"),
    "source": ("来源，固定值", "the source, always this word"),
    "stream": ("数据流", "the stream"),
    "branch": ("分支，没有分支写 main", "the branch; main if there are none"),
    "business_date": ("业务日期", "the business date"),
    "covers_from": ("覆盖的第一个业务日期", "the first business date it covers"),
    "sequence": ("序号，每个数据流和分支从 1 连续递增", "counts from 1 for each stream and branch"),
    "rows": ("数据记录数，不含表头和结尾行", "data records, without header and trailer"),
    "bytes": ("文件字节数", "bytes of the file"),
    "sha256": ("文件的 SHA-256（小写十六进制）", "SHA-256 of the file in hex"),
    "sums": ("控制合计，十进制文本", "control totals as decimal texts"),
    "sent_at": ("发送时间，带时区", "the moment it was sent, with its offset"),
    "contract_version": ("可选：所按的合同版本", "optional: the version of this agreement"),
}


@dataclass(frozen=True)
class Words:
    """Says things in one language."""

    zh: bool

    def __call__(self, zh: str, en: str) -> str:
        return zh if self.zh else en

    def of(self, table: Mapping[str, Mapping[str, str]], key: str) -> str:
        return table["zh" if self.zh else "en"].get(key, key)


_OUR_OWN = {
    *("dropped_column", "expired", "export_refused", "missing_read_log", "new_column"),
    *("no_business_date", "read_log_disagrees", "replayed", "resumed_claim"),
    *("unfetched_delivery", "unknown_stream"),
    *("undelivered_export", "unmade_export", "unread_rows", "unreadable_read_log"),
    *("branches_share_keys", "credentials_refused", "host_key_refused", "landing_busy"),
    *("landing_failed", "source_unreachable"),
}
_OF_FORMATS = {
    "bad_quoting": {"delimited"},
    "broken_json": {"json_lines"},
    "broken_workbook": {"spreadsheet"},
    "cut_character": {"fixed_width"},
    "duplicate_json_key": {"json_lines"},
    "duplicate_mail": {"mail"},
    "endless_line": {"delimited", "national_centre", "fixed_width", "json_lines"},
    "inexact_number": {"spreadsheet"},
    "missing_sheet": {"spreadsheet"},
    "missing_trailer": {"delimited", "national_centre", "fixed_width"},
    "not_an_object": {"json_lines"},
    "nul_byte": {"delimited", "national_centre", "fixed_width", "json_lines"},
    "too_large": {"spreadsheet", "mail"},
    "too_many_parts": {"mail"},
    "trailer_disagrees": {"delimited", "national_centre", "fixed_width"},
    "unclosed_quote": {"delimited"},
    "unreadable_mail": {"mail"},
    "unusable_text": {"json_lines"},
    "wrong_field_count": {"delimited", "national_centre", "spreadsheet"},
    "wrong_line_length": {"fixed_width"},
}
_OF_FILES = {
    *("broken_encoding", "changed_file", "duplicate_batch", "empty_file", "lying_log"),
    *("missing_file", "missing_log", "sequence_gap", "sequence_rewind", "unreadable_log"),
    *("wrong_header", "contract_version_differs", "unknown_branch"),
}
_OF_FILES_AND_TABLES = {"reject_limit", "wrong_sum"}
_OF_TABLES = {"interface_mismatch", "unknown_flag", "unknown_operation", "deletion"}
_OF_PACKED = {"broken_archive", "too_much_unpacked"}
_OF_CASES = {"before_created", "out_of_window", "unparsable"}


def concerns_partner(code: str, contract: Contract) -> bool:
    """Whether a sender under this contract may meet a code."""
    if code in _OUR_OWN:
        return False
    form = contract.interface.format
    if code in _OF_CASES:
        return contract.shape == "cases"
    if code in _OF_FORMATS:
        return form in _OF_FORMATS[code]
    if code in _OF_FILES:
        return contract.interface.type == "files" and form != "mail"
    if code in _OF_FILES_AND_TABLES:
        return contract.interface.type in {"files", "table"} and form != "mail"
    if code in _OF_TABLES:
        return contract.interface.type == "table"
    if code in _OF_PACKED:
        return contract.layout.compression != "none" or form == "spreadsheet"
    return True
