"""Places behind FTP, or FTP over TLS. FTP itself sends the password and the data unencrypted."""

from __future__ import annotations

import ftplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from os import fsdecode, fsencode
from typing import BinaryIO

from connectors.places.place import Stamp
from connectors.places.remote import ConnectionLost, Remote, RemotePlace, ServerRefused

_PORT = 21
_CONNECT_SECONDS = 15
# Bytes of names go through unchanged, whatever the encoding of the server.
_BYTES = "latin-1"
_LONGEST_LINE = 8192
_SIGN_IN_REFUSED = "530"


class _WholeLines(ftplib.FTP):
    """FTP for which an answer without its line end is a lost connection, not an answer."""

    def getline(self) -> str:
        if self.file is None:
            raise EOFError
        line = self.file.readline(_LONGEST_LINE)
        if not line.endswith("\n"):
            raise EOFError
        return line.rstrip("\r\n")


class _WholeLinesTls(_WholeLines, ftplib.FTP_TLS):
    """The same over TLS."""


class FtpPlace(RemotePlace):
    """A folder of an FTP server."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote)
        self._ftp: ftplib.FTP | None = None

    def _connect(self) -> None:
        remote = self._remote
        secure = remote.url.scheme == "ftps"
        wait = min(_CONNECT_SECONDS, remote.wait_seconds)
        ftp = _WholeLinesTls(context=ssl.create_default_context()) if secure else _WholeLines()
        ftp.encoding = _BYTES
        try:
            ftp.connect(remote.url.hostname or "", remote.url.port or _PORT, timeout=wait)
            ftp.timeout = remote.wait_seconds
            if ftp.sock is not None:
                ftp.sock.settimeout(remote.wait_seconds)
            password = remote.credential("PASSWORD")
            if remote.user and password is None:
                raise remote.refused("there is no password")
            try:
                ftp.login(_sent(remote.user or "anonymous"), _sent(password or ""))
            except ftplib.error_perm as error:
                raise remote.refused("the server does not accept the user or password") from error
            except ValueError as error:
                raise remote.refused("the user or password has a line end in it") from error
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
        except ssl.SSLCertVerificationError as error:
            ftp.close()
            raise ConnectionLost("the certificate of the server is not valid") from error
        except (ftplib.Error, OSError, EOFError) as error:
            ftp.close()
            raise ConnectionLost(_told(error)) from error
        except BaseException:
            ftp.close()
            raise
        self._ftp = ftp

    def _disconnect(self) -> None:
        ftp, self._ftp = self._ftp, None
        if ftp is not None:
            ftp.close()

    @property
    def _live(self) -> ftplib.FTP:
        if self._ftp is None:
            raise ConnectionLost("there is no connection")
        return self._ftp

    def _list(self) -> dict[str, Stamp]:
        with _answers():
            try:
                lines = list(self._live.mlsd(_sent(self._remote.folder)))
            except ftplib.error_perm as error:
                if not str(error).startswith("50"):
                    raise
            else:
                return {
                    _received(name): _stamp(facts)
                    for name, facts in lines
                    if facts.get("type", "").lower() == "file"
                }
            # Older servers tell names alone; what has no size is no file.
            found: dict[str, Stamp] = {}
            for line in self._live.nlst(_sent(self._remote.folder)):
                name = _received(line.rpartition("/")[2])
                with suppress(FileNotFoundError):
                    found[name] = self._stamp(name)
        return found

    def _stamp(self, name: str) -> Stamp:
        path = self._path(name)
        with _answers():
            # Listing leaves the connection in text mode, in which sizes and bytes differ.
            self._live.voidcmd("TYPE I")
            size = self._live.size(path)
            try:
                changed = _instant(self._live.sendcmd(f"MDTM {path}")[4:])
            except ftplib.error_perm:
                changed = 0
        if size is None:
            raise ServerRefused("no size is told")
        return Stamp(size, changed)

    def _read(self, name: str, limit: int) -> bytes:
        received = bytearray()
        with _answers():
            self._live.voidcmd("TYPE I")
            connection = self._live.transfercmd(f"RETR {self._path(name)}")
            with connection:
                while len(received) < limit and (data := connection.recv(1 << 16)):
                    received += data
            if len(received) < limit:
                self._live.voidresp()
            else:
                # The rest is not wanted, and the answer to a broken transfer differs by server.
                with suppress(ftplib.Error):
                    self._live.voidresp()
        return bytes(received[:limit])

    def _download(self, name: str, write: Callable[[bytes], None]) -> None:
        with _answers():
            self._live.retrbinary(f"RETR {self._path(name)}", write, blocksize=1 << 18)

    def _upload(self, body: BinaryIO, name: str) -> None:
        with _answers():
            self._live.storbinary(f"STOR {self._path(name)}", body, blocksize=1 << 18)

    def _replace(self, name: str, to: str) -> None:
        with _answers():
            try:
                self._live.rename(self._path(name), self._path(to))
            except ftplib.error_perm:
                # Some servers rename only to a free name.
                self._live.delete(self._path(to))
                self._live.rename(self._path(name), self._path(to))

    def _rename(self, name: str, to: str) -> None:
        with _answers():
            self._live.rename(self._path(name), self._path(to))

    def _remove(self, name: str) -> None:
        with _answers():
            self._live.delete(self._path(name))

    def _make_folder(self, name: str) -> None:
        with _answers():
            self._live.mkd(self._path(name))

    def _path(self, name: str) -> str:
        if "\n" in name or "\r" in name:
            raise FileNotFoundError(name)
        return _sent(f"{self._remote.folder.rstrip('/')}/{name}")


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except ftplib.error_perm as error:
        text = _received(str(error))
        if text.startswith("550") and "ermission" in text:
            raise PermissionError(text) from error
        if text.startswith("550"):
            raise FileNotFoundError(text) from error
        if text.startswith(_SIGN_IN_REFUSED):
            raise ConnectionLost("the server has signed us out") from error
        raise ServerRefused(text) from error
    except ftplib.error_temp as error:
        text = str(error)
        if text.startswith(("452", "450", "451")):
            raise ServerRefused(_received(text)) from error
        raise ConnectionLost(_received(text)) from error
    except (ftplib.Error, OSError, EOFError, ValueError) as error:
        raise ConnectionLost(_told(error)) from error


def _told(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ftplib.Error):
        return f"the server answered '{_received(str(error))}'"
    return "the connection was lost"


def _sent(name: str) -> str:
    return fsencode(name).decode(_BYTES)


def _received(name: str) -> str:
    return fsdecode(name.encode(_BYTES, errors="replace"))


def _stamp(facts: dict[str, str]) -> Stamp:
    size = facts.get("size", "")
    return Stamp(int(size) if size.isdecimal() else 0, _instant(facts.get("modify", "")))


def _instant(text: str) -> int:
    """Nanoseconds of a time in the form of RFC 3659, such as 20260331090000.5; 0 if it is none."""
    try:
        told = datetime.strptime(text.partition(".")[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(told.timestamp()) * 1_000_000_000
