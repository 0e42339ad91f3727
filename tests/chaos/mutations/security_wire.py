"""The mechanisms behind the promises of docs/explanation/security.md about connections."""

from tests.chaos.mutations.mutation import Mutation

FIGURES = "tests/architecture/test_figures.py::test_the_figures_of_the_page_are_those_in_force"
CONNECT = "tests/network/test_connect.py::"
ENVIRONMENT = "tests/network/test_environment.py::"
HANDSHAKE = "tests/transport/test_handshake.py::"
HOSTILE = "tests/transport/test_hostile_handshake.py::"
HTTP = "tests/polymarket/test_http.py::"
LIMITS = "tests/polymarket/test_http_limits.py::"
RULES = "tests/architecture/test_source_rules.py::"
SECURITY = "tests/architecture/test_security.py::"

TLS = "TLS is verified"
ONE_PLACE = "The feed, the HTTP sources and the nodes"
TLS_KEYS = "TLS keys are written nowhere"
PROXIES = "Proxies, logins"
REDIRECTS = "Redirects are not followed"
COOKIES = "No cookie is read"
DEADLINE = "A connection and all of an HTTP call"
STOP = "A stop ends an HTTP call"
ADDRESSES = "Addresses that never answer hide"
LOOKUPS = "Hanging lookups"
ANSWER = "The answer to the handshake"
CAPPED = "All that is read of an HTTP answer"
DAMAGED = "Damaged headers"
OWN_AUTHORITY = "`SSL_CERT_FILE`"
OF_OPENSSL = "`OPENSSL_CONF`"
OF_NAMES = "`RES_OPTIONS`"
NO_EFFECT = "`http_proxy` and its like"

OF_TLS = (
    Mutation(
        "TLS that verifies nothing, by assignment",
        "actors/network/connect.py",
        "    context.load_default_certs()\n",
        "    context.check_hostname = bool(0)\n    context.verify_mode = ssl.VerifyMode(0)\n",
        (RULES + "test_nothing_in_the_source_loosens_tls",),
        TLS,
    ),
    Mutation(
        "TLS that verifies no name, by another way",
        "actors/network/connect.py",
        "    context.load_default_certs()\n",
        "    context.load_default_certs()\n    setattr(context, 'check_hostname', False)\n",
        (RULES + "test_nothing_in_the_source_loosens_tls",),
        TLS,
    ),
    Mutation(
        "any authority",
        "actors/network/connect.py",
        "    verifies = tls.verify_mode is ssl.CERT_REQUIRED and tls.check_hostname\n",
        "    verifies = True\n",
        (CONNECT + "test_a_context_that_does_not_verify_is_the_callers_mistake",),
        TLS,
    ),
    Mutation(
        "TLS 1.1",
        "actors/network/connect.py",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_1\n",
        (ENVIRONMENT + "test_a_configuration_of_openssl_does_not_lower_what_is_asked_of_a_peer",),
        TLS,
    ),
    Mutation(
        "verify=False",
        "actors/polymarket/http.py",
        "            allow_redirects=False,\n",
        "            allow_redirects=False,\n            verify=False,\n",
        (RULES + "test_nothing_in_the_source_loosens_tls",),
        TLS,
    ),
    Mutation(
        "another name",
        "actors/network/tls.py",
        "self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)",
        "self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname='x.example')",
        (CONNECT + "test_a_certificate_for_another_name_is_rejected",),
        TLS,
    ),
    Mutation(
        "a source that connects by itself",
        "actors/polymarket/http.py",
        "        stream = Stream(self._dial(host, port, deadline=deadline, tls=tls))\n",
        "        stream = Stream(socket.create_connection((host, port), 5))\n",
        (SECURITY + "test_one_module_connects_to_the_world",),
        ONE_PLACE,
    ),
    Mutation(
        "TLS of a library",
        "actors/polymarket/http.py",
        "class _TlsConnection(_Ours, HTTPSConnection):\n    pass\n",
        "class _TlsConnection(HTTPSConnection):\n    pass\n",
        (ENVIRONMENT + "test_libraries_make_no_tls_settings_of_their_own",),
        ONE_PLACE,
    ),
    Mutation(
        "SSLKEYLOGFILE",
        "actors/network/connect.py",
        "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n",
        "    context = ssl.create_default_context()\n",
        (ENVIRONMENT + "test_keys_are_written_nowhere",),
        TLS_KEYS,
    ),
    Mutation(
        "authorities of a setting",
        "actors/network/connect.py",
        "    context.load_default_certs()\n",
        "    context.load_verify_locations('/etc/ssl/certs/ca-certificates.crt')\n",
        (
            ENVIRONMENT + "test_a_named_file_of_authorities_is_trusted",
            ENVIRONMENT + "test_a_named_directory_of_authorities_is_trusted",
        ),
        OWN_AUTHORITY,
    ),
    Mutation(
        "1.2 whatever OpenSSL is told",
        "actors/network/connect.py",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_1\n",
        (ENVIRONMENT + "test_a_configuration_of_openssl_does_not_lower_what_is_asked_of_a_peer",),
        OF_OPENSSL,
    ),
    Mutation(
        "a certificate of whoever answers there",
        "actors/network/tls.py",
        "self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)",
        "self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname='x.example')",
        (CONNECT + "test_a_certificate_for_another_name_is_rejected",),
        OF_NAMES,
    ),
    Mutation(
        "variables of other programs",
        "actors/polymarket/http.py",
        "        self._session.trust_env = False\n",
        "        self._session.trust_env = True\n",
        (ENVIRONMENT + "test_no_proxy_is_used_and_no_login_is_sent",),
        NO_EFFECT,
    ),
)

