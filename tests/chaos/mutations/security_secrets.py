"""The mechanisms behind the promises of docs/explanation/security.md about secrets and texts."""

from tests.chaos.mutations.mutation import Mutation

SESSION = "tests/database/test_session.py::"
CHAIN_CLIENT = "tests/polymarket/test_chain_client.py::"
INSTALL = "tests/cli/test_install.py::"
LOGS = "tests/process/test_logs.py::"
SHELL = "tests/app/test_shell.py::"
SECRETS = "tests/live/test_secrets.py::"
SECURITY = "tests/architecture/test_security.py::"
TEXT = "tests/health/test_text.py::"
TYPES = "tests/config/test_types.py::"
UNCAUGHT = "tests/cli/test_uncaught.py::"
MEMORY = "tests/live/test_memory.py::"

WHERE_FROM = "The database URL comes by"
MALFORMED = "No message repeats"
NO_SECRET = "No log line, status, metric"
UNFORESEEN = "An error that nobody foresaw"
NO_CORE = "No core dump holds"
NO_READER = "No other process of the tracker's user"
CHILDREN = "The programs that it starts"
PSQL = "`tracker --psql` gives psql"
KEYS = "Keys in the URLs"
NO_FORGERY = "Foreign text cannot forge"
COST = "Cleaning a hostile text"
STATUS = "The same for `tracker-status`"
LATEST = "The texts of markets among"
HOSTILE_MARKET = "A market whose every text"


