"""The mechanisms behind the promises of docs/explanation/security.md about sockets and process."""

from tests.chaos.mutations.mutation import Mutation

SYSTEMD_LIVE = "tests/live/test_systemd_live.py::"
INSTALL = "tests/cli/test_install.py::"
PAGE = "tests/health/test_page.py::"
METRICS = "tests/health/test_metrics_server.py::"
PINS = "tests/architecture/test_pins.py::"
SECURITY = "tests/architecture/test_security.py::"
SOCKET = "tests/health/test_status_socket.py::"

WHO_ASKS = "The status socket is 0660"
NOTHING_CHANGES = "Through it nothing can be changed"
REMOVED = "Only the socket of a tracker that has ended"
LOOPBACK = "Metrics and page are served on 127.0.0.1"
PORT_TAKEN = "Who takes the port of the metrics"
REBOUND = "A page of a stranger that somebody"
ONLY_TEXT = "In the page a text of a market"
ONLY_READ = "Nothing can be changed through the port"
COSTLY = "Whoever reaches the port cannot"
LOCKED_DOWN = "The unit is locked down"
NO_SHELL = "No shell, no pickle"
HASHES = "Everything is installed with hashes"
BEHIND = "Which pins are behind"
ISOLATED = "Python runs isolated"

TRACKER = "tests/app/test_tracker.py::"

TWO_HUNDRED = METRICS + (
    "test_two_hundred_silent_clients_hold_no_thread_and_metrics_are_served_beside_them"
)

