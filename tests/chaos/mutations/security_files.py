"""The mechanisms behind the promises of docs/explanation/security.md about files."""

from tests.chaos.mutations.mutation import Mutation

FILES = "tests/files/test_files.py::"
PLACES = "tests/files/test_places.py::"
SECURITY = "tests/architecture/test_security.py::"

STATE = "The state directory and the journal belong"
ABOVE = "The directories that lead there"
LINKS = "Links may lead to the state directory"
PIPE = "A pipe in place of a file"
SECOND_NAME = "A file of the journal that has a second name"
SOCKET = "The status socket is made where"
RECORDING = "A recording is made"
OWN_USER = "What the tracker writes is readable"
ONE_MODULE = "One module opens files"


MUTATIONS = (
    Mutation(
        "who may write to the directory",
        "actors/files.py",
        "    if state.st_mode & _OTHERS:\n        raise NotOurs(_writable(where, state))\n",
        "",
        (
            PLACES + "test_a_directory_that_others_may_write_to_is_rejected",
            PLACES + "test_a_file_of_the_journal_that_others_may_write_to_is_rejected",
        ),
        STATE,
    ),
    Mutation(
        "a group may write to the directory",
        "actors/files.py",
        "_OTHERS = stat.S_IWGRP | stat.S_IWOTH",
        "_OTHERS = stat.S_IWOTH",
        (PLACES + "test_a_directory_that_others_may_write_to_is_rejected",),
        STATE,
    ),
    Mutation(
        "whose the directory is",
        "actors/files.py",
        "    if state.st_uid not in _trusted():\n"
        "        raise NotOurs(_foreign(where, state.st_uid, os.geteuid()))\n",
        "",
        (
            PLACES + "test_a_directory_of_somebody_else_is_rejected",
            PLACES + "test_a_segment_of_somebody_else_is_rejected",
        ),
        STATE,
    ),
    Mutation(
        "what is in the journal is looked at",
        "actors/journal/directory.py",
        "        self.disk.check(self.fd)\n",
        "",
        (PLACES + "test_the_journal_itself_looks_at_what_is_in_it",),
        STATE,
    ),
    Mutation(
        "everybody may write above",
        "actors/files.py",
        "    if state.st_mode & stat.S_IWOTH and not _is_sticky(state):\n",
        "    if False and not _is_sticky(state):\n",
        (PLACES + "test_a_directory_above_that_everybody_may_write_to_is_rejected",),
        ABOVE,
    ),
    Mutation(
        "somebody else owns what is above",
        "actors/files.py",
        '    """Check that others cannot replace what is in a directory, on the '
        'way to one of ours."""\n'
        "    if state.st_uid not in _trusted():\n",
        '    """Check that others cannot replace what is in a directory, on the '
        'way to one of ours."""\n'
        "    if False:\n",
        (PLACES + "test_a_directory_above_of_somebody_else_is_rejected",),
        ABOVE,
    ),
    Mutation(
        "a link of systemd is followed",
        "actors/app/places.py",
        "directory = files.open_directory(state_dir, mode=0o711, may_be_link=True)",
        "directory = files.open_directory(state_dir, mode=0o711)",
        (PLACES + "test_a_link_as_systemd_makes_it_is_followed",),
        LINKS,
    ),
    Mutation(
        "whose a link is",
        "actors/files.py",
        "    if state.st_uid not in _trusted():\n        raise NotOurs(\n"
        '            f"{_shown(step)} is a symbolic link of',
        '    if False:\n        raise NotOurs(\n            f"{_shown(step)} is a symbolic link of',
        (PLACES + "test_a_link_of_somebody_else_to_the_state_directory_is_rejected",),
        LINKS,
    ),
    Mutation(
        "no link at the last step",
        "actors/files.py",
        "        elif not left and not may_be_link:\n"
        "            raise NotOurs(_link(_shown(step)))\n",
        "",
        (PLACES + "test_a_link_in_place_of_the_journal_is_rejected",),
        LINKS,
    ),
    Mutation(
        "links in the journal",
        "actors/files.py",
        "                _require_file(directory, name, state)\n",
        "                pass\n",
        (PLACES + "test_a_link_that_was_added_to_the_journal_is_rejected",),
        LINKS,
    ),
    Mutation(
        "the probe is no link",
        "actors/files.py",
        "        with contextlib.suppress(FileNotFoundError):\n"
        "            os.unlink(_PROBE, dir_fd=directory)\n"
        "        try:\n            os.close(create(directory, _PROBE))\n",
        "        try:\n"
        "            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC\n"
        "            os.close(os.open(_PROBE, flags, dir_fd=directory))\n",
        (PLACES + "test_the_file_by_which_it_sees_whether_it_may_write_is_not_a_link",),
        LINKS,
    ),
    Mutation(
        "links in the folder of the database",
        "actors/files.py",
        "    if stat.S_ISLNK(state.st_mode):\n        raise NotOurs(_link(where))\n"
        "    if not stat.S_ISDIR",
        "    if stat.S_ISLNK(state.st_mode):\n        return True\n    if not stat.S_ISDIR",
        (PLACES + "test_a_link_in_the_folder_of_the_embedded_database_is_rejected",),
        LINKS,
    ),
    Mutation(
        "links of a demo",
        "actors/cli/demo_dir.py",
        "                os.close(files.open_directory(directory, mode=0o755))\n",
        "                directory.mkdir(mode=0o755, exist_ok=True)\n",
        (PLACES + "test_a_demo_does_not_write_through_a_link",),
        LINKS,
    ),
    Mutation(
        "a link in place of the ledger",
        "actors/simulator/ledger.py",
        " | os.O_CLOEXEC | os.O_NOFOLLOW",
        " | os.O_CLOEXEC",
        (PLACES + "test_the_ledger_of_a_simulator_is_no_link",),
        LINKS,
    ),
    Mutation(
        "a pipe in place of a segment",
        "actors/files.py",
        "_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK |",
        "_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC |",
        (FILES + "test_what_is_no_plain_file_is_neither_written_nor_read",),
        PIPE,
    ),
    Mutation(
        "a pipe that stands in the journal",
        "actors/files.py",
        "    if stat.S_ISREG(state.st_mode) and _is_own(state):\n",
        "    if _is_own(state):\n",
        (
            PLACES + "test_a_pipe_in_place_of_a_segment_is_rejected_at_once",
            FILES + "test_what_is_no_plain_file_is_neither_written_nor_read",
        ),
        PIPE,
    ),
    Mutation(
        "a copy of what has a second name",
        "actors/journal/directory.py",
        "            self._unsynced.add(kept[-1].first_seq)\n        return kept\n",
        "            pass\n        return kept\n",
        (PLACES + "test_a_second_name_of_a_file_keeps_what_it_had",),
        SECOND_NAME,
    ),
    Mutation(
        "where the status socket is",
        "actors/health/status_socket.py",
        "        files.require_guarded(path.parent)\n",
        "        pass\n",
        (
            PLACES + "test_a_socket_where_everybody_could_replace_it_is_rejected",
            PLACES + "test_a_socket_in_a_directory_of_somebody_else_is_rejected",
        ),
        SOCKET,
    ),
    Mutation(
        "a link in place of the status socket",
        "actors/health/status_socket.py",
        "        mode = path.lstat().st_mode\n",
        "        mode = path.stat().st_mode\n",
        (PLACES + "test_a_link_in_place_of_the_socket_is_left_alone",),
        SOCKET,
    ),
    Mutation(
        "where a recording is",
        "actors/app/recording.py",
        "directory = files.open_directory(folder, may_be_link=True)",
        "folder.mkdir(exist_ok=True)\n        directory = os.open(folder, os.O_RDONLY)",
        (
            PLACES + "test_a_recording_is_not_made_where_others_may_write",
            PLACES + "test_a_recording_is_not_made_below_a_directory_that_everybody_may_write_to",
            PLACES + "test_a_recording_is_not_made_through_a_link_of_somebody_else",
        ),
        RECORDING,
    ),
    Mutation(
        "the mode of a file",
        "actors/files.py",
        "return os.open(name, _CREATE, 0o600, dir_fd=directory)",
        "return os.open(name, _CREATE, 0o666, dir_fd=directory)",
        (
            SECURITY + "test_the_journal_is_for_its_user_alone",
            FILES + "test_what_is_made_is_closed_to_others_whatever_the_umask_is",
            PLACES + "test_a_recording_is_for_its_owner_only_where_a_link_of_ours_leads",
        ),
        OWN_USER,
    ),
    Mutation(
        "the mode of a directory",
        "actors/files.py",
        "    mode: int = 0o700,\n",
        "    mode: int = 0o777,\n",
        (
            SECURITY + "test_the_journal_is_for_its_user_alone",
            FILES + "test_what_is_made_is_closed_to_others_whatever_the_umask_is",
        ),
        OWN_USER,
    ),
    Mutation(
        "a file that another module writes",
        "actors/app/acknowledge.py",
        "def acknowledge(",
        "def _note() -> None:\n    open('/tmp/note', 'a').close()\n\n\ndef acknowledge(",
        (SECURITY + "test_files_are_written_by_one_module_alone",),
        ONE_MODULE,
    ),
    Mutation(
        "a file that another module writes by its path",
        "actors/config/manual.py",
        "def describe(",
        "def _note(path: Path) -> None:\n    path.write_text('x')\n\n\ndef describe(",
        (SECURITY + "test_files_are_written_by_one_module_alone",),
        ONE_MODULE,
    ),
)
