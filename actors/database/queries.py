"""The SQL of this project: one file, one statement, one name.

All files are read when this module is imported, so a missing file is found at the start.
"""

from typing import Any

from psycopg import sql

from actors.installed import sql_folder

SQL = sql_folder()


def read(name: str) -> bytes:
    """Return a query's text without its comments (a `%` in them would be a parameter).

    Raises:
        AttributeError: There is no such file in sql/queries.
    """
    try:
        text = (SQL / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AttributeError(f"sql/queries has no {name}.sql") from None
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip().encode()


def filled(query: bytes, **values: object) -> sql.Composed:
    """Return a query with these values in the places of their names, quoted by the driver.

    For what takes no parameters: COPY, and statements that are to be planned for their values.
    """
    text: Any = query.decode()  # of a file of ours
    return sql.SQL(text).format(**{n: sql.Literal(v) for n, v in values.items()})


ROLES = (SQL / "roles.sql").read_bytes()
"""Several statements, for an administrator of the embedded server."""

SET_SEARCH_PATH = read("set_search_path")
SET_SESSION = read("set_session")
SET_TIMESCALE_LIMIT = read("set_timescale_limit")
SELECT_PATH = read("select_path")
SELECT_PLACE = read("select_place")
SELECT_SERVER = read("select_server")
SELECT_SERVER_START = read("select_server_start")
SELECT_DATABASE = read("select_database")
SELECT_TIMESCALE_TO_CREATE = read("select_timescale_to_create")
SELECT_TIMESCALE_STATE = read("select_timescale_state")

SET_MIGRATION = read("set_migration")
CREATE_SCHEMA_MIGRATIONS = read("create_schema_migrations")
FIND_SCHEMA_MIGRATIONS = read("find_schema_migrations")
SELECT_SCHEMA_MIGRATIONS = read("select_schema_migrations")
SELECT_OBJECTS = read("select_objects")
SELECT_MISSING_RIGHTS = read("select_missing_rights")
SELECT_OWNER = read("select_owner")
INSERT_SCHEMA_MIGRATION = read("insert_schema_migration")
LOCK_MIGRATIONS = read("lock_migrations")
BECOME_OWNER = read("become_owner")
KEEP_TRANSACTION = read("keep_transaction")
GRANT_RIGHTS = read("grant_rights")
STOP_WRITERS = read("stop_writers")

SELECT_IDENTITIES = read("select_identities")
LOCK_SEQUENCES = read("lock_sequences")
MOVE_SEQUENCE = read("move_sequence")

INSERT_JOURNAL = read("insert_journal")
TAKE_JOURNAL = read("take_journal")
SELECT_TRACKERS = read("select_trackers")
RETIRE_TRACKERS = read("retire_trackers")
MOVE_WATERMARK = read("move_watermark")
COUNT_STORED = read("count_stored")
SELECT_DAY = read("select_day")

INSERT_ASSETS = read("insert_assets")
LOCK_ASSETS = read("lock_assets")
COMPLETE_ASSETS = read("complete_assets")
SELECT_ASSETS = read("select_assets")
ADD_TRADE_DAYS = read("add_trade_days")
COPY_TRADES = read("copy_trades")
INSERT_TRADES = read("insert_trades")
COUNT_MISSING_TRADES = read("count_missing_trades")
INSERT_REJECTIONS = read("insert_rejections")
COUNT_MISSING_REJECTIONS = read("count_missing_rejections")
INSERT_CONNECTION_EVENTS = read("insert_connection_events")

LOCK_KEPT_MESSAGES = read("lock_kept_messages")
SELECT_KEPT_MESSAGES = read("select_kept_messages")
COUNT_KEPT_MESSAGES = read("count_kept_messages")
SELECT_REJECTED_TRADES = read("select_rejected_trades")
COUNT_REJECTED_TRADES = read("count_rejected_trades")
MARK_TAKEN_IN = read("mark_taken_in")
RESTORE_LISTENING = read("restore_listening")
SET_CHORE_LIMITS = read("set_chore_limits")
DELETE_OLD_SAMPLES = read("delete_old_samples")
DELETE_OLD_EVENTS = read("delete_old_events")
DELETE_OLD_AUDITS = read("delete_old_audits")
LOCK_MARKET_DAYS = read("lock_market_days")
TAKE_CHANGED_MARKET_DAYS = read("take_changed_market_days")
SELECT_NEXT_MARKET_DAY = read("select_next_market_day")
SELECT_MARKET_DAY_TO_COMPUTE = read("select_market_day_to_compute")
SELECT_UNPROVEN_EPOCHS = read("select_unproven_epochs")
SELECT_OPEN_WISHES = read("select_open_wishes")
SELECT_ENDED_WISHES = read("select_ended_wishes")
COMPUTE_MARKET_DAYS = read("compute_market_days")
ANNOUNCE_MARKET_DAY = read("announce_market_day")
MOVE_MARKET_DAY = read("move_market_day")
SELECT_TOKEN_NAMES = read("select_token_names")
SELECT_RECORDED_OUTCOMES = read("select_recorded_outcomes")
SELECT_MARKET_PROGRESS = read("select_market_progress")

UPSERT_EVENTS = read("upsert_events")
SELECT_MISSING_MARKETS = read("select_missing_markets")
INSERT_MARKETS = read("insert_markets")
LOCK_MARKETS = read("lock_markets")
UPSERT_MARKETS = read("upsert_markets")
UPSERT_ASSETS = read("upsert_assets")
INSERT_UNRESOLVED = read("insert_unresolved")
SELECT_OPEN_MARKETS = read("select_open_markets")
SELECT_WANTED_MARKETS = read("select_wanted_markets")
SELECT_MARKETS_TO_REVIEW = read("select_markets_to_review")
SELECT_UNRESOLVED = read("select_unresolved")
SELECT_STORED_EVIDENCE = read("select_stored_evidence")
SELECT_RESOLUTIONS_TO_CHECK = read("select_resolutions_to_check")
SELECT_RECHECK_START = read("select_recheck_start")
INSERT_RESOLUTION_OBSERVATIONS = read("insert_resolution_observations")
INSERT_RESOLUTIONS = read("insert_resolutions")
INSERT_RESOLUTION_PAYOUTS = read("insert_resolution_payouts")
SELECT_RESOLVED = read("select_resolved")
DELETE_RESOLVED = read("delete_resolved")
INSERT_DIFFERING_RESOLUTIONS = read("insert_differing_resolutions")
INSERT_RESOLUTION_CONFIRMATIONS = read("insert_resolution_confirmations")
INSERT_RESOLUTION_CONFLICTS = read("insert_resolution_conflicts")
CLEAR_RESOLUTION_CONFLICTS = read("clear_resolution_conflicts")
COUNT_OPEN_CONFLICTS = read("count_open_conflicts")
SELECT_OPEN_CONFLICTS = read("select_open_conflicts")
ACKNOWLEDGE_CONFLICTS = read("acknowledge_conflicts")
SELECT_MARKET_KNOWN = read("select_market_known")

UPSERT_AUDITS = read("upsert_audits")
SELECT_AUDIT_CANDIDATES = read("select_audit_candidates")
SELECT_STORED_SUMS = read("select_stored_sums")
SELECT_MARKET_COVERAGE = read("select_market_coverage")
SELECT_AUDIT_SUMMARY = read("select_audit_summary")
SELECT_EVENTFUL_HOURS = read("select_eventful_hours")

START_PROCESS = read("start_process")
KEEP_PROCESS_ALIVE = read("keep_process_alive")
STOP_PROCESS = read("stop_process")
OPEN_EPOCH = read("open_epoch")
PROVE_EPOCHS = read("prove_epochs")
CLOSE_EPOCH = read("close_epoch")
CLOSE_LOST_EPOCHS = read("close_lost_epochs")
LOSE_RANGE = read("lose_range")
SELECT_ENDED_EPOCHS = read("select_ended_epochs")
HOLD_EPOCHS = read("hold_epochs")
RELEASE_HELD_EPOCHS = read("release_held_epochs")
TAKE_ENDED_LISTENING = read("take_ended_listening")
TAKE_RELEASED_LISTENING = read("take_released_listening")
SELECT_TOUCHED_RANGES = read("select_touched_ranges")
DELETE_RANGES = read("delete_ranges")
UPSERT_RANGES = read("upsert_ranges")
ADD_EPOCH = read("add_epoch")
CONFIRM_TOKENS = read("confirm_tokens")
RELEASE_TOKENS = read("release_tokens")
WANT_TOKENS = read("want_tokens")
UNWANT_TOKENS = read("unwant_tokens")

SET_DATASET_LIMITS = read("set_dataset_limits")
BEGIN_DATASET_SNAPSHOT = read("begin_dataset_snapshot")
SELECT_DATASET_SNAPSHOT = read("select_dataset_snapshot")
SET_DATASET_SNAPSHOT = read("set_dataset_snapshot")
COMMIT_DATASET_SNAPSHOT = read("commit_dataset_snapshot")
SELECT_JOURNALS_SEEN = read("select_journals_seen")
SELECT_MAY_READ_TRADES = read("select_may_read_trades")
COUNT_DATASET_TRADES = read("count_dataset_trades")
COUNT_DATASET_TRADES_OF_READER = read("count_dataset_trades_of_reader")
SELECT_DATASET_TRADES_OF_READER = read("select_dataset_trades_of_reader")
SELECT_DATASET_TRADES = read("select_dataset_trades")
SELECT_DATASET_TOKENS = read("select_dataset_tokens")
SELECT_DATASET_CHOSEN = read("select_dataset_chosen")
SELECT_DATASET_KEYS = read("select_dataset_keys")
SELECT_DATASET_LATE_MARKETS = read("select_dataset_late_markets")
SELECT_DATASET_MARKETS = read("select_dataset_markets")
SELECT_DATASET_HISTORY = read("select_dataset_history")
SELECT_DATASET_ASSETS = read("select_dataset_assets")
SELECT_DATASET_STATES = read("select_dataset_states")
SELECT_DATASET_LABELS = read("select_dataset_labels")
SELECT_DATASET_CONFLICTS = read("select_dataset_conflicts")
SELECT_DATASET_COVERAGE = read("select_dataset_coverage")
SELECT_DATASET_GAPS = read("select_dataset_gaps")
SELECT_DATASET_EVENTS = read("select_dataset_events")
COUNT_DATASET_REJECTIONS = read("count_dataset_rejections")

REPORT_CANDLES = read("report_candles")
REPORT_CONFLICTS = read("report_conflicts")
REPORT_COVERAGE = read("report_coverage")
REPORT_EVENTS = read("report_events")
REPORT_FIND_SLUG = read("report_find_slug")
REPORT_LABEL_COUNTS = read("report_label_counts")
REPORT_LABELS = read("report_labels")
REPORT_LIFE = read("report_life")
REPORT_MARKET = read("report_market")
REPORT_NAMES = read("report_names")
REPORT_NEAR_SLUGS = read("report_near_slugs")
REPORT_NOW = read("report_now")
REPORT_MARKET_DAYS = read("report_market_days")
REPORT_OPEN_MARKETS = read("report_open_markets")
REPORT_OUTCOMES = read("report_outcomes")
REPORT_RECORDED = read("report_recorded")
REPORT_REJECTED = read("report_rejected")
REPORT_SAID = read("report_said")
REPORT_TOKENS = read("report_tokens")
REPORT_TRADES = read("report_trades")
REPORT_WAITING = read("report_waiting")
