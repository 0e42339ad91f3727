"""The mechanisms behind the promises of docs/explanation/security.md about what comes in."""

from tests.chaos.mutations.mutation import Mutation

REACTOR = "tests/transport/test_reactor.py::"
CHANNEL = "tests/polymarket/test_channel.py::"
RECORDER = "tests/journal/test_recorder.py::"
EVENTS = "tests/polymarket/test_events.py::"
CHAIN_CLIENT = "tests/polymarket/test_chain_client.py::"
PUBLIC_NODES = "tests/resolution/test_public_nodes.py::"
EVIDENCE = "tests/resolution/test_evidence.py::"
FIGURES = "tests/architecture/test_figures.py::test_the_figures_of_the_page_are_those_in_force"
CAPS = "tests/polymarket/test_caps.py::"
SAMPLES = "tests/feed/test_samples.py::"
SKIMMER = "tests/transport/test_skimmer.py::"
FIELDS = "tests/polymarket/test_fields.py::"
UNIVERSE = "tests/catalog/test_universe.py::"
CHILDREN = "tests/supervision/test_children.py::"
MODEL = "tests/model/test_descriptors.py::"
PAGES = "tests/catalog/test_rest.py::"
REACTOR = "tests/transport/test_reactor.py::"

MESSAGES = "Messages are at most"
UNFINISHED = "Unfinished messages"
KEPT = "What is kept of a market"
LISTING = "A listing without end"
INVENTED = "Invented markets take neither"
PARSER = "Whatever the bytes, a parser"
BAD_EVENTS = "A frame of countless bad events"
FLOOD = "A flood of unknown events"
EXACT = "Ids are text, amounts are exact"
NODES = "Public nodes of the chain"
LIAR = "One source that lies"