OF_SOCKETS = (
    Mutation(
        "the mode of the status socket",
        "actors/health/status_socket.py",
        "_MODE = 0o660",
        "_MODE = 0o666",
        (SOCKET + "test_only_owner_and_group_may_ask",),
        WHO_ASKS,
    ),
    Mutation(
        "the group of the status socket",
        "systemd/tracker.service",
        "Group=tracker-status\n",
        "Group=tracker\n",
        (SYSTEMD_LIVE + "test_members_of_the_group_are_answered_and_others_rejected",),
        WHO_ASKS,
    ),
    Mutation(
        "one question",
        "actors/health/status_socket.py",
        "answer = self._answers.get(asked) if isinstance(asked, str) else None",
        'answer = self._answers["health"]',
        (SOCKET + "test_any_other_request_gets_an_error_and_changes_nothing",),
        NOTHING_CHANGES,
    ),
    Mutation(
        "1 KiB",
        "actors/health/status_socket.py",
        "LONGEST_REQUEST = 1024",
        "LONGEST_REQUEST = 101_376",
        (SOCKET + "test_any_other_request_gets_an_error_and_changes_nothing",),
        NOTHING_CHANGES,
    ),
    Mutation(
        "one second",
        "actors/health/status_socket.py",
        "REQUEST_S, REPLY_S = 1.0, 2.0",
        "REQUEST_S, REPLY_S = 99.0, 2.0",
        (SOCKET + "test_a_client_that_never_asks_is_cut_off_after_a_second",),
        NOTHING_CHANGES,
    ),
    Mutation(
        "haste while others wait",
        "actors/health/status_socket.py",
        "now, hurried = self._monotonic(), loop.full\n",
        "now, hurried = self._monotonic(), False\n",
        (
            SOCKET + "test_fifty_silent_clients_that_come_again_keep_nobody_from_an_answer",
            SOCKET + "test_clients_that_do_not_read_their_answers_keep_nobody_from_one",
        ),
        "Members of the group who say nothing",
    ),
    Mutation(
        "the socket of a running tracker",
        "actors/health/status_socket.py",
        "            probe.connect(str(path))\n",
        "            raise ConnectionRefusedError\n",
        (SOCKET + "test_the_socket_of_a_living_tracker_is_left_alone",),
        REMOVED,
    ),
    Mutation(
        "a file in place of the socket",
        "actors/health/status_socket.py",
        "    if not stat.S_ISSOCK(mode):\n"
        '        raise AddressTaken(f"status socket {path}: something else is in its place")\n',
        "    if not stat.S_ISSOCK(mode):\n        path.unlink()\n        return\n",
        (SOCKET + "test_a_file_in_its_place_is_never_removed",),
        REMOVED,
    ),
    Mutation(
        "loopback",
        "actors/health/metrics.py",
        'LOOPBACK = "127.0.0.1"',
        'LOOPBACK = "0.0.0.0"',
        (SECURITY + "test_metrics_are_served_on_loopback_alone",),
        LOOPBACK,
    ),
    Mutation(
        "a start without the port of the metrics",
        "actors/app/tracker.py",
        "            if not isinstance(exc, AddressTaken):\n",
        "            if not isinstance(exc, AddressTaken) or self._trackers == 1:\n",
        (TRACKER + "test_a_metrics_port_that_any_user_can_take_keeps_no_tracker_from_starting",),
        PORT_TAKEN,
    ),
    Mutation(
        "a check of the port of the metrics",
        "actors/cli/check.py",
        "has_others = is_running or",
        "has_others = True or",
        ("tests/cli/test_main.py::test_the_check_names_a_metrics_port_that_is_in_use",),
        PORT_TAKEN,
    ),
    Mutation(
        "a warning of metrics that others reach",
        "actors/app/tracker.py",
        "        if config.open_to:\n",
        "        if not config:\n",
        (TRACKER + "test_an_address_that_others_reach_is_warned_of",),
        LOOPBACK,
    ),
    Mutation(
        "names that only mean this host",
        "actors/health/web/page.py",
        "        if not is_own(host, self._names):\n",
        "        if not host and self._names is None:\n",
        (PAGE + "test_a_name_that_a_stranger_could_lead_here_is_not_answered",),
        REBOUND,
    ),
    Mutation(
        "scripts by their hashes",
        "actors/health/web/page.py",
        "            f\"script-src{allowed['script']}\",\n",
        "            \"script-src 'unsafe-inline'\",\n",
        (PAGE + "test_a_browser_runs_the_pages_own_script_and_style_alone",),
        ONLY_TEXT,
    ),
    Mutation(
        "texts of the page",
        "actors/health/web/page.py",
        "        return terminal_safe(cut)\n",
        "        return cut\n",
        (PAGE + "test_hostile_texts_are_short_and_hide_nothing",),
        ONLY_TEXT,
    ),
    Mutation(
        "text and not HTML",
        "actors/health/web/page.html",
        "if (node.textContent !== text) node.textContent = text;",
        "if (node.textContent !== text) node.innerHTML = text;",
        (PAGE + "test_the_page_names_no_other_place_and_makes_no_html_of_a_text",),
        ONLY_TEXT,
    ),
    Mutation(
        "only reading",
        "actors/health/web/page.py",
        '        if method not in ("GET", "HEAD"):\n',
        "        if not method and not path:\n",
        (PAGE + "test_nothing_can_be_changed",),
        ONLY_READ,
    ),
    Mutation(
        "the oldest silent client goes",
        "actors/health/web/server.py",
        "if not _asked(each)][:surplus]:",
        "if not _asked(each)][:0]:",
        (TWO_HUNDRED,),
        COSTLY,
    ),
    Mutation(
        "three seconds of a client",
        "actors/health/web/server.py",
        "late = [each for each, deadline in self._deadlines.items() if deadline <= now]",
        "late: list[socket.socket] = []",
        (METRICS + "test_who_does_not_read_the_answer_is_cut_off",),
        COSTLY,
    ),
    Mutation(
        "ten answers a second",
        "actors/health/web/server.py",
        "                self._next_at = now + BETWEEN_CLIENTS_S\n",
        "                self._next_at = now\n",
        (METRICS + "test_scrapes_without_end_take_a_bounded_number_of_turns",),
        COSTLY,
    ),
)

