"""Signing in: what is right opens the door, and what is wrong costs little and tells nothing."""

from __future__ import annotations

import html
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from notifications.credential import invite
from notifications.portal.limits import Limits, network_of
from notifications.portal.sign_in import judge
from notifications.schema import audit_event, credential, message, session

NUMBERS = {"P1": "13800000001", "C2": "13800000002", "M3": "13800000003", "J4": "13800000004"}
PASSWORD = "horse battery staple"
WRONG = "手机号或密码不对"
SYSTEM_KEY = "5" * 64


def actions(office: Any, account: str) -> list[str]:
    with office.world.engine.begin() as connection:
        query = sa.select(audit_event.c.action).where(audit_event.c.account_id == account)
        return list(connection.execute(query.order_by(audit_event.c.audit_event_id)).scalars())


def initial_password(office: Any, account: str) -> str:
    with office.world.engine.begin() as connection:
        invite(connection, office.desk.invitation(), office.world.now)
        secret = connection.execute(
            sa.select(message.c.secret).where(message.c.dedupe_key == f"account:{account}:1")
        ).scalar_one()
    return str(secret.decode())


def test_a_page_before_sign_in_leads_to_the_form_and_back_to_the_page(office: Any) -> None:
    visitor = office.visitor()
    page = visitor.get("/reports/daily_sales?unit=CD")
    assert page.url.path == "/sign-in"
    response = visitor.client.post(
        "/sign-in",
        data={
            "csrf": visitor.token("/sign-in"),
            "phone": NUMBERS["P1"],
            "password": PASSWORD,
            "next": page.url.params["next"],
        },
    )
    assert (response.url.path, response.url.params["unit"]) == ("/reports/daily_sales", "CD")


@pytest.mark.parametrize("elsewhere", ["//evil.test", "https://evil.test", "/\\evil.test", "evil"])
def test_sign_in_never_leads_to_another_site(office: Any, elsewhere: str) -> None:
    visitor = office.visitor()
    response = visitor.post("/sign-in", phone=NUMBERS["P1"], password=PASSWORD, next=elsewhere)
    assert str(response.url) == "http://portal.test/"


def test_the_initial_password_must_be_changed_before_anything_else(bare: Any) -> None:
    initial = initial_password(bare, "C2")
    visitor = bare.visitor()
    response = visitor.sign_in(NUMBERS["C2"], initial)
    assert response.url.path == "/password"
    assert visitor.get("/digests").url.path == "/password"
    for new in (initial, "short", NUMBERS["C2"], "password123"):
        refused = visitor.post("/password", old=initial, new=new, again=new)
        assert refused.status_code == 422
    differing = visitor.post("/password", old=initial, new=PASSWORD, again=PASSWORD + "x")
    assert differing.status_code == 422
    done = visitor.post("/password", old=initial, new=PASSWORD, again=PASSWORD)
    assert done.url.path == "/" and "密码已修改" in done.text
    assert bare.visitor().sign_in(NUMBERS["C2"], initial).status_code == 401
    assert bare.visitor().sign_in(NUMBERS["C2"], PASSWORD).status_code == 200
    assert "password_changed" in actions(bare, "C2")


def test_a_change_of_password_ends_the_other_sessions(office: Any) -> None:
    here, there = office.signed_in("C2"), office.signed_in("C2")
    old = here.client.cookies["huiyin_session"]
    here.post("/password", old=PASSWORD, new="another long one", again="another long one")
    assert here.client.cookies["huiyin_session"] != old
    assert here.get("/digests").url.path == "/digests"
    assert there.get("/digests").url.path == "/sign-in"


def test_an_unknown_number_and_a_wrong_password_get_the_same_answer(office: Any) -> None:
    known = office.visitor().sign_in(NUMBERS["C2"], "wrong")
    unknown = office.visitor().sign_in("13811112222", "wrong")
    assert (known.status_code, unknown.status_code) == (401, 401)
    strip = re.compile(r'value="[^"]*"')
    assert strip.sub("", known.text) == strip.sub("", unknown.text)
    assert office.passwords.judged == 2, "both cost one computation"


def test_a_locked_and_an_unknown_number_answer_alike_too(office: Any) -> None:
    for number in (NUMBERS["C2"], "13811112222"):
        before = office.passwords.judged
        answers = [office.visitor(f"10.1.0.{n}").sign_in(number, "wrong") for n in range(7)]
        assert {one.status_code for one in answers} == {401}
        assert office.passwords.judged - before == 5