OF_FEED = (
    Mutation(
        "the cap of a message",
        "actors/transport/frames.py",
        "return TOO_BIG if message_bytes > self._max_message_bytes else",
        "return TOO_BIG if message_bytes > 99 * self._max_message_bytes else",
        (SKIMMER + "test_a_length_above_the_cap_is_rejected_from_the_header_alone",),
        MESSAGES,
    ),
    Mutation(
        "fragments count together",
        "actors/transport/frames.py",
        'message_bytes = size + len(self._fragments or b"")',
        "message_bytes = size",
        (SKIMMER + "test_fragments_are_rejected_at_the_fragment_that_passes_the_cap",),
        MESSAGES,
    ),
    Mutation(
        "memory only for what has come",
        "actors/transport/frames.py",
        "        self._long = buffer[at:end]\n",
        "        self._long = buffer[at:end] + bytes(size)\n",
        (SKIMMER + "test_a_long_frame_takes_memory_only_as_it_arrives",),
        MESSAGES,
    ),
    Mutation(
        "one bound for what is unfinished",
        "actors/transport/reactor.py",
        "while self._unfinished > self._most_unfinished:",
        "while self._unfinished > 99 * self._most_unfinished:",
        (REACTOR + "test_what_is_not_whole_has_one_bound_for_all_connections",),
        UNFINISHED,
    ),
    Mutation(
        "256 MiB of what is unfinished",
        "actors/transport/reactor.py",
        "unfinished_bytes: int = 256 << 20",
        "unfinished_bytes: int = 256 << 30",
        (FIGURES,),
        UNFINISHED,
    ),
    Mutation(
        "the longest beginning ends",
        "actors/transport/reactor.py",
        "largest = max(self._connections.values(), key=lambda each: each.counted_bytes)",
        "largest = min(self._connections.values(), key=lambda each: each.counted_bytes)",
        (REACTOR + "test_what_is_not_whole_has_one_bound_for_all_connections",),
        UNFINISHED,
    ),
    Mutation(
        "reserved bits are no frame",
        "actors/transport/frames.py",
        '    if first & 0x70:\n        return "reserved_bits"\n',
        "",
        (SKIMMER + "test_any_stream_in_any_chunks_gives_what_the_rfc_says",),
        PARSER,
    ),
    Mutation(
        "depth is an error like any other",
        "actors/polymarket/events.py",
        "UNREADABLE: Final = (ValueError, RecursionError)",
        "UNREADABLE: Final = (ValueError,)",
        ("tests/polymarket/test_channel.py::test_no_bytes_raise_and_none_are_read_two_ways",),
        PARSER,
    ),
    Mutation(
        "what is no JSON is rejected",
        "actors/polymarket/strict_json.py",
        "    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:\n",
        "    except (UnicodeDecodeError, RecursionError) as exc:\n",
        ("tests/polymarket/test_gamma.py::test_no_bytes_raise_anything_else_or_are_final",),
        PARSER,
    ),
    Mutation(
        "the number of events of a frame",
        "actors/polymarket/channel.py",
        "_MOST_EVENTS: Final = 100_000",
        "_MOST_EVENTS: Final = 9_900_000",
        (CHANNEL + "test_a_frame_of_too_many_events_is_rejected_as_a_whole",),
        BAD_EVENTS,
    ),
    Mutation(
        "samples of one kind",
        "actors/feed/samples.py",
        "of_each: int = 20",
        "of_each: int = 1980",
        (FIGURES,),
        FLOOD,
    ),
    Mutation(
        "kinds that are told apart",
        "actors/feed/samples.py",
        "kinds: int = 16",
        "kinds: int = 1584",
        (FIGURES,),
        FLOOD,
    ),
    Mutation(
        "samples in bytes",
        "actors/feed/samples.py",
        "if count >= self._of_each or held + size > self._most_bytes:",
        "if count >= self._of_each:",
        (SAMPLES + "test_samples_are_bounded_in_bytes_and_a_long_one_is_kept_once_in_an_hour",),
        FLOOD,
    ),
    Mutation(
        "long samples once in an hour",
        "actors/feed/samples.py",
        "        if self._large - 1 <= large <= self._large:\n            return False\n",
        "",
        (SAMPLES + "test_samples_are_bounded_in_bytes_and_a_long_one_is_kept_once_in_an_hour",),
        FLOOD,
    ),
    Mutation(
        "what may be a trade has a bound",
        "actors/feed/samples.py",
        "if self._doubtful + size > self._most_doubtful:",
        "if size > self._most_doubtful:",
        (SAMPLES + "test_what_may_be_a_trade_is_kept_up_to_a_share_of_the_disk_an_hour",),
        FLOOD,
    ),
    Mutation(
        "a trade that is not kept is a gap",
        "actors/feed/ingest.py",
        "            withdrawn = self.doubts.take(",
        "            withdrawn = () if left_out else self.doubts.take(",
        (SAMPLES + "test_a_trade_that_is_not_kept_leaves_its_token_uncovered",),
        FLOOD,
    ),
    Mutation(
        "what may be a trade is no sample",
        "actors/feed/ingest.py",
        "            else samples.takes_doubtful(len(rejection.payload), received_at_ns)\n",
        "            else samples.takes(kind, len(rejection.payload), received_at_ns)\n",
        (SAMPLES + "test_what_may_be_a_trade_is_kept_whole_whatever_comes_with_it",),
        FLOOD,
    ),
    Mutation(
        "rejected events in a batch",
        "actors/writer/gather.py",
        "            self.rejected_size += size_in_trades(rejections)\n",
        "",
        ("tests/writer/test_actor.py::test_rejected_events_fill_a_batch_as_trades_do",),
        FLOOD,
    ),
    Mutation(
        "rejected events by their bytes",
        "actors/model/trade.py",
        "return sum([1 + len(each.payload) // TRADE_BYTES for each in rejections])",
        "return len(tuple(rejections))",
        (RECORDER + "test_rejected_events_count_for_the_bound_by_their_bytes",),
        FLOOD,
    ),
    Mutation(
        "digits of ASCII",
        "actors/polymarket/fields.py",
        '_token = re.compile(r"[0-9]{1,78}").fullmatch',
        '_token = re.compile(r"\\d{1,78}").fullmatch',
        (FIELDS + "test_a_token_is_ascii_digits",),
        EXACT,
    ),
    Mutation(
        "exact amounts",
        "actors/polymarket/fields.py",
        "    value = Decimal(text)\n    if not value:",
        "    value = Decimal(float(text))\n    if not value:",
        (FIELDS + "test_an_amount_is_never_rounded",),
        EXACT,
    ),
    Mutation(
        "times within bounds",
        "actors/polymarket/fields.py",
        "    if not _EARLIEST_MS <= value <= latest_ms:\n",
        "    if not _EARLIEST_MS <= value:\n",
        (EVENTS + "test_what_is_wrong_with_a_trade_is_named_and_the_trade_is_kept",),
        EXACT,
    ),
)

