"""Superset's configuration; read by its own process through `SUPERSET_CONFIG_PATH`."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from dashboards.superset.labels import label_comparisons, label_drilled_metrics
from dashboards.superset.look import COLOURS, THEME, d3_formats
from dashboards.superset.page import own_templates
from dashboards.superset.period import day_taken, follow_snapshot
from dashboards.superset.sign_in import PortalSecurityManager
from dashboards.superset.snapshot_file import connection_mutator, today
from dashboards.superset.wording import chinese_pack

_HOME = Path(os.environ["HUIYIN_HOME"])
_IS_SECURE = os.environ.get("HUIYIN_SECURE_COOKIES") == "true"

HUIYIN_HOME = _HOME
SECRET_KEY = os.environ["HUIYIN_SUPERSET_KEY"]
HUIYIN_SIGN_IN_KEY = os.environ["HUIYIN_SIGN_IN_KEY"]
HUIYIN_PORTAL_URL = os.environ["HUIYIN_PORTAL_URL"].rstrip("/")

SQLALCHEMY_DATABASE_URI = f"sqlite:///{_HOME}/superset/metadata.db?timeout=20"
SQLALCHEMY_ENGINE_OPTIONS = {"poolclass": NullPool}
DB_CONNECTION_MUTATOR = connection_mutator(_HOME)
PREVENT_UNSAFE_DB_CONNECTIONS = False  # the one database is ours; no role may add another

BABEL_DEFAULT_LOCALE = "zh"
LANGUAGES = {
    "zh": {"flag": "cn", "name": "中文"},
    "en": {"flag": "us", "name": "English"},
}
APP_NAME = "回音 Huiyin"
D3_FORMAT, D3_TIME_FORMAT = d3_formats(os.environ["HUIYIN_CURRENCY"])
THEME_DEFAULT = THEME
THEME_DARK = None
EXTRA_CATEGORICAL_COLOR_SCHEMES = [COLOURS]

_CACHE: dict[str, Any] = {
    "CACHE_TYPE": "dashboards.superset.snapshot_cache.SnapshotCache",
    "CACHE_DIR": str(_HOME / "superset" / "cache"),
    "CACHE_DEFAULT_TIMEOUT": 60,
    "CACHE_KEY_PREFIX": "huiyin",
}
DATA_CACHE_CONFIG = _CACHE

FEATURE_FLAGS = {
    "ENABLE_TEMPLATE_PROCESSING": True,  # the row rule and balances are written per query
    "CACHE_QUERY_BY_USER": True,
    "CHART_PLUGINS_EXPERIMENTAL": True,  # the number with the previous period beside it
    "DRILL_BY": True,
    "DRILL_TO_DETAIL": True,
    "ALERT_REPORTS": False,
    "EMBEDDED_SUPERSET": False,
    "THUMBNAILS": False,
}
JINJA_CONTEXT_ADDONS = {"day_taken": day_taken}

CUSTOM_SECURITY_MANAGER = PortalSecurityManager
AUTH_USER_REGISTRATION = False
PUBLIC_ROLE_LIKE = None
RATELIMIT_ENABLED = True
RATELIMIT_STORAGE_URI = "memory://"
RATELIMIT_APPLICATION = "500 per second"
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "60 per minute"
ALLOW_ADHOC_SUBQUERY = False

WTF_CSRF_ENABLED = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = _IS_SECURE
SESSION_COOKIE_SAMESITE = "Lax"
# A session ends an hour after its last use (`_renew`), and before that as soon as its account is no
# longer in the published scope (`PortalSecurityManager.load_user`).
PERMANENT_SESSION_LIFETIME = timedelta(hours=1)
_RENEWED_AFTER = timedelta(minutes=5)
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        # Without foreign hosts here the telemetry pixel of the front end is never asked for.
        "img-src": ["'self'", "blob:", "data:"],
        "font-src": ["'self'", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": _IS_SECURE,
    "referrer_policy": "same-origin",
}

SUPERSET_WEBSERVER_TIMEOUT = 110
SUPERSET_LOAD_EXAMPLES = False
ROW_LIMIT = 10_000
SQL_MAX_ROW = 100_000
SQLLAB_CTAS_NO_LIMIT = False
LOG_LEVEL = "WARNING"


@event.listens_for(Engine, "connect")
def _share_metadata(connection: Any, _record: Any) -> None:
    """Let readers of the metadata go on while one thread writes."""
    if type(connection).__module__.startswith("sqlite3"):
        connection.execute("pragma journal_mode = wal")


def _renew() -> None:
    """Write the session's cookie anew when it is used, which begins its hour again.

    Not at every request: an answer that was under way at the sign-out would bring it back.
    """
    from flask import session
    from flask_login import current_user

    now = int(time.time())
    if (
        now - session.get("renewed_at", 0) >= _RENEWED_AFTER.total_seconds()
        and "_user_id" in session
        and current_user.is_authenticated
    ):
        session["renewed_at"] = now


def FLASK_APP_MUTATOR(app: Any) -> None:
    """Called once when the application is made."""
    from flask import Response, redirect, request, session
    from flask_login import current_user

    follow_snapshot(lambda: today(_HOME))
    label_comparisons()
    label_drilled_metrics()
    app.jinja_loader = own_templates(app.jinja_loader)
    pack = chinese_pack()

    @app.before_request  # type: ignore[untyped-decorator]
    def _before() -> Any:
        _renew()
        # Superset gives the texts to signed-in people only, so its sign-in page stays English.
        if request.path == "/superset/language_pack/zh/":
            return Response(pack, mimetype="application/json")
        # Whoever comes in meets the figures; Superset's own front page is empty for them.
        if request.path in ("/", "/superset/welcome/") and current_user.is_authenticated:
            suffix = "-en" if session.get("locale") == "en" else ""
            return redirect(f"/superset/dashboard/overview{suffix}/")
        return None
