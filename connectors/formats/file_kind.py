"""What kind of file some bytes are, by how they begin, whatever their name or sender says."""

from __future__ import annotations

_BEGINNINGS = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"\xd0\xcf\x11\xe0", "office_97"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"#!AMR", "amr"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"{\\rtf", "rtf"),
)
_PARTS = ((b"word/", "docx"), (b"xl/", "xlsx"), (b"ppt/", "pptx"))
_INSIDE = ((8, b"WEBP", "webp"), (8, b"WAVE", "wav"), (8, b"AVI ", "avi"))


def file_kind(content: bytes) -> str:
    """One word, such as `pdf`, `text` for what has no NUL byte, or `other`."""
    if not content:
        return "empty"
    if content.startswith(b"PK\x03\x04"):
        head = content[: 64 * 1024]
        return next((kind for part, kind in _PARTS if part in head), "zip")
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    if content.startswith(b"RIFF"):
        return next((kind for at, word, kind in _INSIDE if content[at : at + 4] == word), "other")
    if content[4:8] == b"ftyp":
        return "mp4"
    if content[:1024].lstrip()[:1] == b"<" and b"<html" in content[:1024].lower():
        return "html"
    return "other" if b"\0" in content[:1024] else "text"
