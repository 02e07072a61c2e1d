"""Places behind ssh: known host keys only, signing in by key or password, bounded waits."""

from __future__ import annotations

import logging
import re
import stat
import struct
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from os import fsdecode, fsencode
from pathlib import Path
from typing import Any, BinaryIO

import paramiko
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_DATA,
    CMD_EXTENDED,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_WRITE,
    SFTPError,
    int64,
)

from connectors.errors import HostKeyRefused
from connectors.places.place import Stamp
from connectors.places.remote import ConnectionLost, Remote, RemotePlace, ServerRefused

_PORT = 22
_CONNECT_SECONDS = 15
_MOST_REQUESTS = 64
_BLOCK = 32 * 1024
_NONSENSE = (SFTPError, UnicodeDecodeError, struct.error, ValueError, IndexError)

# What paramiko says when a server does not answer in one of the steps of connecting.
_SILENT = re.compile("banner|[Tt]imeout|No existing session")

# Its transport threads would print tracebacks of lost connections, which are told as errors here.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class _OnlyKnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        raise _host_key_refused(self._remote, key, "is not known")


class SftpPlace(RemotePlace):
    """A folder of an sftp server."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote)
        self._client: Any = None
        self._sftp: Any = None
        self._root = fsencode(remote.folder)

    def _connect(self) -> None:
        remote = self._remote
        client = paramiko.SSHClient()
        known = remote.home / "known_hosts"
        try:
            if known.exists():
                client.load_host_keys(str(known))
        except (OSError, ValueError, paramiko.hostkeys.InvalidHostKey) as error:
            raise HostKeyRefused(
                f"Connecting to {remote.shown} failed: {known} cannot be read as a list of host "
                "keys. Trying again helps once it is mended or may be read."
            ) from error
        client.set_missing_host_key_policy(_OnlyKnownHosts(remote))
        wait = min(_CONNECT_SECONDS, remote.wait_seconds)
        credentials = self._credentials()
        try:
            client.connect(
                remote.url.hostname,
                port=remote.url.port or _PORT,
                username=remote.user,
                timeout=wait,
                banner_timeout=wait,
                auth_timeout=remote.wait_seconds,
                channel_timeout=remote.wait_seconds,
                allow_agent=False,
                look_for_keys=False,
                **credentials,
            )
            sftp = client.open_sftp()
        except paramiko.BadHostKeyException as error:
            client.close()
            raise _host_key_refused(remote, error.key, "is not the known one") from error
        except paramiko.AuthenticationException as error:
            client.close()
            raise remote.refused("the server does not accept the user or its key") from error
        except HostKeyRefused:
            client.close()
            raise
        except (paramiko.SSHException, OSError, EOFError, *_NONSENSE) as error:
            client.close()
            raise ConnectionLost(_told(error)) from error
        sftp.get_channel().settimeout(remote.wait_seconds)
        self._client, self._sftp = client, sftp

    def _credentials(self) -> dict[str, Any]:
        remote = self._remote
        key_file, password = remote.credential("KEY_FILE"), remote.credential("PASSWORD")
        if key_file is None:
            if password is None:
                raise remote.refused("there is neither a password nor a key")
            return {"password": password}
        path = remote.home / Path(key_file).expanduser()
        try:
            key = paramiko.PKey.from_path(path, password=_bytes(remote, "KEY_PASSPHRASE"))
        except (paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            raise remote.refused(f"the key in {path} cannot be used (passphrase?)") from error
        except OSError as error:
            raise remote.refused(f"the key file {path} cannot be read") from error
        except (ValueError, TypeError) as error:
            raise remote.refused(
                f"the key in {path} needs its passphrase, or it is none"
            ) from error
        return {"pkey": key}

    def _disconnect(self) -> None:
        client, self._client, self._sftp = self._client, None, None
        if client is not None:
            client.close()

    def _list(self) -> dict[str, Stamp]:
        found: dict[str, Stamp] = {}
        with _answers():
            for name, status in self._entries():
                if _is_plain(status):
                    found[name] = _stamp(status)
        return found

    def _entries(self) -> Iterator[tuple[str, Any]]:
        """Names with attributes; paramiko's own listing stops at a name that is not UTF-8."""
        sftp = self._sftp
        _, message = sftp._request(CMD_OPENDIR, self._root)
        handle = message.get_binary()
        try:
            while True:
                try:
                    kind, message = sftp._request(CMD_READDIR, handle)
                except EOFError:
                    return
                if kind != CMD_NAME:
                    raise SFTPError("a listing was answered by something else")
                for _ in range(message.get_int()):
                    name = fsdecode(message.get_binary())
                    message.get_binary()
                    yield name, paramiko.SFTPAttributes._from_msg(message)
        finally:
            with suppress(Exception):
                sftp._request(CMD_CLOSE, handle)

    def _stamp(self, name: str) -> Stamp:
        with _answers():
            status = self._sftp.lstat(self._path(name))
        if not _is_plain(status):
            raise FileNotFoundError(name)
        return _stamp(status)

    def _read(self, name: str, limit: int) -> bytes:
        self._stamp(name)
        with _answers(), self._sftp.open(self._path(name), "rb") as file:
            read: bytes = file.read(limit)
        return read

    def _download(self, name: str, write: Callable[[bytes], None]) -> None:
        with _answers(), self._sftp.open(self._path(name), "rb") as file:
            for block in _Blocks(self._sftp, file.handle, file.stat().st_size or 0):
                write(block)

    def _upload(self, body: BinaryIO, name: str) -> None:
        with _answers(), self._sftp.open(self._path(name), "wb") as file:
            _write_ahead(self._sftp, file.handle, body)
            # Servers without the extension decide by themselves when a file is on their disk.
            with suppress(OSError):
                self._sftp._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)

    def _replace(self, name: str, to: str) -> None:
        source, target = self._path(name), self._path(to)
        with _answers():
            try:
                self._sftp.posix_rename(source, target)
            except OSError as error:
                if not isinstance(error, PermissionError) and not _is_refusal(error):
                    raise
                # A server without the extension renames only to a free name.
                with suppress(FileNotFoundError):
                    self._sftp.remove(target)
                self._sftp.rename(source, target)

    def _rename(self, name: str, to: str) -> None:
        with _answers():
            self._sftp.rename(self._path(name), self._path(to))

    def _remove(self, name: str) -> None:
        with _answers():
            self._sftp.remove(self._path(name))

    def _make_folder(self, name: str) -> None:
        with _answers():
            self._sftp.mkdir(self._path(name))

    def _path(self, name: str) -> bytes:
        return self._root.rstrip(b"/") + b"/" + fsencode(name)


