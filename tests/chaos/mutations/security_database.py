"""The mechanisms behind the promises of docs/explanation/security.md about the database."""

from tests.chaos.mutations.mutation import Mutation

RESTORED_ROLES = "tests/database/test_restored_roles.py::"
REJECTED_ROWS = "tests/database/test_rejected_rows.py::"
OF_PAGE = "tests/database/test_certificate.py::"
RULES = "tests/architecture/test_source_rules.py::"
EMBEDDED = "tests/database/test_embedded.py::"
ROLES = "tests/database/test_roles.py::"
LOGIN = "tests/database/test_login.py::"
VERIFICATION = "tests/database/test_verification.py::"
ROWS = "tests/database/test_bad_rows.py::"
APP = "tests/app/test_database_roles.py::"

LOGS_IN = "Whoever answers in the server's place and makes"
NEVER_SQL = "Values never become SQL"
SESSION = "The session has a fixed search path"
OWNS_NOTHING = "The default installation and the embedded database run"
BAD_ROW = "A row that the database cannot hold"
SOCKET_ONLY = "The embedded database listens"
PASSWORD = "The password is given to nobody"
LET_IN = "Whoever lets the tracker in"
WARNED = "A server on another host that no certificate proves"
CERTIFICATE = "With the certificate of the"

STORES_AS_WRITER = APP + (
    "test_a_run_with_the_embedded_database_stores_as_the_writer_and_migrates_as_the_owner"
)

