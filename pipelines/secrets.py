"""Secrets: our keys and the credentials of sources, from the environment or one secrets file.

Missing keys are generated on first use. A pseudonym key that is lost while `pii.db` exists is an
error and never regenerated: new pseudonyms would silently stop matching the old ones.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import SettingsError
from pipelines.home import Home
from pipelines.settings import Settings

_PSEUDONYM = "HUIYIN_PSEUDONYM_KEY"
_ENCRYPTION = "HUIYIN_ENCRYPTION_KEY"


@dataclass(frozen=True)
class Secrets:
    """Keys of the home: `pseudonym` for keyed hashes, `encryption` a Fernet key."""

    pseudonym: bytes = field(repr=False)
    encryption: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, from which the others cannot be found.

        HMAC-SHA256 over a label, the expand step of RFC 5869.
        """
        return hmac.digest(self.pseudonym, f"huiyin {purpose}\x01".encode(), "sha256")


def load_secrets(settings: Settings, home: Home) -> Secrets:
    """Return the keys, generating the secrets file on first use.

    Raises SettingsError if a key is malformed, or missing while a PII store exists.
    """
    from cryptography.fernet import Fernet

    path = settings.secrets_file or home.secrets
    stored = _read(path)
    values = {
        _PSEUDONYM: settings.pseudonym_key or stored.get(_PSEUDONYM),
        _ENCRYPTION: settings.encryption_key or stored.get(_ENCRYPTION),
    }
    missing = [name for name, value in values.items() if not value]
    if missing and home.pii.exists():
        raise SettingsError(
            [
                f"{name} is in neither the environment nor {path}, but the PII store {home.pii} "
                "exists and was written with it: restore the key"
                for name in missing
            ]
        )
    if missing:
        generated = {_PSEUDONYM: secrets.token_hex(32), _ENCRYPTION: Fernet.generate_key().decode()}
        stored.update({name: generated[name] for name in missing})
        values.update({name: generated[name] for name in missing})
        _write(path, stored)
    faults: list[str] = []
    pseudonym = _hex(values[_PSEUDONYM] or "", faults)
    encryption = (values[_ENCRYPTION] or "").encode()
    try:
        Fernet(encryption)
    except ValueError:
        faults.append(f"{_ENCRYPTION} must be 32 bytes in URL-safe base64 (44 characters)")
    if faults:
        raise SettingsError(faults)
    return Secrets(pseudonym, encryption)


def find_secret(settings: Settings, home: Home, name: str) -> str | None:
    """A secret of a source or partner: from the environment, else from the secrets file.

    Raises SettingsError if the secrets file cannot be read.
    """
    found = settings.credentials.get(name)
    return found or _read(settings.secrets_file or home.secrets).get(name) or None


def _hex(text: str, faults: list[str]) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < 16:
        faults.append(f"{_PSEUDONYM} must be at least 32 hexadecimal characters")
    return key


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(
            [f"the secrets file {path} cannot be read: {error.strerror}"]
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"the secrets file {path} is not UTF-8 text"]) from error
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _write(path: Path, values: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in sorted(values.items()))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