class _Blocks:
    """The blocks of an open file in order, asked for ahead so that a long way costs no time.

    paramiko's own reading ahead leaves a thread behind that spins when the connection is lost.
    """

    def __init__(self, sftp: Any, handle: bytes, size: int) -> None:
        self._sftp = sftp
        self._handle = handle
        self._size = size
        self._came: dict[int, bytes] = {}

    def __iter__(self) -> Iterator[bytes]:
        asked: deque[tuple[int, int, int]] = deque()
        ahead = 0
        while ahead < self._size or asked:
            while ahead < self._size and len(asked) < _MOST_REQUESTS:
                length = min(_BLOCK, self._size - ahead)
                asked.append((self._ask(ahead, length), ahead, length))
                ahead += length
            number, offset, length = asked.popleft()
            data = self._answer(number)
            yield data
            # A server may give less than was asked for; none at all means that the file shrank.
            while data and (left := length - len(data)):
                offset, length = offset + len(data), left
                data = self._answer(self._ask(offset, length))
                yield data

    def _ask(self, offset: int, length: int) -> int:
        number: int = self._sftp._async_request(
            self, CMD_READ, self._handle, int64(offset), int(length)
        )
        return number

    def _answer(self, number: int) -> bytes:
        while number not in self._came:
            self._sftp._read_response()
        return self._came.pop(number)

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Keep what came; called by paramiko for each answer."""
        if kind != CMD_DATA:
            # The end of a file that shrank gives no bytes; another refusal is raised.
            with suppress(EOFError):
                self._sftp._convert_status(message)
            self._came[number] = b""
            return
        self._came[number] = message.get_string()


def _write_ahead(sftp: Any, handle: bytes, body: BinaryIO) -> None:
    """Write an open file without waiting for each answer; a refusal of any part is raised.

    paramiko's own pipelining forgets the refusals, a full disk of the server among them.
    """
    refused: list[OSError] = []
    asked = answered = offset = 0

    class Answers:
        def _async_response(self, kind: int, message: Any, number: int) -> None:
            nonlocal answered
            answered += 1
            try:
                sftp._convert_status(message)
            except OSError as error:
                refused.append(error)

    def wait(most: int) -> None:
        while asked - answered > most:
            sftp._read_response()
        if refused:
            raise refused[0]

    answers = Answers()
    while data := body.read(_BLOCK):
        sftp._async_request(answers, CMD_WRITE, handle, int64(offset), data)
        asked, offset = asked + 1, offset + len(data)
        wait(_MOST_REQUESTS)
    wait(0)


@contextmanager
def _answers() -> Iterator[None]:
    """Tell a lost connection from a server that refuses and from a name that is not there."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        if _is_refusal(error):
            raise ServerRefused(str(error) or "failure") from error
        raise ConnectionLost(_told(error)) from error
    except (paramiko.SSHException, EOFError, *_NONSENSE) as error:
        raise ConnectionLost(_told(error)) from error


def _is_refusal(error: OSError) -> bool:
    # paramiko makes an OSError without a number of what the server itself answered.
    return type(error) is OSError and error.errno is None and str(error) != "Socket is closed"


def _told(error: BaseException) -> str:
    if isinstance(error, TimeoutError) or _SILENT.search(str(error)):
        return "the server did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "nothing answers at this address"
    if isinstance(error, EOFError) or "dropped" in str(error) or "closed" in str(error):
        return "the connection was lost"
    return f"the server did not keep to the protocol ({type(error).__name__})"


def _is_plain(status: Any) -> bool:
    # Small servers tell no mode; what is no file then fails when it is read.
    return status.st_mode is None or stat.S_ISREG(status.st_mode)


def _stamp(status: Any) -> Stamp:
    return Stamp(status.st_size or 0, (status.st_mtime or 0) * 1_000_000_000)


def _bytes(remote: Remote, kind: str) -> bytes | None:
    text = remote.credential(kind)
    return None if text is None else text.encode()


def _host_key_refused(remote: Remote, key: Any, what: str) -> HostKeyRefused:
    port = remote.url.port or _PORT
    digest = b64encode(sha256(key.asbytes()).digest()).decode().rstrip("=")
    return HostKeyRefused(
        f"Connecting to {remote.shown} failed: its host key {what} (it shows {key.get_name()} "
        f"SHA256:{digest}). Nothing was sent. Trying again does not help. If its owner confirms "
        f"this fingerprint, add the key: ssh-keyscan -p {port} {remote.url.hostname} >> "
        f"{remote.home / 'known_hosts'} (first remove the old line, if there is one)."
    )
