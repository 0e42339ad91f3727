"""The mechanisms behind the promises of docs/explanation/security.md about roles."""

from tests.chaos.mutations.mutation import Mutation

TIMESCALE = "tests/database/test_timescale.py::"
SECURITY = "tests/architecture/test_security.py::"
APPEND = "tests/database/test_append_only.py::"
DAYS = "tests/database/test_trade_days.py::"
EMBEDDED = "tests/database/test_embedded.py::"
LOCKS = "tests/database/test_locks.py::"
PLANTED = "tests/database/test_planted.py::"
ROLES = "tests/database/test_roles.py::"

NO_CHANGE = "He can change or remove no trade"
NO_TOKEN = "He can give no stored trade another token"
DAY = "He can make days of trades"
OWN_SETTINGS = "Settings that he gives his role"
NO_MAKING = "He can create, drop, alter"
NOT_EXECUTED = "Nothing of his is executed"
READS = "A reader reads all that is public"
STORES_NOTHING = "A reader makes no tables"
NO_LOCK = "A reader gets no lock"
STRANGERS = "Strangers get no access"
TRAPS = "Operators, functions, casts"

NOTHING_PLANTED = PLANTED + (
    "test_nothing_planted_is_executed_by_the_administrator_the_owner_the_tracker_or_a_reader"
)