OF_SECRETS = (
    Mutation(
        "the password by a variable of psql",
        "actors/database/commands/psql.py",
        "        if option.envvar:\n",
        '        if option.envvar and name != "password":\n',
        (SHELL + "test_no_secret_is_among_the_arguments_and_none_of_ours_in_the_variables",),
        PSQL,
    ),
    Mutation(
        "a secret among the arguments of psql",
        "actors/database/commands/psql.py",
        '        elif option.dispchar == b"*":\n',
        '        elif option.dispchar == b"?":\n',
        (SHELL + "test_a_secret_without_a_variable_is_rejected",),
        PSQL,
    ),
    Mutation(
        "a secret on the command line",
        "actors/config/load.py",
        "warnings: list[str] = [*_exposed(flags, run.mode), *_unknown_variables(environ)]",
        "warnings: list[str] = [*_unknown_variables(environ)]",
        (TYPES + "test_a_secret_on_the_command_line_or_in_an_open_file_is_warned_of",),
        WHERE_FROM,
    ),
    Mutation(
        "a secret in an open file",
        "actors/config/load.py",
        "path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):",
        "path.stat().st_mode & 0:",
        (TYPES + "test_a_secret_on_the_command_line_or_in_an_open_file_is_warned_of",),
        WHERE_FROM,
    ),
    Mutation(
        "the credential of the unit",
        "systemd/tracker.service",
        "LoadCredential=database_url:",
        "LoadCredential=database:",
        (INSTALL + "test_credentials_of_the_unit_are_settings",),
        WHERE_FROM,
    ),
    Mutation(
        "the value in an error of a setting",
        "actors/config/load.py",
        "for error in exc.errors(include_input=False,",
        "yield str(exc.errors(include_url=False))\n"
        "    for error in exc.errors(include_input=False,",
        (
            TYPES + "test_no_malformed_url_is_repeated",
            TYPES + "test_any_url_is_accepted_or_rejected_without_being_repeated",
        ),
        MALFORMED,
    ),
    Mutation(
        "the cause of an address that cannot be parsed",
        "actors/database/session.py",
        '        raise ConfigError(f"the database address cannot be parsed: {_HELP}") from None\n',
        "        raise\n",
        ("tests/database/test_dsn.py::test_nothing_of_a_malformed_address_is_shown",),
        MALFORMED,
    ),
    Mutation(
        "settings in print",
        "actors/config/settings.py",
        '            return "(set, not shown)"\n',
        "            return value.get_secret_value()\n",
        (TYPES + "test_any_url_is_accepted_or_rejected_without_being_repeated",),
        MALFORMED,
    ),
    Mutation(
        "secrets of the log",
        "actors/process/logs.py",
        "text = self._secrets.sub(HIDDEN, text[:LONGEST_SCRUBBED])",
        "text = text[:LONGEST_SCRUBBED]",
        (
            LOGS + "test_no_secret_is_written_wherever_it_stands",
            LOGS + "test_a_secret_that_the_limit_would_cut_in_two_is_gone_as_well",
            SECRETS + "test_a_run_tells_its_log_its_status_and_systemd_no_secret",
        ),
        NO_SECRET,
    ),
    Mutation(
        "passwords in the text of others",
        "actors/process/logs.py",
        'return _PASSWORD.sub(rf"\\1{HIDDEN}", _USER_INFO.sub(rf"\\1{HIDDEN}@", text)), whole',
        "return text, whole",
        (LOGS + "test_no_secret_is_written_wherever_it_stands",),
        NO_SECRET,
    ),
    Mutation(
        "a secret that the cut would leave",
        "actors/process/logs.py",
        "            text = text[: len(text) - self._longest]\n",
        "            pass\n",
        (LOGS + "test_a_secret_that_the_limit_would_cut_in_two_is_gone_as_well",),
        NO_SECRET,
    ),
    Mutation(
        "secrets of a document",
        "actors/process/logs.py",
        "            raw = raw.replace(secret, HIDDEN.encode())\n",
        "            pass\n",
        (
            LOGS + "test_a_document_is_without_secrets_however_they_are_written_in_json",
            SECRETS + "test_a_run_tells_its_log_its_status_and_systemd_no_secret",
        ),
        NO_SECRET,
    ),
    Mutation(
        "secrets of the status",
        "actors/app/tracker.py",
        "return self._scrubber.document(msgspec.json.encode(self._current_health()))",
        "return msgspec.json.encode(self._current_health())",
        (SECRETS + "test_a_run_tells_its_log_its_status_and_systemd_no_secret",),
        NO_SECRET,
    ),
    Mutation(
        "lines for people",
        "actors/process/logs.py",
        "return scrubber.text(text, longest=LONGEST_SCRUBBED)",
        "return text if scrubber else text",
        (SECRETS + "test_no_other_mode_repeats_what_the_server_repeats",),
        NO_SECRET,
    ),
    Mutation(
        "what an error of a connection says",
        "actors/database/session.py",
        "        raise StoreUnavailable(one_line(exc), sqlstate=exc.sqlstate) from "
        "exc\n    except psycopg.Error",
        '        raise StoreUnavailable(f"{one_line(exc)} {_CONNECT_OPTIONS} '
        '{exc.pgconn and exc.pgconn.password!r}") from exc\n    except psycopg.Error',
        (SESSION + "test_without_a_server_the_error_does_not_quote_the_password",),
        NO_SECRET,
    ),
    Mutation(
        "an error of ours",
        "actors/cli/main.py",
        "    except Exception:\n"
        "        # Not left to Python, whose traceback would show whatever text the error has.\n"
        '        log.critical("uncaught", extra={"where": "main"}, exc_info=True)\n'
        "        return EXIT_INTERNAL\n",
        "",
        (UNCAUGHT + "test_an_error_of_ours_is_logged_without_secrets",),
        UNFORESEEN,
    ),
    Mutation(
        "an error of a thread",
        "actors/process/logs.py",
        "sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, "
        "in_thread, unraisable",
        "sys.excepthook, sys.unraisablehook = uncaught, unraisable or in_thread",
        (UNCAUGHT + "test_an_error_in_a_thread_of_any_mode_is_logged_without_secrets",),
        UNFORESEEN,
    ),
    Mutation(
        "secrets before the settings",
        "actors/cli/main.py",
        'logs.configure("INFO", "auto", secrets=secret_variables(os.environ))',
        'logs.configure("INFO", "auto", secrets=secret_variables({}))',
        (UNCAUGHT + "test_an_error_of_ours_is_logged_without_secrets",),
        UNFORESEEN,
    ),
    Mutation(
        "secrets of a list",
        "actors/config/load.py",
        'for part in (text, *text.split(","))}',
        "for part in (text,)}",
        (
            UNCAUGHT + "test_what_is_known_to_be_secret_before_the_settings_are_read",
            UNCAUGHT + "test_an_error_of_ours_is_logged_without_secrets",
        ),
        UNFORESEEN,
    ),
    Mutation(
        "PR_SET_DUMPABLE and the limit of a core",
        "actors/programs.py",
        "    close_memory()  # before a secret is read\n    try:\n        from actors.cli.main",
        "    try:\n        from actors.cli.main",
        (MEMORY + "test_an_abort_leaves_all_stacks_and_no_core_dump",),
        NO_CORE,
    ),
    Mutation(
        "PR_SET_DUMPABLE",
        "actors/process/runtime.py",
        "        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)\n",
        "        pass\n",
        (MEMORY + "test_no_other_process_of_its_user_reads_its_memory",),
        NO_READER,
    ),
    Mutation(
        "the environment of the simulator",
        "actors/cli/demo_processes.py",
        "        env=without_settings(os.environ),\n",
        "        env=dict(os.environ),\n",
        (MEMORY + "test_the_simulator_of_a_demo_is_not_given_the_databases_password",),
        CHILDREN,
    ),
    Mutation(
        "variables of libpq",
        "actors/cli/demo_processes.py",
        'OURS = ("TRACKER_", "PG", "CREDENTIALS_DIRECTORY")',
        'OURS = ("TRACKER_",)',
        (MEMORY + "test_the_simulator_of_a_demo_is_not_given_the_databases_password",),
        CHILDREN,
    ),
    Mutation(
        "the host of a node and not its path",
        "actors/polymarket/contract/nodes.py",
        'raise PayloadRejected(f"{node.host}: {rejection}") from rejection',
        'raise PayloadRejected(f"{node.url}: {rejection}") from rejection',
        (CHAIN_CLIENT + "test_when_no_node_answers_the_error_names_all_hosts_and_no_path",),
        KEYS,
    ),
)

