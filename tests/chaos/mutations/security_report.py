"""The mechanisms behind the promises of docs/explanation/security.md about reports."""

from tests.chaos.mutations.mutation import Mutation

PAGE = "tests/dataset/test_report_page.py::"
ONLY_TEXT = PAGE + "test_what_strangers_wrote_is_only_text"
LIVE = "tests/live/test_report_live.py::"
OUTPUT = "tests/dataset/test_report_output.py::"

TEXT = "A report is a file in which a text"
READS = "A report is read in a transaction"

MUTATIONS = (
    Mutation(
        "texts of strangers in a report",
        "actors/dataset/report/text.py",
        "html.escape(short(text, width))",
        "short(text, width)",
        (ONLY_TEXT,),
        TEXT,
    ),
    Mutation(
        "texts of strangers in a plot",
        "actors/dataset/report/svg.py",
        "{html.escape(said)}</text>",
        "{said}</text>",
        (ONLY_TEXT,),
        TEXT,
    ),
    Mutation(
        "characters that hide in a report",
        "actors/dataset/report/text.py",
        "    for char in terminal_safe(text):\n",
        "    for char in text:\n",
        (ONLY_TEXT,),
        TEXT,
    ),
    Mutation(
        "the policy of a report",
        "actors/dataset/report/markup.py",
        "\"default-src 'none'; style-src",
        '"style-src',
        (
            PAGE + "test_a_page_loads_nothing_and_its_policy_says_so",
            LIVE + "test_the_policy_holds_off_what_would_get_into_the_page",
        ),
        TEXT,
    ),
    Mutation(
        "what a report is written over",
        "actors/dataset/report/output.py",
        "    if found != begins and not force:\n",
        "    if found and not found:\n",
        (OUTPUT + "test_what_is_no_report_is_left_unless_it_is_forced",),
        TEXT,
    ),
    Mutation(
        "a report only reads",
        "actors/dataset/report/snapshot.py",
        "            connection.read_only = True\n",
        "",
        ("tests/dataset/test_report_stored.py::test_the_role_of_a_reader_is_enough",),
        READS,
    ),
)
