"""The mechanisms behind the promises of docs/explanation/security.md about connections."""

from tests.chaos.mutations.mutation import Mutation

RULES = "tests/architecture/test_source_rules.py::"
CONNECT = "tests/transport/test_connect.py::"
HANDSHAKE = "tests/transport/test_handshake.py::"
HTTP = "tests/polymarket/test_http.py::"

TLS = "TLS is verified"
TLS_KEYS = "TLS keys are written nowhere"
ENVIRONMENT = "Proxies, cookies"
DEADLINE = "Every step of a connection"
BODIES = "REST bodies are capped"

OF_TLS = (
    Mutation(
        "TLS that verifies nothing, by assignment",
        "actors/transport/handshake.py",
        "    context.load_default_certs()\n",
        "    context.check_hostname = bool(0)\n    context.verify_mode = ssl.VerifyMode(0)\n",
        (
            RULES + "test_nothing_in_the_source_loosens_tls",
            CONNECT + "test_an_unknown_authority_is_rejected",
        ),
        TLS,
    ),
    Mutation(
        "TLS that verifies no name, by another way",
        "actors/transport/handshake.py",
        "    context.load_default_certs()\n",
        "    context.load_default_certs()\n    setattr(context, 'check_hostname', False)\n",
        (RULES + "test_nothing_in_the_source_loosens_tls",),
        TLS,
    ),
    Mutation(
        "TLS 1.1",
        "actors/transport/handshake.py",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_1\n",
        (RULES + "test_nothing_in_the_source_loosens_tls",),
        TLS,
    ),
    Mutation(
        "verify=False",
        "actors/polymarket/http.py",
        "            allow_redirects=False,\n",
        "            allow_redirects=False,\n            verify=False,\n",
        (
            RULES + "test_nothing_in_the_source_loosens_tls",
            HTTP + "test_a_certificate_of_an_unknown_authority_is_rejected",
        ),
        TLS,
    ),
    Mutation(
        "another name",
        "actors/transport/tls.py",
        "self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)",
        "self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname='x.example')",
        (CONNECT + "test_a_certificate_for_another_name_is_rejected",),
        TLS,
    ),
    Mutation(
        "a context that does not verify",
        "actors/transport/handshake.py",
        "    if tls is not None and not _is_safe(tls):\n",
        "    if False:\n",
        (CONNECT + "test_a_context_that_does_not_verify_is_the_callers_mistake",),
        TLS,
    ),
    Mutation(
        "SSLKEYLOGFILE",
        "actors/transport/handshake.py",
        "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n",
        "    context = ssl.create_default_context()\n",
        (CONNECT + "test_the_settings_of_all_connections_verify_and_leave_no_keys_behind",),
        TLS_KEYS,
    ),
)

OF_HTTP = (
    Mutation(
        "proxies of the environment",
        "actors/polymarket/http.py",
        "        self._session.trust_env = False\n",
        "        self._session.trust_env = True\n",
        (HTTP + "test_proxies_and_cookies_are_not_taken_from_outside",),
        ENVIRONMENT,
    ),
    Mutation(
        "cookies that are kept",
        "actors/polymarket/http.py",
        "        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))\n",
        "",
        (HTTP + "test_proxies_and_cookies_are_not_taken_from_outside",),
        ENVIRONMENT,
    ),
    Mutation(
        "redirects of a source",
        "actors/polymarket/http.py",
        "            allow_redirects=False,\n",
        "            allow_redirects=True,\n",
        (HTTP + "test_a_redirect_is_not_followed",),
        ENVIRONMENT,
    ),
    Mutation(
        "redirects of the feed",
        "actors/transport/handshake.py",
        "        redirect_limit=0,\n",
        "        redirect_limit=3,\n",
        (HANDSHAKE + "test_a_redirect_is_not_followed",),
        ENVIRONMENT,
    ),
    Mutation(
        "the deadline of a lookup",
        "actors/transport/handshake.py",
        'answer = answers.get(timeout=deadline.left_s("dns"))',
        "answer = answers.get(timeout=60)",
        (CONNECT + "test_a_lookup_that_hangs_is_left_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of an address",
        "actors/transport/handshake.py",
        "        sock.settimeout(timeout_s)\n",
        "        sock.settimeout(60)\n",
        (CONNECT + "test_an_address_that_never_answers_is_left_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of TLS",
        "actors/transport/handshake.py",
        'secured.handshake(lambda: deadline.left_s("handshake_timeout"))',
        "secured.handshake(lambda: 60)",
        (CONNECT + "test_a_dripping_tls_handshake_is_cut_off_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of the handshake",
        "actors/transport/handshake.py",
        '            self._sock.settimeout(self._deadline.left_s("handshake_timeout"))\n'
        "            try:\n",
        "            self._sock.settimeout(60)\n            try:\n",
        (HANDSHAKE + "test_a_dripping_handshake_is_cut_off_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the deadline of a body",
        "actors/polymarket/http.py",
        "            if time.monotonic() >= self._ends_at:\n",
        "            if False:\n",
        (HTTP + "test_a_peer_that_drips_is_cut_at_the_deadline",),
        DEADLINE,
    ),
    Mutation(
        "the cap of a body",
        "actors/polymarket/http.py",
        "            if len(body) > self._max_bytes:\n",
        "            if len(body) > 99 * self._max_bytes:\n",
        (HTTP + "test_a_bomb_is_measured_after_decompression",),
        BODIES,
    ),
    Mutation(
        "the cap of the headers of a handshake",
        "actors/transport/handshake.py",
        "        if len(into) >= bound:\n",
        "        if False:\n",
        (HANDSHAKE + "test_an_endless_header_is_cut",),
        BODIES,
    ),
    Mutation(
        "the cap of an error page",
        "actors/transport/handshake.py",
        "            into, bound = self._body, _BODY_BYTES\n",
        "            into, bound = self._body, 99 * _BODY_BYTES\n",
        (HANDSHAKE + "test_a_huge_error_page_is_cut_and_still_says_what_it_was",),
        BODIES,
    ),
)

MUTATIONS = (*OF_TLS, *OF_HTTP)