OF_DATABASE = (
    Mutation(
        "an f-string in the session",
        "actors/database/session.py",
        'run(queries.SET_SESSION, {**given, "tag": self.tag})',
        "run(f\"select set_config('tracker.session', '{self.tag}', false)\".encode())",
        (RULES + "test_no_statement_is_put_together_in_the_source",),
        NEVER_SQL,
    ),
    Mutation(
        "a value joined to a query",
        "actors/database/store.py",
        "rows = self._connection().execute(query, page).fetchall()",
        "rows = self._connection().execute(query + b' -- ' + str(after).encode(), page).fetchall()",
        (RULES + "test_no_statement_is_put_together_in_the_source",),
        NEVER_SQL,
    ),
    Mutation(
        "what a query is read from",
        "actors/database/queries.py",
        'SELECT_PLACE = read("select_place")',
        'SELECT_PLACE = read("select_place") + b" "',
        (RULES + "test_each_query_is_a_file_as_it_is",),
        NEVER_SQL,
    ),
    Mutation(
        "texts that the database cannot hold",
        "actors/model/conversion.py",
        'text = text.replace("\\x00", "\\ufffd")',
        "pass",
        (ROWS + "test_a_market_may_have_any_name",),
        NEVER_SQL,
    ),
    Mutation(
        "the search path of the session",
        "actors/database/session.py",
        "        self.connection.execute(queries.SET_SEARCH_PATH)\n",
        "",
        ("tests/database/test_session.py::test_a_session_has_limits_and_a_fixed_search_path",),
        SESSION,
    ),
    Mutation(
        "limits of a statement",
        "sql/queries/set_session.sql",
        "select set_config('statement_timeout', %(statement_ms)s, false),",
        "select %(statement_ms)s,",
        ("tests/database/test_session.py::test_a_session_has_limits_and_a_fixed_search_path",),
        SESSION,
    ),
    Mutation(
        "durable commits",
        "sql/queries/set_session.sql",
        "case current_setting('synchronous_commit') when 'off' then 'on'",
        "case current_setting('synchronous_commit') when 'off' then 'off'",
        ("tests/database/test_session.py::test_commits_wait_for_the_disk",),
        SESSION,
    ),
    Mutation(
        "the writer's address",
        "actors/database/server/embedded.py",
        'writer=self._address(db, "tracker_writer")',
        'writer=self._address(db, "tracker_owner")',
        (
            EMBEDDED + "test_the_embedded_database_has_two_roles_and_an_older_one_gets_them",
            STORES_AS_WRITER,
        ),
        OWNS_NOTHING,
    ),
    Mutation(
        "the owner's address of a migration by hand",
        "actors/cli/tools.py",
        "return _apply(server.prepare().owner)",
        "return _apply(server.dsn())",
        (APP + "test_the_embedded_database_is_migrated_by_hand_as_its_owner",),
        OWNS_NOTHING,
    ),
    Mutation(
        "what was made before becomes the owner's",
        "sql/roles.sql",
        "    execute format('alter %s owner to tracker_owner', it.named);\n",
        "    null;\n",
        (ROLES + "test_an_installation_of_before_moves_to_the_roles",),
        OWNS_NOTHING,
    ),
    Mutation(
        "what the writer needs is granted",
        "sql/queries/grant_rights.sql",
        "      execute format('grant insert on %s to tracker_writer', it);\n",
        "      null;\n",
        (ROLES + "test_the_tracker_runs_as_the_writer",),
        OWNS_NOTHING,
    ),
    Mutation(
        "who may migrate is told",
        "actors/database/schema/migrate.py",
        "    except psycopg.errors.InsufficientPrivilege as exc:\n"
        '        raise SchemaMismatch(\n            f"the role',
        "    except psycopg.errors.UndefinedFile as exc:\n"
        '        raise SchemaMismatch(\n            f"the role',
        (ROLES + "test_a_role_that_may_not_migrate_is_told_who_may",),
        OWNS_NOTHING,
    ),
    Mutation(
        "rights are granted after a restore",
        "actors/database/schema/migrate.py",
        '            self._retried("that grants rights", grant)\n',
        "            grant and None\n",
        (RESTORED_ROLES + "test_a_database_restored_as_the_page_says_has_its_roles_again",),
        OWNS_NOTHING,
    ),
    Mutation(
        "one bad row is rejected alone",
        "actors/database/transaction.py",
        "            self._careful = True\n",
        "",
        (ROWS + "test_a_bad_trade_is_rejected_and_the_others_are_stored",),
        BAD_ROW,
    ),
    Mutation(
        "many bad rows stop it",
        "actors/database/insertion.py",
        "MAX_REJECTED_SHARE: Final = 0.01",
        "MAX_REJECTED_SHARE: Final = 0.99",
        (ROWS + "test_more_than_one_bad_row_in_a_hundred_stops_the_batch_and_nothing_is_rejected",),
        BAD_ROW,
    ),
    Mutation(
        "a rejected fact claims nothing",
        "actors/database/transaction.py",
        "                    coverage.take_back(*numbered)\n",
        "                    pass\n",
        (
            REJECTED_ROWS
            + "test_a_rejected_fact_claims_no_time_that_was_not_proven_and_is_taken_in_later",
        ),
        BAD_ROW,
    ),
    Mutation(
        "no address of the network",
        "actors/database/server/embedded.py",
        '"listen_addresses="',
        '"listen_addresses=localhost"',
        (EMBEDDED + "test_the_server_does_not_listen_on_the_network",),
        SOCKET_ONLY,
    ),
)

