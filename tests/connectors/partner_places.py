"""How the tests reach the folder of a partner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connectors.places.place import Place, open_place
from tests.peers.sshd import Sshd


@dataclass
class Partner:
    """A folder of a partner (as he sees it) and how we reach it."""

    folder: Path
    location: str
    secrets: dict[str, str]
    home: Path

    def open(self, **more: object) -> Place:
        return open_place(
            self.location,
            self.home,
            secret=self.secrets.get,
            owner="partner",
            sleep=lambda seconds: None,
            wait_seconds=5,
            **more,  # type: ignore[arg-type]
        )


def of_sshd(server: Sshd, home: Path, port: int | None = None) -> Partner:
    location = server.location
    line = server.host_key_line
    if port is not None:
        location = location.replace(f":{server.port}/", f":{port}/")
        line = line.replace(f":{server.port} ", f":{port} ")
    home.mkdir(exist_ok=True)
    (home / "known_hosts").write_text(line)
    secrets = {"HUIYIN_PARTNER_KEY_FILE": str(server.key_file)}
    return Partner(server.folder, location, secrets, home)