OF_TEXTS = (
    Mutation(
        "one list of what is invisible",
        "actors/model/conversion.py",
        "\\\\u202e",
        "\\\\u202d",
        (
            TEXT + "test_no_character_that_hides_or_reorders_passes_a_filter",
            LOGS + "test_foreign_text_cannot_forge_a_line_or_drive_the_terminal",
        ),
        NO_FORGERY,
    ),
    Mutation(
        "what is of no width",
        "actors/model/conversion.py",
        "\\\\ufeff",
        "",
        (TEXT + "test_no_character_that_hides_or_reorders_passes_a_filter",),
        NO_FORGERY,
    ),
    Mutation(
        "what people write is left",
        "actors/model/conversion.py",
        "\\\\x00-\\\\x1f\\\\x7f-\\\\x9f",
        "\\\\x00-\\\\x1f\\\\x7f-\\\\xff",
        (TEXT + "test_what_people_write_is_left_as_it_is",),
        NO_FORGERY,
    ),
    Mutation(
        "a text of the log is cleaned",
        "actors/process/logs.py",
        "return _shortened(_INVISIBLE.sub(_escaped, cut), longest, whole=whole)",
        "return _shortened(cut, longest, whole=whole)",
        (LOGS + "test_foreign_text_cannot_forge_a_line_or_drive_the_terminal",),
        NO_FORGERY,
    ),
    Mutation(
        "500 characters of a text",
        "actors/process/logs.py",
        "LONGEST_TEXT = 500",
        "LONGEST_TEXT = 49_500",
        (LOGS + "test_texts_end_after_500_characters",),
        NO_FORGERY,
    ),
    Mutation(
        "a line is JSON",
        "actors/process/logs.py",
        "return value if math.isfinite(value) else str(value)",
        "return value",
        (LOGS + "test_whatever_is_logged_the_line_is_json_of_one_line",),
        NO_FORGERY,
    ),
    Mutation(
        "a bound of the search in a text",
        "actors/process/logs.py",
        "[a-z][a-z0-9+.-]{0,20}://)[^\\s/'\\\"]{0,300}@",
        "[a-z0-9+.-]*)+://[^\\s/'\\\"]*@",
        (LOGS + "test_a_hostile_text_costs_no_quadratic_time",),
        COST,
    ),
    Mutation(
        "lines of tracker-status",
        "actors/cli/status.py",
        "    output.say(terminal_safe(text))\n",
        "    output.say(text)\n",
        ("tests/cli/test_wait.py::test_what_another_tracker_says_cannot_drive_the_terminal",),
        STATUS,
    ),
    Mutation(
        "a field of tracker-status",
        "actors/cli/status.py",
        "return terminal_safe(found) if isinstance(found, str)",
        "return found if isinstance(found, str)",
        ("tests/cli/test_status.py::test_text_from_outside_cannot_drive_the_terminal",),
        STATUS,
    ),
    Mutation(
        "texts among the last trades",
        "actors/cli/latest_table.py",
        "return terminal_safe(_PICTURE_FORMS.sub(",
        "return str(_PICTURE_FORMS.sub(",
        ("tests/cli/test_latest_table.py::test_no_text_changes_what_is_around_it",),
        LATEST,
    ),
    Mutation(
        "texts of a market in the table",
        "actors/cli/status_table.py",
        "yield name, Text(terminal_safe(figure(health)))",
        "yield name, figure(health)",
        (SECURITY + "test_a_market_of_hostile_texts_is_only_text",),
        HOSTILE_MARKET,
    ),
)

MUTATIONS = (*OF_SECRETS, *OF_TEXTS)
