"""Sign-in: a local administrator, and everybody else by the portal's own check."""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from flask import current_app, flash, request, session
from superset.errors import ErrorLevel, SupersetError, SupersetErrorType
from superset.exceptions import SupersetSecurityException
from superset.security import SupersetSecurityManager

from dashboards.superset.scope import is_in_scope

_log = logging.getLogger(__name__)
_TIMEOUT = 10
_LOOPBACK = ("127.0.0.1", "::1")
# The name becomes part of the row rule, so nothing but these signs may stand in it.
ACCOUNT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_MAIL = "@account.huiyin.invalid"
ROLES = ("analyst",)


class PortalSecurityManager(SupersetSecurityManager):  # type: ignore[misc]
    """Accounts of the portal sign in with the same phone and password as there."""

    def auth_user_db(self, username: str, password: str) -> Any:
        """The signed-in user, or None; called with what was typed into the form."""
        if not username or not password:
            return None
        local = self.find_user(username=username)
        if local is not None and not _is_from_portal(local):
            return super().auth_user_db(username, password)
        answer = _ask_portal(username, password)
        if answer is None:
            return None
        return self._user_of(answer)

    def _user_of(self, answer: dict[str, Any]) -> Any:
        account_id = str(answer.get("account_id", ""))
        granted = [name for name in answer.get("roles", []) if name in ROLES]
        roles = [role for role in map(self.find_role, granted) if role is not None]
        if ACCOUNT_ID.match(account_id) is None or not roles:
            _log.warning("the portal answered with an account that cannot be used here")
            return None
        name = str(answer.get("name") or account_id)[:60]
        if not is_in_scope(current_app.config["HUIYIN_HOME"], account_id):
            flash(_text("not_published"), "warning")
            return None
        user = self.find_user(username=account_id)
        if user is not None and not _is_from_portal(user):
            _log.warning("an account of the portal has the name of a local user; refused")
            return None
        if user is None:
            user = self.add_user(account_id, name, "", f"{account_id}{_MAIL}", roles)
            if not user:
                return None
        elif not user.is_active:
            return None
        elif user.roles != roles or user.first_name != name:
            user.roles, user.first_name = roles, name
            self.update_user(user)
        self.update_user_auth_stat(user, True)
        session["locale"] = "en" if answer.get("language") == "en" else "zh"
        return user

    def load_user(self, pk: int) -> Any:
        """The user of a session or token; None once its account has left the published scope.

        Whose duty has ended is thereby out at the publish that knows it, not when the session ends.
        """
        user = super().load_user(pk)
        if user is None or not _is_from_portal(user):
            return user
        return user if is_in_scope(current_app.config["HUIYIN_HOME"], user.username) else None

    def raise_for_access(self, *args: Any, **kwargs: Any) -> None:
        """Refuse ad-hoc SQL to everybody but administrators, then check as usual.

        A `viz` is what the old way to a chart's data asks for: refused, since it may hold SQL.
        """
        if not self.is_admin():
            context = kwargs.get("query_context")
            if kwargs.get("viz") is not None or (context is not None and _brings_sql(context)):
                raise _sql_refused()
        super().raise_for_access(*args, **kwargs)


def _sql_refused() -> SupersetSecurityException:
    return SupersetSecurityException(
        SupersetError(
            error_type=SupersetErrorType.DATASOURCE_SECURITY_ACCESS_ERROR,
            message=_text("sql_refused"),
            level=ErrorLevel.ERROR,
        )
    )


def _brings_sql(context: Any) -> bool:
    columns = {column.column_name for column in context.datasource.columns}
    return any(_has_sql(query, columns) for query in context.queries)


def _has_sql(query: Any, columns: set[str]) -> bool:
    """Whether a query brings SQL of its own instead of names of the dataset."""
    given: list[Any] = [
        *(query.metrics or []),
        *(query.columns or []),
        *(query.series_columns or []),
        *(found.get("col") for found in query.filter or []),
        *(item[0] for item in query.orderby or [] if isinstance(item, list | tuple) and item),
        query.series_limit_metric,
    ]
    extras = query.extras or {}
    brought = any(_is_sql(found, {*columns, _ROWS}) for found in given)
    return brought or bool(extras.get("where") or extras.get("having"))


_ROWS = "COUNT(*)"  # what Superset itself asks for the number of rows behind a chart


def _is_sql(found: Any, known: set[str]) -> bool:
    return (
        isinstance(found, dict)
        and found.get("sqlExpression") is not None
        and found["sqlExpression"] not in known
    )


def _is_from_portal(user: Any) -> bool:
    return str(user.email or "").endswith(_MAIL)


def _ask_portal(phone: str, password: str) -> dict[str, Any] | None:
    """What the portal says of the account, or None; why it refused is told on the page."""
    question = Request(
        f"{current_app.config['HUIYIN_PORTAL_URL']}/internal/sign-in",
        data=json.dumps(
            {"phone": phone, "password": password, "address": _address_of_caller()}
        ).encode(),
        headers={
            "Content-Type": "application/json",
            "X-Huiyin-Key": current_app.config["HUIYIN_SIGN_IN_KEY"],
        },
        method="POST",
    )
    try:
        # The portal is on this machine; a proxy of the environment must not see passwords.
        with build_opener(ProxyHandler({})).open(question, timeout=_TIMEOUT) as response:
            answer = json.load(response)
    except HTTPError as error:
        if error.code == 403:
            flash(_text("password_must_change"), "warning")
        elif error.code == 429:
            flash(_text("limited"), "warning")
        elif error.code not in (400, 401, 422):
            _log.warning("the portal answered a sign-in with status %d", error.code)
            flash(_text("portal_away"), "warning")
        return None
    except (URLError, OSError, ValueError) as error:
        _log.warning("the portal could not be asked for a sign-in: %s", type(error).__name__)
        flash(_text("portal_away"), "warning")
        return None
    return answer if isinstance(answer, dict) else None


def _address_of_caller() -> str:
    """Whose try it is, for the portal to count: the caller, or whom a proxy here names as such.

    The portal's own pages go by the same rule. Only the last name is the proxy's own word.
    """
    address = str(request.remote_addr or "")
    named = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return named if named and address in _LOOPBACK else address


_TEXTS = {
    "not_published": {
        "zh": "这个账号还不在已发布的数据里，下次发布后再登录。",
        "en": "This account is not in the published data yet; sign in after the next publish.",
    },
    "limited": {
        "zh": "这个地址输错的次数太多，请 15 分钟后再试。",
        "en": "Too many wrong passwords came from this address; try again in 15 minutes.",
    },
    "password_must_change": {
        "zh": "请先在门户登录并修改初始密码，再回到这里登录。",
        "en": "Sign in to the portal first and change the initial password, then come back.",
    },
    "portal_away": {
        "zh": "暂时无法向门户核对密码，请稍后再试。",
        "en": "The password cannot be checked with the portal at the moment; try again later.",
    },
    "sql_refused": {
        "zh": "这里只能使用数据集里已有的指标和维度，不能写 SQL。",
        "en": "Only metrics and columns of the dataset may be used here, no SQL.",
    },
}


def _text(key: str) -> str:
    from flask_babel import get_locale

    language = "en" if str(get_locale() or "zh").startswith("en") else "zh"
    return _TEXTS[key][language]