def test_five_wrong_passwords_lock_for_a_quarter_of_an_hour_and_then_longer(office: Any) -> None:
    for n in range(5):
        office.visitor(f"10.1.0.{n}").sign_in(NUMBERS["C2"], "wrong")
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 401
    assert actions(office, "C2")[-2:] == ["sign_in_failed", "locked"]
    office.world.now += timedelta(minutes=15, seconds=1)
    for n in range(5):
        office.visitor(f"10.1.1.{n}").sign_in(NUMBERS["C2"], "wrong")
    office.world.now += timedelta(minutes=16)
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 401, "the second lock is longer"
    office.world.now += timedelta(minutes=15)
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 200


def test_ten_thousand_wrong_passwords_cost_little_and_lock_nobody_else(office: Any) -> None:
    answers = Counter(
        judge(office.desk, f"139{number:08d}", "guess", "203.0.113.9").answer
        for number in range(10_000)
    )
    assert answers == {"wrong": 30, "limited": 9_970}
    assert office.passwords.judged == 30
    page = office.visitor("203.0.113.9").sign_in(NUMBERS["C2"])
    assert page.status_code == 429 and "15 分钟" in page.text
    for n in range(200):
        office.visitor(f"198.51.100.{n}").sign_in(NUMBERS["C2"], "guess")
    assert office.passwords.judged == 35
    for account in ("P1", "M3", "J4"):
        assert office.visitor("10.9.9.9").sign_in(NUMBERS[account]).status_code == 200


def test_the_limit_of_an_address_ends_and_right_passwords_do_not_count(office: Any) -> None:
    for _ in range(40):
        assert office.visitor("10.0.0.5").sign_in(NUMBERS["P1"]).status_code == 200
    for n in range(31):
        last = office.visitor("10.0.0.5").sign_in(f"1390000{n:04d}", "guess")
    assert last.status_code == 429 and "15 分钟" in last.text
    office.world.now += timedelta(minutes=15)
    assert office.visitor("10.0.0.5").sign_in(NUMBERS["P1"]).status_code == 200


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    assert network_of("2001:db8:0:1::5") == network_of("2001:db8:0:1:ffff::9")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")


def test_too_many_at_once_are_asked_to_wait_and_counted_against_nobody(office: Any) -> None:
    crowded = Limits(lambda: 0.0, at_once=1, patience_s=0.01)
    object.__setattr__(office.desk, "limits", crowded)
    with crowded.slot():
        response = office.visitor().sign_in(NUMBERS["C2"])
    assert response.status_code == 503
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 200


def test_a_form_without_the_visitors_own_token_is_refused(office: Any) -> None:
    stranger, visitor = office.visitor(), office.visitor()
    token = stranger.token("/sign-in")
    visitor.get("/sign-in")
    fields = {"phone": NUMBERS["C2"], "password": PASSWORD}
    for csrf in ("", token, "x"):
        response = visitor.client.post("/sign-in", data={"csrf": csrf, **fields})
        assert response.status_code == 403
    assert office.passwords.judged == 0


@pytest.mark.parametrize(
    "path",
    [
        "/digests/daily_sales",
        "/digests/daily_sales/stop",
        "/thresholds",
        "/password",
        "/sign-out",
        "/people/J4/reset",
        "/thresholds/x/on",
        "/thresholds/x/delete",
    ],
)
def test_every_form_after_sign_in_needs_the_sessions_token(office: Any, path: str) -> None:
    visitor, other = office.signed_in("C2"), office.signed_in("P1")
    for csrf in ({}, {"csrf": ""}, {"csrf": other.token("/digests/daily_sales")}):
        assert visitor.client.post(path, data=csrf).status_code == 403
    assert visitor.get("/digests").url.path == "/digests", "the session is untouched"


def test_a_form_from_another_site_is_refused(office: Any) -> None:
    visitor = office.signed_in("C2")
    data = {"csrf": visitor.token("/digests/daily_sales")}
    for origin in ("https://evil.test", "null"):
        headers = {"origin": origin}
        response = visitor.client.post("/digests/daily_sales/stop", data=data, headers=headers)
        assert response.status_code == 403
    ours = {"origin": "http://portal.test"}
    response = visitor.client.post("/digests/daily_sales/stop", data=data, headers=ours)
    assert response.status_code == 200


def test_a_session_planted_before_sign_in_is_worth_nothing(office: Any) -> None:
    attacker = office.signed_in("M3")
    planted = attacker.client.cookies["huiyin_session"]
    victim = office.visitor()
    victim.client.cookies.set("huiyin_session", planted, domain="portal.test", path="/")
    victim.post("/sign-out", page="/digests")
    victim.client.cookies.set("huiyin_session", "chosen-by-attacker", domain="portal.test")
    victim.sign_in(NUMBERS["C2"])
    own = {cookie.value for cookie in victim.client.cookies.jar if cookie.name == "huiyin_session"}
    assert planted not in own
    assert attacker.get("/digests").url.path == "/sign-in"


