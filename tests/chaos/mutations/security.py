"""All mutations of docs/explanation/security.md, and the lines of it that have none."""

from tests.chaos.mutations import (
    security_database,
    security_files,
    security_outside,
    security_process,
    security_report,
    security_roles,
    security_root,
    security_secrets,
    security_wire,
)

MUTATIONS = (
    *security_wire.MUTATIONS,
    *security_outside.MUTATIONS,
    *security_database.MUTATIONS,
    *security_roles.MUTATIONS,
    *security_root.MUTATIONS,
    *security_files.MUTATIONS,
    *security_secrets.MUTATIONS,
    *security_process.MUTATIONS,
    *security_report.MUTATIONS,
)

NONE: dict[str, str] = {}
"""Lines whose mechanism cannot be removed here, and why."""