ON_THE_WAY = (
    Mutation(
        "how a server may ask for the password",
        "actors/database/session.py",
        "self._options = {**_CONNECT_OPTIONS, **verification.permitted(dsn)}",
        "self._options = {**_CONNECT_OPTIONS}",
        (
            VERIFICATION + "test_whoever_answers_without_tls_is_not_given_the_password",
            VERIFICATION + "test_however_the_password_comes_it_is_not_given",
            VERIFICATION + "test_a_socket_asks_for_no_password_in_clear_text_either",
        ),
        PASSWORD,
    ),
    Mutation(
        "MD5 is no way to ask",
        "actors/database/server/verification.py",
        '"scram-sha-256,none" if may_not_ask else "scram-sha-256"}',
        '"scram-sha-256,none" if may_not_ask else "scram-sha-256,md5"}',
        (VERIFICATION + "test_whoever_answers_without_tls_is_not_given_the_password",),
        PASSWORD,
    ),
    Mutation(
        "a second session is as careful",
        "actors/database/session.py",
        "with client_beside(self._dsn, **self._options) as ask_beside:",
        "with client_beside(self._dsn, **_CONNECT_OPTIONS) as ask_beside:",
        (VERIFICATION + "test_a_session_looks_for_a_pool_with_the_same_care",),
        PASSWORD,
    ),
    Mutation(
        "a second session takes its options",
        "actors/database/server/pooling.py",
        'given = {**options, "connect_timeout": _BESIDE_S}',
        'given = {"connect_timeout": _BESIDE_S}',
        (VERIFICATION + "test_a_second_session_beside_the_first_gives_nothing_away_either",),
        PASSWORD,
    ),
    Mutation(
        "what the URL permits",
        "actors/database/server/verification.py",
        '    if options.get("require_auth"):\n        return {}\n',
        "",
        (VERIFICATION + "test_whoever_permits_it_gives_the_password",),
        PASSWORD,
    ),
    Mutation(
        "who does not ask is not the server",
        "actors/database/server/verification.py",
        'may_not_ask = "password" not in options or all(host.is_socket for host in '
        "_hosts(options))",
        "may_not_ask = True",
        (VERIFICATION + "test_whoever_lets_us_in_without_asking_is_not_taken_for_the_server",),
        LET_IN,
    ),
    Mutation(
        "which server nothing proves",
        "actors/database/server/verification.py",
        'PROVEN: Final = "verify-full"',
        'PROVEN: Final = "require"',
        (VERIFICATION + "test_a_server_on_another_host_that_nothing_proves_is_named",),
        WARNED,
    ),
    Mutation(
        "variables and service files count",
        "actors/database/server/verification.py",
        "each.val.decode() for each in tried.info if each.val}",
        "each.val.decode() for each in pq.Conninfo.parse(dsn.encode()) if each.val}",
        (VERIFICATION + "test_variables_and_service_files_count",),
        WARNED,
    ),
    Mutation(
        "the check warns",
        "actors/cli/check.py",
        "unverified_sentence(found.unverified), ",
        "",
        (VERIFICATION + "test_the_check_warns_of_it",),
        WARNED,
    ),
    Mutation(
        "the log warns",
        "actors/app/factory.py",
        '            log.warning("database_unverified", extra={"servers": list(unknown)})\n',
        "            pass\n",
        (APP + "test_the_log_names_a_server_that_nothing_proves",),
        WARNED,
    ),
    Mutation(
        "the session says it",
        "actors/database/session.py",
        "self.unverified = verification.unverified(dsn)",
        "self.unverified: tuple[str, ...] = ()",
        (VERIFICATION + "test_a_session_a_check_and_a_store_say_it",),
        WARNED,
    ),
    Mutation(
        "a login is left",
        "actors/database/session.py",
        "connection = self._login.wait()",
        "connection = self._connect()",
        (LOGIN + "test_who_makes_the_client_compute_keeps_nobody_waiting",),
        LOGS_IN,
    ),
    Mutation(
        "no login beside one that was left",
        "actors/database/server/login.py",
        "        _left.require_none()\n",
        "",
        (LOGIN + "test_a_login_that_does_not_end_is_left_and_no_other_one_is_begun",),
        LOGS_IN,
    ),
    Mutation(
        "a login that is ended at a stop",
        "actors/database/session.py",
        "        self._login.abort()\n",
        "",
        (LOGIN + "test_a_store_that_logs_in_can_be_aborted",),
        LOGS_IN,
    ),
    Mutation(
        "another certificate is none",
        "docs/how-to/install.md",
        "-addext subjectAltName=DNS:db.example.com",
        "-addext subjectAltName=DNS:other.example.com",
        (OF_PAGE + "test_the_certificate_of_the_page_proves_the_server_and_no_other",),
        CERTIFICATE,
    ),
)

MUTATIONS = (*OF_DATABASE, *ON_THE_WAY)