def test_the_token_is_kept_as_a_hash_and_the_cookie_is_guarded(office: Any) -> None:
    visitor = office.visitor()
    data = {"csrf": visitor.token("/sign-in"), "phone": NUMBERS["C2"], "password": PASSWORD}
    response = visitor.client.post("/sign-in", data=data, follow_redirects=False)
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    token = response.cookies["huiyin_session"]
    with office.world.engine.begin() as connection:
        kept = connection.execute(sa.select(session.c.token_hash)).scalars().all()
    assert token not in kept and len(token) >= 43
    object.__setattr__(office.desk, "is_secure", True)
    assert "Secure" in office.visitor().get("/sign-in").headers["set-cookie"]
    assert office.desk.session_cookie.startswith("__Host-")


def test_a_session_ends_when_idle_and_at_the_latest_after_twelve_hours(office: Any) -> None:
    visitor = office.signed_in("C2")
    for _ in range(24):
        office.world.now += timedelta(minutes=29)
        assert visitor.get("/digests").url.path == "/digests"
    office.world.now += timedelta(minutes=25)
    assert visitor.get("/digests").url.path == "/sign-in"
    idle = office.signed_in("C2")
    office.world.now += timedelta(minutes=31)
    assert idle.get("/digests").url.path == "/sign-in"


def test_signing_out_ends_the_session_itself(office: Any) -> None:
    visitor = office.signed_in("C2")
    token = visitor.client.cookies["huiyin_session"]
    visitor.post("/sign-out", page="/digests")
    again = office.visitor()
    again.client.cookies.set("huiyin_session", token, domain="portal.test", path="/")
    assert again.get("/digests").url.path == "/sign-in"
    assert actions(office, "C2")[-1] == "signed_out"


def test_a_leaver_is_out_at_once(office: Any) -> None:
    visitor = office.signed_in("C2")
    office.world.sync([row for row in office.world.roster() if row["staff_id"] != "C2"])
    assert visitor.get("/digests").url.path == "/sign-in"
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 401


def test_nothing_that_is_kept_holds_a_number(office: Any) -> None:
    office.signed_in("C2")
    office.visitor().sign_in(NUMBERS["M3"], "wrong")
    office.visitor().sign_in("13811112222", "wrong")
    content = b"".join(path.read_bytes() for path in office.world.folder.glob("ops.db*"))
    for number in (*NUMBERS.values(), "13811112222"):
        assert number.encode() not in content


def ask(office: Any, key: str = SYSTEM_KEY, **body: Any) -> Any:
    client = office.visitor("127.0.0.1").client
    return client.post("/internal/sign-in", json=body, headers={"X-Huiyin-Key": key})


def test_superset_learns_who_may_analyse(office: Any) -> None:
    answer = ask(office, phone=NUMBERS["C2"], password=PASSWORD)
    assert answer.status_code == 200
    assert answer.json() == {
        "account_id": "C2",
        "name": "成都分公司 市公司管理者",
        "roles": ["analyst"],
        "language": "zh",
    }


def test_superset_needs_its_key_and_the_right_password(office: Any) -> None:
    assert ask(office, key="", phone=NUMBERS["C2"], password=PASSWORD).status_code == 401
    assert ask(office, key="6" * 64, phone=NUMBERS["C2"], password=PASSWORD).status_code == 401
    assert office.passwords.judged == 0
    assert ask(office, phone=NUMBERS["C2"], password="wrong").status_code == 401
    client = office.visitor("127.0.0.1").client
    broken = client.post("/internal/sign-in", content=b"{", headers={"X-Huiyin-Key": SYSTEM_KEY})
    assert broken.status_code == 400


def test_superset_shares_the_lock_and_its_callers_are_limited_by_their_own_addresses(
    office: Any,
) -> None:
    def guess(number: int, address: str) -> int:
        status: int = ask(
            office, phone=f"1390000{number:04d}", password="guess", address=address
        ).status_code
        return status

    assert {guess(n, "203.0.113.9") for n in range(30)} == {401}
    assert guess(30, "203.0.113.9") == 429
    assert office.visitor("203.0.113.9").sign_in(NUMBERS["M3"]).status_code == 429
    assert guess(31, "198.51.100.7") == 401
    for _ in range(5):
        ask(office, phone=NUMBERS["C2"], password="wrong")
    assert ask(office, phone=NUMBERS["C2"], password=PASSWORD).status_code == 401
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 401
    assert ask(office, phone=NUMBERS["M3"], password=PASSWORD).status_code == 200


def test_superset_is_told_when_the_initial_password_still_stands(bare: Any) -> None:
    initial = initial_password(bare, "C2")
    answer = ask(bare, phone=NUMBERS["C2"], password=initial)
    assert (answer.status_code, answer.json()) == (403, {"code": "password_must_change"})


