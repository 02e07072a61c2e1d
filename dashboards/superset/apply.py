"""Put the bundle into Superset: migrate, roles, administrator, assets, row rules; one process.

Run in Superset's environment as `python -m dashboards.superset.apply BUNDLE`. Repeating it changes
nothing that is already as it should be.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ADMIN = "admin"
ANALYST = "analyst"
RULES = "row_rules.yaml"
_RULE_PREFIX = "huiyin: "

# What the role analyst may do: read dashboards, drill, and explore datasets by their own metrics.
# Nothing of SQL Lab, databases, datasets' definitions, users or rules is among it, nor the old way
# to a chart's data (can_explore_json), which takes SQL: charts load through the API.
ALLOWED = {
    "Superset": [
        "can_dashboard", "can_explore", "can_slice", "can_csv", "can_log",
        "can_share_chart", "can_share_dashboard", "can_dashboard_permalink", "can_language_pack",
        "can_fetch_datasource_metadata",
    ],
    "Dashboard": ["can_read", "can_write", "can_drill", "can_view_chart_as_table"],
    "Chart": ["can_read", "can_write"],
    "Dataset": ["can_read", "can_get_drill_info"],
    "Datasource": ["can_get", "can_samples", "can_get_column_values"],
    "Api": ["can_query", "can_query_form_data", "can_time_range"],
    "Explore": ["can_read"],
    "ExploreFormDataRestApi": ["can_read", "can_write"],
    "ExplorePermalinkRestApi": ["can_read", "can_write"],
    "DashboardFilterStateRestApi": ["can_read", "can_write"],
    "DashboardPermalinkRestApi": ["can_read", "can_write"],
    "AdvancedDataType": ["can_read"],
    "AvailableDomains": ["can_read"],
    "AsyncEventsRestApi": ["can_list"],
    "CurrentUserRestApi": ["can_read"],
    "SecurityRestApi": ["can_read"],
    "MenuApi": ["can_get"],
    "Home": ["menu_access"],
    "Dashboards": ["menu_access"],
    "Charts": ["menu_access"],
    "Datasets": ["menu_access"],
}  # fmt: skip


def main() -> None:
    """Apply the bundle named on the command line."""
    bundle = Path(sys.argv[1])
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        _migrate(app)
        from superset import security_manager
        from superset.extensions import appbuilder

        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        admin = _administrator(security_manager, os.environ["HUIYIN_SUPERSET_ADMIN_PASSWORD"])
        contents = {
            str(path.relative_to(bundle)): path.read_text(encoding="utf-8")
            for path in sorted(bundle.rglob("*.yaml"))
        }
        _import(contents, admin)
        _remove_others(contents)
        # Rules first: nobody is given a dataset before its rows are bound.
        _rules(contents)
        _analyst(security_manager)


def _migrate(app: Any) -> None:
    import superset
    from flask_migrate import upgrade

    directory = Path(superset.__file__).parent / "migrations"
    upgrade(directory=str(directory))


def _administrator(manager: Any, password: str) -> Any:
    from werkzeug.security import check_password_hash

    found = manager.find_user(username=ADMIN)
    if found is None:
        role = manager.find_role("Admin")
        return manager.add_user(
            ADMIN, "管理员", "Administrator", "admin@huiyin.invalid", role, password=password
        )
    if not check_password_hash(found.password, password):
        manager.reset_password(found.id, password)
    return found


def _import(contents: dict[str, str], admin: Any) -> None:
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    with override_user(admin):
        ImportAssetsCommand(contents).run()


def _ids(contents: dict[str, str], folder: str) -> set[str]:
    import yaml

    return {
        str(yaml.safe_load(text)["uuid"])
        for path, text in contents.items()
        if path.startswith(f"{folder}/")
    }


def _remove_others(contents: dict[str, str]) -> None:
    """Remove what an earlier bundle brought and this one does not.

    Ours are the datasets of our database and the charts and dashboards made of them whose id is
    derived from a name (version 5); what people saved themselves has random ids and stays.
    """
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    for model, folder in ((Dashboard, "dashboards"), (Slice, "charts"), (SqlaTable, "datasets")):
        kept = _ids(contents, folder)
        for found in db.session.query(model).all():
            if _is_ours(found) and str(found.uuid) not in kept:
                db.session.delete(found)
    db.session.commit()


def _is_ours(found: Any) -> bool:
    return found.uuid is not None and found.uuid.version == 5


def _analyst(manager: Any) -> None:
    """Give the role exactly what is allowed, and the datasets."""
    from superset import db
    from superset.connectors.sqla.models import SqlaTable

    role = manager.find_role(ANALYST) or manager.add_role(ANALYST)
    granted = [
        manager.find_permission_view_menu(permission, view)
        for view, permissions in ALLOWED.items()
        for permission in permissions
    ]
    for dataset in db.session.query(SqlaTable).all():
        if _is_ours(dataset):
            granted.append(
                manager.add_permission_view_menu("datasource_access", dataset.get_perm())
            )
    wanted = [found for found in granted if found is not None]
    if set(role.permissions) != set(wanted):
        role.permissions = wanted
    db.session.commit()


def _rules(contents: dict[str, str]) -> None:
    """One row rule per dataset with units; everybody but administrators is under it."""
    import yaml
    from superset import db, security_manager
    from superset.connectors.sqla.models import RowLevelSecurityFilter, SqlaTable

    clauses = yaml.safe_load(contents[RULES]) or {}
    wanted = {
        f"{_RULE_PREFIX}{dataset.schema}.{dataset.table_name}": (
            dataset,
            clauses[str(dataset.uuid)],
        )
        for dataset in db.session.query(SqlaTable).all()
        if str(dataset.uuid) in clauses
    }
    rules = {
        rule.name: rule
        for rule in db.session.query(RowLevelSecurityFilter).all()
        if rule.name.startswith(_RULE_PREFIX)
    }
    for name, rule in rules.items():
        if name not in wanted:
            db.session.delete(rule)
    for name, (dataset, clause) in wanted.items():
        rule = rules.get(name) or RowLevelSecurityFilter(name=name)
        rule.filter_type = "Base"  # binds everybody but the roles named, so that no role is missed
        rule.clause = clause
        rule.tables = [dataset]
        rule.roles = [security_manager.find_role("Admin")]
        rule.group_key = None
        rule.description = "account_scope"
        db.session.add(rule)
    db.session.commit()


if __name__ == "__main__":
    main()