OF_PROCESS = (
    Mutation(
        "no new rights",
        "systemd/tracker.service",
        "NoNewPrivileges=yes\n",
        "",
        (INSTALL + "test_each_unit_has_each_line_that_the_page_explains_and_no_weaker_one",),
        LOCKED_DOWN,
    ),
    Mutation(
        "capabilities",
        "systemd/tracker@.service",
        "CapabilityBoundingSet=\n",
        "",
        (INSTALL + "test_the_units_are_locked_down",),
        LOCKED_DOWN,
    ),
    Mutation(
        "a read-only system",
        "systemd/tracker-blue.service",
        "ProtectSystem=strict\n",
        "ProtectSystem=yes\n",
        (INSTALL + "test_each_unit_has_each_line_that_the_page_explains_and_no_weaker_one",),
        LOCKED_DOWN,
    ),
    Mutation(
        "seccomp",
        "systemd/tracker-green.service",
        "SystemCallFilter=~@privileged @resources\n",
        "",
        (INSTALL + "test_the_units_are_locked_down",),
        LOCKED_DOWN,
    ),
    Mutation(
        "families of addresses",
        "systemd/tracker.service",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n",
        "",
        (INSTALL + "test_the_units_are_locked_down",),
        LOCKED_DOWN,
    ),
    Mutation(
        "what may be executed",
        "systemd/tracker@.service",
        "NoExecPaths=/\n",
        "",
        (INSTALL + "test_each_unit_has_each_line_that_the_page_explains_and_no_weaker_one",),
        LOCKED_DOWN,
    ),
    Mutation(
        "capabilities of the process",
        "systemd/tracker.service",
        "CapabilityBoundingSet=\n",
        "CapabilityBoundingSet=CAP_NET_RAW\n",
        ("tests/live/test_systemd_live.py::test_it_runs_as_a_user_of_its_own_with_no_rights",),
        LOCKED_DOWN,
    ),
    Mutation(
        "the mode of the runtime directory",
        "systemd/tracker.service",
        "RuntimeDirectoryMode=0750\n",
        "RuntimeDirectoryMode=0755\n",
        ("tests/live/test_systemd_live.py::test_strangers_read_neither_journal_nor_credentials",),
        LOCKED_DOWN,
    ),
    Mutation(
        "a shell",
        "actors/database/server/postgres_binaries.py",
        '            [folder / "postgres", "--version"],\n',
        '            f"{folder}/postgres --version", shell=True,\n',
        (SECURITY + "test_the_source_starts_no_shell_and_evaluates_nothing",),
        NO_SHELL,
    ),
    Mutation(
        "eval",
        "actors/polymarket/fields.py",
        "    return TokenId(text)\n",
        "    return TokenId(eval(repr(text)))\n",
        (SECURITY + "test_the_source_starts_no_shell_and_evaluates_nothing",),
        NO_SHELL,
    ),
    Mutation(
        "a program that another module starts",
        "actors/app/look.py",
        "import math\nimport time\n",
        "import math\nimport subprocess\nimport time\n",
        (SECURITY + "test_the_source_starts_no_shell_and_evaluates_nothing",),
        NO_SHELL,
    ),
    Mutation(
        "a package without a hash",
        "requirements-dev.lock",
        "\npytest==",
        "\nunproven @ https://example.com/unproven.whl\npytest==",
        (INSTALL + "test_a_lock_holds_nothing_but_one_version_of_each_package_and_its_hashes",),
        HASHES,
    ),
    Mutation(
        "a package of any version",
        "requirements.lock",
        "\npydantic==",
        "\npydantic>=",
        (INSTALL + "test_a_lock_holds_nothing_but_one_version_of_each_package_and_its_hashes",),
        HASHES,
    ),
    Mutation(
        "a package that the tests have in another version",
        "requirements.lock",
        "\npydantic==",
        "\npydantic==9",
        (INSTALL + "test_all_locks_name_the_same_versions_with_hashes",),
        HASHES,
    ),
    Mutation(
        "tools on a server",
        "setup.cfg",
        "    pytest>=8.3\n",
        "    pytest>=8.3\n    rich>=13.9\n",
        (INSTALL + "test_a_server_installs_what_runs_and_no_tools",),
        HASHES,
    ),
    Mutation(
        "who holds a pin",
        "tests/architecture/pins.py",
        "            if not wish.specifier.contains(latest, prereleases=True)\n",
        "",
        (PINS + "test_each_kind_of_reason_is_told",),
        BEHIND,
    ),
    Mutation(
        "names of pins",
        "tests/architecture/pins.py",
        'if "==" in line and not line.startswith("-"))',
        'if "==" in line and line.startswith("a"))',
        (PINS + "test_both_lock_files_are_read_whole",),
        BEHIND,
    ),
    Mutation(
        "-I of the unit",
        "systemd/tracker.service",
        "python -I -u",
        "python -u",
        (INSTALL + "test_the_installed_program_runs_as_the_unit_runs_it",),
        ISOLATED,
    ),
)

MUTATIONS = (*OF_SOCKETS, *OF_PROCESS)