def test_superset_refuses_a_role_that_may_not_analyse(office: Any) -> None:
    roles = {
        name: role.model_copy(update={"permissions": ("subscribe",)})
        for name, role in office.desk.roles.items()
    }
    object.__setattr__(office.desk, "roles", roles)
    assert ask(office, phone=NUMBERS["C2"], password=PASSWORD).status_code == 401
    visitor = office.signed_in("C2")
    assert visitor.get("/thresholds").status_code == 403
    assert visitor.get("/audit").status_code == 403
    assert visitor.get("/digests").status_code == 200


def test_a_body_that_is_too_large_is_not_read(office: Any) -> None:
    client = office.visitor().client
    assert client.post("/sign-in", data={"phone": "1" * 70_000}).status_code == 413

    def endless() -> Any:
        yield b"phone=1"

    assert client.post("/sign-in", content=endless()).status_code == 411


def test_failed_counts_are_of_the_account_alone(office: Any) -> None:
    for n in range(3):
        office.visitor(f"10.2.0.{n}").sign_in(NUMBERS["C2"], "wrong")
    with office.world.engine.begin() as connection:
        query = sa.select(credential.c.account_id, credential.c.failed_count)
        counts = {row.account_id: row.failed_count for row in connection.execute(query)}
    assert counts == {"C2": 3, "J4": 0, "M3": 0, "P1": 0}


def test_a_lock_a_limit_and_a_session_end_while_the_homes_clock_stands_still(office: Any) -> None:
    visitor = office.signed_in("M3")
    for n in range(5):
        office.visitor(f"10.1.0.{n}").sign_in(NUMBERS["C2"], "wrong")
    for n in range(31):
        office.visitor("10.0.0.5").sign_in(f"1390000{n:04d}", "guess")
    assert office.visitor("10.0.0.5").sign_in(NUMBERS["P1"]).status_code == 429
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 401
    assert "登录暂停" in office.signed_in("P1").get("/people").text
    office.world.passed = timedelta(minutes=31)
    assert office.visitor("10.0.0.5").sign_in(NUMBERS["P1"]).status_code == 200
    assert office.visitor().sign_in(NUMBERS["C2"]).status_code == 200
    assert visitor.get("/digests").url.path == "/sign-in"
    assert "登录暂停" not in office.signed_in("P1").get("/people").text


def test_events_are_noted_at_the_homes_clock(office: Any) -> None:
    office.world.passed = timedelta(days=200)
    office.signed_in("C2")
    with office.world.engine.begin() as connection:
        query = sa.select(audit_event.c.at).where(audit_event.c.action == "signed_in")
        assert connection.execute(query).scalars().all() == [office.world.now]


def fill_in(visitor: Any, page: Any, **fields: str) -> Any:
    """Send the form that a page shows, hidden fields and all, to where it stands."""
    form = re.findall(r"<form.*?</form>", page.text, re.S)[-1]
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    hidden = {name: html.unescape(value) for name, value in hidden.items()}
    action = re.search(r'action="([^"]+)"', form).group(1)
    return visitor.client.post(action, data={**hidden, **fields})


def test_the_page_asked_for_survives_typing_errors_and_the_first_change_of_password(
    bare: Any,
) -> None:
    initial = initial_password(bare, "C2")
    visitor = bare.visitor()
    page = visitor.get("/reports/daily_sales?unit=CD1")
    page = fill_in(visitor, page, phone=NUMBERS["C2"], password="wrong")
    assert page.status_code == 401
    page = fill_in(visitor, page, phone=NUMBERS["C2"], password=initial)
    assert page.url.path == "/password"
    page = fill_in(visitor, page, old=initial, new="short", again="short")
    assert page.status_code == 422
    page = fill_in(visitor, page, old=initial, new=PASSWORD, again=PASSWORD)
    assert (page.url.path, page.url.params["unit"]) == ("/reports/daily_sales", "CD1")
    assert "密码已修改" in page.text


@pytest.mark.parametrize("elsewhere", ["//evil.test", "https://evil.test", "/\\evil.test"])
def test_no_form_passes_on_an_address_of_another_site(office: Any, elsewhere: str) -> None:
    visitor = office.visitor()
    wrong = visitor.post("/sign-in", phone=NUMBERS["C2"], password="wrong", next=elsewhere)
    assert wrong.status_code == 401 and "evil" not in wrong.text
    visitor.sign_in(NUMBERS["C2"])
    page = visitor.get("/password", params={"next": elsewhere})
    assert "evil" not in page.text.partition("<main")[2]
    again = {"new": "another long one", "again": "another long one"}
    done = visitor.post("/password", old=PASSWORD, next=elsewhere, **again)
    assert str(done.url) == "http://portal.test/?done=password"