OF_WRITER = (
    Mutation(
        "delete is not granted",
        "sql/queries/grant_rights.sql",
        "    execute format('grant select on %s to tracker_writer', it);\n    if kind",
        "    execute format('grant select, delete, truncate on %s to "
        "tracker_writer', it);\n    if kind",
        (ROLES + "test_the_writer_may_not",),
        NO_CHANGE,
    ),
    Mutation(
        "a token keeps its number",
        "sql/queries/grant_rights.sql",
        "grant update (condition_id, outcome, outcome_index) on %s to",
        "grant update on %s to",
        (ROLES + "test_the_writer_may_not",),
        NO_TOKEN,
    ),
    Mutation(
        "what may be a trade is kept",
        "sql/migrations/0005_create_coverage.sql",
        "  for each row when (old.doubt is not null or old.epoch is null or old.seq is null)"
        " execute function tracker.keep_doubtful();\n",
        "  for each row when (false) execute function tracker.keep_doubtful();\n",
        (ROLES + "test_the_role_of_the_tracker_deletes_no_message_that_may_be_a_trade",),
        NO_TOKEN,
    ),
    Mutation(
        "trades only grow",
        "sql/migrations/0003_create_trades.sql",
        "create trigger append_only before update or delete or truncate on tracker.trades\n",
        "create trigger append_only before truncate on tracker.trades\n",
        (APPEND + "test_no_statement_changes_or_removes_trades_not_even_the_owners",),
        NO_CHANGE,
    ),
    Mutation(
        "so does each day",
        "sql/migrations/0003_create_trades.sql",
        "  execute format('create trigger append_only before update or delete or "
        "truncate on tracker.%I'\n"
        "                 ' for each statement execute function "
        "tracker.reject_change(''is append-only'')', name);\n",
        "",
        (
            APPEND + "test_each_day_has_the_trigger_whoever_made_it_and_whenever",
            "tests/database/test_objects.py::test_a_trigger_that_a_day_lacks_is_missing",
        ),
        NO_CHANGE,
    ),
    Mutation(
        "the trigger of each day is looked for",
        "sql/queries/select_objects.sql",
        "where t.tgrelid = h.inhrelid and t.tgname = named.own",
        "where t.tgname = named.own",
        ("tests/database/test_objects.py::test_a_trigger_that_a_day_lacks_is_missing",),
        NO_CHANGE,
    ),
    Mutation(
        "storing fires no trigger",
        "sql/migrations/0003_create_trades.sql",
        "create trigger append_only before update or delete or truncate on tracker.trades\n",
        "create function tracker.note() returns trigger language plpgsql as"
        " $f$begin return new; end$f$;\n"
        "create trigger noted before insert on tracker.trades for each row execute function"
        " tracker.note();\n"
        "create trigger append_only before update or delete or truncate on tracker.trades\n",
        (APPEND + "test_what_is_stored_fires_no_trigger",),
        NO_CHANGE,
    ),
    Mutation(
        "the time zone in which a day is made",
        "sql/migrations/0003_create_trades.sql",
        "set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$",
        "as $$",
        (DAYS + "test_a_setting_of_the_caller_changes_no_bound",),
        DAY,
    ),
    Mutation(
        "which days are made",
        "sql/migrations/0003_create_trades.sql",
        "day not between first and last then",
        "day <> day then",
        (DAYS + "test_days_of_which_no_trade_can_be_are_not_made",),
        DAY,
    ),
    Mutation(
        "which days are asked for",
        "actors/database/cache.py",
        "if _FIRST_DAY <= day <= _LAST_DAY]",
        "if 0 <= day]",
        (DAYS + "test_trades_of_such_days_are_rejected_and_the_others_stored",),
        DAY,
    ),
    Mutation(
        "the bounds of a day that is there",
        "sql/migrations/0003_create_trades.sql",
        "                     and lower(pg_get_expr(c.relpartbound, c.oid)) = bounds) then\n",
        "                  ) then\n",
        (DAYS + "test_what_only_has_the_name_of_a_day_is_not_taken_for_it",),
        DAY,
    ),
    Mutation(
        "settings that a role has given itself",
        "sql/queries/set_session.sql",
        "where s.source in ('user', 'database user')",
        "where false",
        (DAYS + "test_a_setting_that_a_tracker_has_given_its_role_keeps_no_other_away",),
        OWN_SETTINGS,
    ),
    Mutation(
        "no temporary tables of the writer",
        "sql/roles.sql",
        "revoke all on database %I from public, tracker_writer, tracker_reader",
        "revoke connect on database %I from public, tracker_writer, tracker_reader",
        (
            ROLES + "test_the_writer_may_not",
            LOCKS + "test_a_reader_and_the_tracker_can_store_nothing_beside_the_tables",
        ),
        NO_MAKING,
    ),
    Mutation(
        "no tables of the writer",
        "sql/roles.sql",
        "grant usage on schema public to tracker_writer, tracker_reader;",
        "grant usage, create on schema public to tracker_writer, tracker_reader;",
        (ROLES + "test_the_writer_may_not",),
        NO_MAKING,
    ),
    Mutation(
        "the path of a function that runs as the owner",
        "sql/migrations/0003_create_trades.sql",
        "language plpgsql security definer set search_path = pg_catalog, pg_temp\n",
        "language plpgsql security definer set search_path = pg_catalog\n",
        (PLANTED + "test_what_a_caller_has_in_its_own_schema_is_not_executed_by_the_owner",),
        NOT_EXECUTED,
    ),
    Mutation(
        "the path of sql/roles.sql",
        "sql/roles.sql",
        "set search_path = pg_catalog, pg_temp;\n",
        "",
        (NOTHING_PLANTED,),
        NOT_EXECUTED,
    ),
    Mutation(
        "the path of who migrates",
        "sql/queries/set_search_path.sql",
        "set search_path = pg_catalog, pg_temp",
        "set search_path = public, pg_catalog, pg_temp",
        (PLANTED + "test_an_administrator_migrates_a_database_of_strangers",),
        NOT_EXECUTED,
    ),
)

