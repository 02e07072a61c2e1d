from __future__ import annotations

import socket

import pytest

from pipelines.errors import ProcessesError
from pipelines.processes.ports import base_url, choose_ports, is_free, listener

PREFERRED = {"dagster": 3000, "intake": 8010, "portal": 8011}


def test_preferred_ports_are_taken_when_free() -> None:
    assert choose_ports(PREFERRED, lambda port: True, {}) == PREFERRED


def test_a_taken_port_gives_way_to_the_next_that_no_other_prefers() -> None:
    chosen = choose_ports(PREFERRED, lambda port: port != 8010, {})
    assert chosen == {"dagster": 3000, "intake": 8012, "portal": 8011}


def test_equal_preferences_get_different_ports() -> None:
    assert choose_ports({"intake": 8010, "portal": 8010}, lambda port: True, {}) == {
        "intake": 8010,
        "portal": 8011,
    }


def test_a_running_program_keeps_its_port_whatever_is_free() -> None:
    chosen = choose_ports(PREFERRED, lambda port: port not in {3000, 8015}, {"intake": 8015})
    assert chosen == {"dagster": 3001, "intake": 8015, "portal": 8011}


def test_a_machine_without_a_free_port_is_told() -> None:
    with pytest.raises(ProcessesError, match="HUIYIN_DAGSTER_PORT"):
        choose_ports({"dagster": 65500}, lambda port: False, {})


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert not is_free("0.0.0.0", port)
    assert is_free("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_of_this_machine_is_told(host: str) -> None:
    with pytest.raises(ProcessesError, match="HUIYIN_HOST"):
        is_free(host, 8010)


def test_a_listener_is_ready_for_a_server() -> None:
    with listener("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("huiyin.example", "http://huiyin.example:80"),
    ],
)
def test_an_address_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert base_url(host, 80) == url
