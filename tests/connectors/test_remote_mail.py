"""A mail folder on another machine: the same rules over sftp, against a real sshd."""

from __future__ import annotations

from pathlib import Path

from connectors.arrivals import arrivals
from connectors.contract import SOURCES, load_contract
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import ENCRYPTION_KEY, NOW, PSEUDONYM_KEY
from tests.connectors.test_mail_landing import mail
from tests.peers.sshd import running_sshd


def test_mails_on_an_sftp_server_land_once_and_are_archived_there(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "home").mkdir()
    with (
        running_sshd(tmp_path / "server") as server,
        Ledger(tmp_path / "ledger.db") as ledger,
        PiiStore(
            tmp_path / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        shipped = load_contract(SOURCES / "mail.yml")
        interface = shipped.interface.model_copy(update={"location": server.location})
        contract = shipped.model_copy(update={"interface": interface})
        secret = {"HUIYIN_MAIL_KEY_FILE": str(server.key_file)}.get
        (tmp_path / "home/known_hosts").write_text(server.host_key_line)
        for number in range(3):
            (server.folder / f"{number}.eml").write_bytes(mail(number))

        def land() -> list[tuple[str, int]]:
            found = land_source(
                contract,
                home=tmp_path / "home",
                ledger=ledger,
                pii=pii,
                now=NOW,
                zone="Asia/Shanghai",
                secret=secret,
            )
            return [(one.status, one.loaded) for one in found]

        def waiting() -> tuple[str, ...]:
            return arrivals(contract, home=tmp_path / "home", ledger=ledger, now=NOW, secret=secret)

        assert waiting() == ("0.eml", "1.eml", "2.eml")
        assert land() == [("loaded", 3)]
        assert waiting() == () and land() == []
        assert len(list((server.folder / "archive").glob("*.eml"))) == 3
        assert list((server.folder / "taken").glob("*.eml")) == []