OF_SOURCES = (
    Mutation(
        "the length of a text",
        "actors/polymarket/strict_json.py",
        "MAX_TEXT_CHARS = 2_000",
        "MAX_TEXT_CHARS = 198_000",
        (FIGURES,),
        KEPT,
    ),
    Mutation(
        "the length of a description",
        "actors/polymarket/gamma_details.py",
        "MAX_DESCRIPTION: Final = 100_000",
        "MAX_DESCRIPTION: Final = 9_900_000",
        (CAPS + "test_a_text_without_end_is_cut_and_named",),
        KEPT,
    ),
    Mutation(
        "what is cut is named",
        "actors/polymarket/gamma_details.py",
        "    if len(found) > longest or (not found",
        "    if (not found",
        (
            CAPS + "test_a_text_without_end_is_cut_and_named",
            CAPS + "test_texts_of_an_event_without_end_are_cut_and_named",
        ),
        KEPT,
    ),
    Mutation(
        "the length of a name",
        "actors/polymarket/strict_json.py",
        "    return storable_text(text[:MAX_TEXT_CHARS])\n",
        "    return storable_text(text)\n",
        (
            CAPS + "test_names_of_outcomes_without_end_are_cut_alike_by_all_sources",
            CAPS + "test_what_the_feed_announces_is_cut_in_the_same_way",
        ),
        KEPT,
    ),
    Mutation(
        "the number of tags",
        "actors/polymarket/strict_json.py",
        "MAX_TAGS = 100\n",
        "MAX_TAGS = 9_900\n",
        (FIGURES,),
        KEPT,
    ),
    Mutation(
        "tags of an event",
        "actors/polymarket/client.py",
        "(told if len(told) <= strict_json.MAX_TAGS_BYTES else b'\"too many\"')",
        "told",
        (CAPS + "test_tags_of_an_event_are_not_copied_a_thousand_times",),
        KEPT,
    ),
    Mutation(
        "the bytes of tags of an event",
        "actors/polymarket/strict_json.py",
        "MAX_TAGS_BYTES = 20_000",
        "MAX_TAGS_BYTES = 1_980_000",
        (FIGURES,),
        KEPT,
    ),
    Mutation(
        "the length of a cursor",
        "actors/polymarket/client.py",
        "_Cursor = Annotated[str, msgspec.Meta(max_length=1024)] | None",
        "_Cursor = Annotated[str, msgspec.Meta(max_length=101_376)] | None",
        (
            FIGURES,
            "tests/polymarket/test_client.py::test_a_cursor_that_would_fill_the_memory_is_rejected",
        ),
        LISTING,
    ),
    Mutation(
        "markets that are watched",
        "actors/catalog/universe.py",
        "else self._most) - len(self._chosen)",
        "else 99 * self._most) - len(self._chosen)",
        (UNIVERSE + "test_a_listing_without_end_fills_a_bounded_number_of_places",),
        LISTING,
    ),
    Mutation(
        "600,000 of them",
        "actors/catalog/universe.py",
        "MOST_MARKETS = 600_000",
        "MOST_MARKETS = 59_400_000",
        (FIGURES,),
        LISTING,
    ),
    Mutation(
        "no more connections in the plan than can be open",
        "actors/model/connection.py",
        "return max(self.connections - HANDOVERS - 1, 1)",
        "return 99 * self.connections",
        (MODEL + "test_the_plan_has_no_more_connections_than_can_be_open_beside_the_others",),
        INVENTED,
    ),
    Mutation(
        "who was served before starts first",
        "actors/supervision/children.py",
        "    new = child.listened == 0\n",
        "    new = False\n",
        (CHILDREN + "test_one_that_was_served_starts_again_before_those_that_never_were",),
        INVENTED,
    ),
    Mutation(
        "the places of those that wait",
        "actors/supervision/children.py",
        "if left <= 0 or places - kept <= 0:",
        "if left <= 0 or places <= 0:",
        (CHILDREN + "test_new_connections_leave_the_places_of_those_that_wait_to_be_tried_again",),
        INVENTED,
    ),
    Mutation(
        "the rest after a page that took long",
        "actors/catalog/rest.py",
        "self._until = now + REST * worked_s",
        "self._until = now",
        (
            PAGES + "test_after_a_page_that_took_long_three_times_as_long_is_left_to_others",
            "tests/catalog/test_actor.py::test_after_a_page_that_took_long_others_work_first",
        ),
        INVENTED,
    ),
    Mutation(
        "an unfinished message is freed at once",
        "actors/transport/reactor.py",
        "        connection.skimmer.discard()\n",
        "",
        (REACTOR + "test_what_is_not_whole_has_one_bound_for_all_connections",),
        UNFINISHED,
    ),
    Mutation(
        "what is not chosen is forgotten",
        "actors/catalog/universe.py",
        "            if market.condition_id in self._chosen or market.condition_id "
        "in self._candidates\n",
        "",
        (UNIVERSE + "test_what_is_listed_and_not_chosen_is_not_remembered",),
        LISTING,
    ),
    Mutation(
        "pages of a listing",
        "actors/polymarket/pagination.py",
        "MAX_PAGES = 20_000",
        "MAX_PAGES = 1_980_000",
        (FIGURES,),
        LISTING,
    ),
    Mutation(
        "one request a second to public nodes",
        "actors/polymarket/contract/nodes.py",
        "return Pace(1, 1.0) if public",
        "return Pace(99, 1.0) if public",
        (CHAIN_CLIENT + "test_public_nodes_are_asked_once_a_second_in_all",),
        NODES,
    ),
    Mutation(
        "public nodes only where they decide",
        "actors/resolution/polling.py",
        "    if any(one.is_independent_of(other) for one, other in combinations(final, 2)):\n"
        "        return False\n",
        "",
        (PUBLIC_NODES + "test_the_chain_is_asked_where_one_more_answer_decides",),
        NODES,
    ),
    Mutation(
        "the word off",
        "actors/config/types.py",
        'return () if isinstance(value, str) and value.strip().lower() == "off" else _split(value)',
        "return _split(value)",
        ("tests/config/test_settings.py::test_the_chain_is_switched_off_by_a_word",),
        NODES,
    ),
    Mutation(
        "two sources for an outcome",
        "actors/resolution/quorum.py",
        "[pair for pair in combinations(statements, 2) if pair[0].is_independent_of(pair[1])]",
        "[(each, each) for each in statements]",
        (EVIDENCE + "test_one_source_that_lies_or_lags_never_causes_a_wrong_outcome",),
        LIAR,
    ),
)

MUTATIONS = (*OF_FEED, *OF_SOURCES)