OF_ANSWERS = (
    Mutation(
        "proxies of the environment",
        "actors/polymarket/http.py",
        "        self._session.trust_env = False\n",
        "        self._session.trust_env = True\n",
        (
            ENVIRONMENT + "test_no_proxy_is_used_and_no_login_is_sent",
            HTTP + "test_proxies_and_cookies_are_not_taken_from_outside",
        ),
        PROXIES,
    ),
    Mutation(
        "redirects of a source",
        "actors/polymarket/http.py",
        '        for name in ("Set-Cookie", "Set-Cookie2", "Location"):\n',
        '        for name in ("Set-Cookie", "Set-Cookie2"):\n',
        (LIMITS + "test_the_body_of_a_redirect_is_unpacked_no_further_than_that_of_an_error",),
        REDIRECTS,
    ),
    Mutation(
        "cookies that are read",
        "actors/polymarket/http.py",
        "            del self.msg[name]\n",
        "            pass\n",
        (LIMITS + "test_cookies_are_neither_read_nor_kept",),
        COOKIES,
    ),
    Mutation(
        "cookies of the handshake",
        "actors/transport/handshake.py",
        '_NEEDED = ("upgrade", "connection", "sec-websocket-accept")',
        '_NEEDED = ("upgrade", "connection", "sec-websocket-accept", "set-cookie")',
        (
            HOSTILE + "test_cookies_are_not_read",
            HOSTILE + "test_nothing_of_an_answer_comes_with_the_next_handshake",
        ),
        COOKIES,
    ),
    Mutation(
        "the deadline of a lookup",
        "actors/network/connect.py",
        'return answers.get(timeout=deadline.step_s("dns"))',
        "return answers.get(timeout=60)",
        (
            CONNECT + "test_a_lookup_that_hangs_is_left_at_the_deadline",
            LIMITS + "test_a_lookup_that_hangs_is_left_at_the_deadline_of_the_call",
        ),
        DEADLINE,
    ),
    Mutation(
        "the deadline of TLS",
        "actors/network/connect.py",
        'secured.handshake(lambda: deadline.step_s("handshake_timeout"))',
        "secured.handshake(lambda: 60)",
        (CONNECT + "test_a_dripping_tls_handshake_is_cut_off_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of an address",
        "actors/network/connect.py",
        'return self._deadline.step_s("connect_timeout")',
        "return 60",
        (CONNECT + "test_an_address_that_never_answers_is_left_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of the handshake",
        "actors/transport/handshake.py",
        '            self._sock.settimeout(self._deadline.step_s("handshake_timeout"))\n',
        "            self._sock.settimeout(60)\n",
        (HANDSHAKE + "test_a_dripping_handshake_is_cut_off_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of a body",
        "actors/network/stream.py",
        'self._sock.settimeout(self._deadline.step_s("read_timeout"))',
        "self._sock.settimeout(60)",
        (HTTP + "test_a_peer_that_drips_is_cut_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of what is sent",
        "actors/network/stream.py",
        'self._sock.settimeout(self._deadline.step_s("write_timeout"))',
        "self._sock.settimeout(60)",
        (LIMITS + "test_a_peer_that_does_not_read_is_left_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "a wait that looks at the stop",
        "actors/network/connect.py",
        "return left if self._stop is None else min(left, _LOOK_S)",
        "return left",
        (
            CONNECT + "test_a_stop_ends_the_wait_for_an_address",
            CONNECT + "test_a_stop_ends_a_tls_handshake",
        ),
        STOP,
    ),
    Mutation(
        "nothing is asked after a stop",
        "actors/network/connect.py",
        "        if self._stop is not None and self._stop.is_set():\n",
        "        if False:\n",
        (LIMITS + "test_after_a_stop_nothing_is_asked",),
        STOP,
    ),
    Mutation(
        "addresses that are tried",
        "actors/network/connect.py",
        "MOST_ADDRESSES = 16\n",
        "MOST_ADDRESSES = 2\n",
        (CONNECT + "test_behind_a_dozen_that_never_answer_the_next_one_is_found",),
        ADDRESSES,
    ),
    Mutation(
        "families in turn",
        "actors/network/connect.py",
        "    return [info for row in zip_longest(*columns) for info in row if info is not None]\n",
        "    return [info for column in columns for info in column]\n",
        (CONNECT + "test_families_take_turns_and_keep_their_order",),
        ADDRESSES,
    ),
    Mutation(
        "lookups of one name",
        "actors/network/connect.py",
        "LOOKUPS_OF_A_NAME = 16\n",
        "LOOKUPS_OF_A_NAME = 1584\n",
        (FIGURES,),
        LOOKUPS,
    ),
    Mutation(
        "a name for itself",
        "actors/network/connect.py",
        "    lookups = _lookups(host)\n",
        '    lookups = _lookups("")\n',
        (CONNECT + "test_the_lookups_of_one_name_leave_threads_for_those_of_another",),
        LOOKUPS,
    ),
    Mutation(
        "sockets of the process",
        "actors/network/connect.py",
        "_MORE = threading.BoundedSemaphore(32)\n",
        "_MORE = threading.BoundedSemaphore(3168)\n",
        (FIGURES,),
        LOOKUPS,
    ),
    Mutation(
        "the cap of the headers of a handshake",
        "actors/transport/handshake.py",
        "            if len(head) >= HEAD_BYTES:\n",
        "            if len(head) >= 99 * HEAD_BYTES:\n",
        (
            HANDSHAKE + "test_an_endless_header_is_cut",
            HOSTILE + "test_headers_without_end_are_cut_and_take_no_memory",
        ),
        ANSWER,
    ),
    Mutation(
        "what is no status line",
        "actors/transport/handshake.py",
        "found = _STATUS_LINE.fullmatch(line)",
        "found = _STATUS_LINE.match(line)",
        (HOSTILE + "test_what_is_no_status_line_is_no_handshake",),
        ANSWER,
    ),
    Mutation(
        "a header line without a name",
        "actors/transport/handshake.py",
        '        if any(each[:1].isspace() or ":" not in each for each in rest if each):\n'
        '            raise FeedLost("handshake", "a header line without a name")\n',
        "",
        (HOSTILE + "test_an_answer_that_can_be_read_in_two_ways_is_no_handshake",),
        ANSWER,
    ),
    Mutation(
        "characters that end no line",
        "actors/transport/handshake.py",
        'self._read_head().decode("latin-1").split("\\n")',
        'self._read_head().decode("latin-1").splitlines()',
        (HOSTILE + "test_other_characters_than_line_feeds_end_no_header",),
        ANSWER,
    ),
    Mutation(
        "bytes of an exchange",
        "actors/network/stream.py",
        "        view = memoryview(buffer)[: self._left]\n",
        "        view = memoryview(buffer)\n",
        (
            "tests/network/test_stream.py::test_no_more_is_read_than_was_allowed",
            LIMITS + "test_what_has_no_end_is_cut_long_before_the_deadline_and_costs_little",
        ),
        CAPPED,
    ),
    Mutation(
        "headers of the next exchange",
        "actors/polymarket/http.py",
        "        if self.sock is not None:  # it has served another call\n"
        "            _link.get().begin(self.stream)\n",
        "",
        (LIMITS + "test_on_a_connection_that_is_used_again_headers_are_limited_as_before",),
        CAPPED,
    ),
    Mutation(
        "the cap of a body",
        "actors/polymarket/http.py",
        "            if len(body) > self._max_bytes:\n",
        "            if len(body) > 99 * self._max_bytes:\n",
        (HTTP + "test_a_bomb_is_measured_after_decompression",),
        CAPPED,
    ),
    Mutation(
        "pieces of a body",
        "actors/polymarket/http.py",
        "            if reads > MOST_READS + self._max_bytes // READ_BYTES:\n",
        "            if False:\n",
        (LIMITS + "test_a_body_in_countless_pieces_is_cut",),
        CAPPED,
    ),
    Mutation(
        "encodings that were not offered",
        "actors/polymarket/http.py",
        "        if encoding not in _ENCODINGS:\n",
        "        if False:\n",
        (LIMITS + "test_an_encoding_that_was_not_offered_is_no_answer",),
        CAPPED,
    ),
    Mutation(
        "the cap of an error page",
        "actors/transport/handshake.py",
        "        wanted = min(int(digits[:9]), _BODY_BYTES)\n",
        "        wanted = int(digits[:9])\n",
        (HANDSHAKE + "test_a_huge_error_page_is_cut_and_still_says_what_it_was",),
        CAPPED,
    ),
    Mutation(
        "damaged headers",
        "actors/polymarket/http.py",
        "        if self.msg.defects:  #",
        "        if False:  #",
        (LIMITS + "test_damaged_headers_are_no_answer_and_nothing_is_logged_with_the_path",),
        DAMAGED,
    ),
    Mutation(
        "what follows an answer",
        "actors/polymarket/http.py",
        "return super().is_connected and not self.stream.has_more",
        "return super().is_connected",
        (LIMITS + "test_what_follows_an_answer_is_not_taken_for_the_next_one",),
        DAMAGED,
    ),
)

MUTATIONS = (*OF_TLS, *OF_ANSWERS)