OF_READERS = (
    Mutation(
        "what is not public is not granted",
        "sql/queries/grant_rights.sql",
        "    if is_public or name = any(of_coverage_gaps) then\n",
        "    if true then\n",
        (
            ROLES + "test_the_reader_reads_all_that_is_public_and_nothing_else",
            ROLES + "test_the_reader_may_not",
        ),
        READS,
    ),
    Mutation(
        "a reader only reads",
        "sql/queries/grant_rights.sql",
        "      execute format('grant select on %s to tracker_reader', it);\n",
        "      execute format('grant select, insert on %s to tracker_reader', it);\n",
        (ROLES + "test_the_reader_may_only_read", ROLES + "test_the_reader_may_not"),
        READS,
    ),
    Mutation(
        "no large objects",
        "sql/roles.sql",
        "(p.proname ~ '^(lo_|pg_advisory_|pg_try_advisory_)'",
        "(p.proname ~ '^(pg_advisory_|pg_try_advisory_)'",
        (LOCKS + "test_a_reader_and_the_tracker_can_store_nothing_beside_the_tables",),
        STORES_NOTHING,
    ),
    Mutation(
        "nothing in the write-ahead log",
        "sql/roles.sql",
        "p.proname in ('loread', 'lowrite', 'pg_logical_emit_message'))",
        "p.proname in ('loread', 'lowrite'))",
        (LOCKS + "test_a_reader_and_the_tracker_can_store_nothing_beside_the_tables",),
        STORES_NOTHING,
    ),
    Mutation(
        "no advisory locks",
        "sql/roles.sql",
        "(p.proname ~ '^(lo_|pg_advisory_|pg_try_advisory_)'",
        "(p.proname ~ '^(lo_|pg_try_advisory_)'",
        (LOCKS + "test_a_reader_can_take_no_lock_that_others_wait_for",),
        NO_LOCK,
    ),
    Mutation(
        "the lock of who migrates",
        "sql/queries/lock_migrations.sql",
        "lock table tracker.schema_migrations in share update exclusive mode",
        "lock table tracker.schema_migrations in access share mode",
        (LOCKS + "test_nobody_else_migrates_between_two_steps",),
        NO_LOCK,
    ),
    Mutation(
        "no lock that a reader holds is waited for",
        "sql/queries/lock_sequences.sql",
        "lock table tracker.journal_progress in share update exclusive mode",
        "lock table tracker.epochs in access exclusive mode",
        (LOCKS + "test_a_reader_who_holds_all_that_he_can_keeps_nobody_waiting",),
        NO_LOCK,
    ),
    Mutation(
        "no lock by a number",
        "sql/queries/lock_sequences.sql",
        "lock table tracker.journal_progress in share update exclusive mode",
        "select pg_advisory_xact_lock(7041776133)",
        (LOCKS + "test_the_locks_of_before_mean_nothing_where_anybody_may_take_them",),
        NO_LOCK,
    ),
    Mutation(
        "strangers may not connect",
        "sql/roles.sql",
        "revoke all on database %I from public, tracker_writer, tracker_reader",
        "revoke temporary on database %I from public, tracker_writer, tracker_reader",
        (ROLES + "test_other_roles_cannot_connect",),
        STRANGERS,
    ),
    Mutation(
        "functions are revoked from strangers",
        "sql/queries/grant_rights.sql",
        "revoke all on function %s from public, tracker_writer, tracker_reader",
        "revoke all on function %s from tracker_writer, tracker_reader",
        (ROLES + "test_a_stranger_who_may_connect_finds_nothing",),
        STRANGERS,
    ),
    Mutation(
        "a function that a schema does not qualify",
        "sql/migrations/0006_create_public.sql",
        "set search_path = pg_catalog, pg_temp\nset enable_seqscan",
        "set search_path = public, pg_temp\nset enable_seqscan",
        (PLANTED + "test_each_function_of_ours_has_a_path_that_nobody_else_writes_to",),
        TRAPS,
    ),
    Mutation(
        "the first statement of a session",
        "actors/database/session.py",
        "        self.connection.execute(queries.SET_SEARCH_PATH)\n",
        "",
        (
            SECURITY + "test_each_session_with_the_database_finds_nothing_that_others_have_planted",
            NOTHING_PLANTED,
        ),
        TRAPS,
    ),
    Mutation(
        "the path of the embedded server's administrator",
        "actors/database/server/embedded.py",
        "make_conninfo(self._address(db), connect_timeout=timeout_s, options=path)",
        "make_conninfo(self._address(db), connect_timeout=timeout_s, options=path and '')",
        (EMBEDDED + "test_the_embedded_servers_administrator_executes_nothing_planted",),
        TRAPS,
    ),
    Mutation(
        "what is a stranger's stays his",
        "sql/roles.sql",
        "    where c.relkind in ('r', 'p', 'v', 'm') and c.relowner = any(makers) and c.relowner",
        "    where c.relkind in ('r', 'p', 'v', 'm') and c.relowner",
        (PLANTED + "test_what_is_not_ours_stays_with_its_owner",),
        TRAPS,
    ),
    Mutation(
        "a function with a name of TimescaleDB",
        "sql/migrations/0003_create_trades.sql",
        "    raise exception 'schema % has functions with names of TimescaleDB "
        "that are not of TimescaleDB: drop them', place;\n",
        "    null;\n",
        (TIMESCALE + "test_a_function_of_a_stranger_is_not_taken_for_one_of_timescaledb",),
        TRAPS,
    ),
)

MUTATIONS = (*OF_WRITER, *OF_READERS)
