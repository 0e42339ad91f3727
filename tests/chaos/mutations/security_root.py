"""The mechanisms behind the promises of docs/explanation/security.md about root."""

from tests.chaos.mutations.mutation import Mutation

ATTACKS = "tests/database/test_embedded_attacks.py::"
BINARIES = "tests/database/test_postgres_binaries.py::"

OWNS = "That user owns the data"
LINKS_OF_USER = "Root changes the owner of nothing"
AS_USER = "Server programs run as that user"
COPY = "A copy of the programs"
DATA = "What that user writes in its data"
ELSEWHERE = "Root speaks only to a server"
BEFORE = "A folder of before"


MUTATIONS = (
    Mutation(
        "the folder is root's",
        "actors/files.py",
        "    os.fchown(directory, os.geteuid(), os.getegid())\n",
        "",
        (ATTACKS + "test_an_older_folder_is_taken_over_with_its_data",),
        BEFORE,
    ),
    Mutation(
        "access lists go",
        "actors/files.py",
        "                os.removexattr(directory, name)\n",
        "                pass\n",
        (ATTACKS + "test_no_access_list_outlives_the_takeover",),
        BEFORE,
    ),
    Mutation(
        "whose a file is",
        "actors/files.py",
        "    return state.st_uid in _trusted() and not state.st_mode & _OTHERS\n",
        "    return not state.st_mode & _OTHERS\n",
        (ATTACKS + "test_a_file_of_another_owner_is_rejected",),
        BEFORE,
    ),
    Mutation(
        "whose a folder may be",
        "actors/files.py",
        "        if state.st_uid not in owners:\n            _require_own(_shown(path), state)\n",
        "",
        (ATTACKS + "test_a_folder_of_a_third_user_is_rejected",),
        BEFORE,
    ),
    Mutation(
        "who may write above the folder",
        "actors/files.py",
        "    if state.st_mode & stat.S_IWOTH and not _is_sticky(state):\n",
        "    if False and not _is_sticky(state):\n",
        (ATTACKS + "test_a_folder_below_one_that_others_may_write_to_is_rejected",),
        BEFORE,
    ),
    Mutation(
        "the user owns what is its own alone",
        "actors/database/server/folder.py",
        "                files.take_over(self._fd, mode)\n",
        "                os.fchown(self._fd, self._user.uid, self._user.gid)\n",
        (
            ATTACKS + "test_the_databases_user_owns_its_data_and_the_folder_of_its_socket_alone",
            ATTACKS + "test_the_log_cannot_be_replaced_by_a_link_while_the_server_runs",
        ),
        OWNS,
    ),
    Mutation(
        "a lock that others may open",
        "actors/files.py",
        "return os.open(name, _CREATE, 0o600, dir_fd=directory)",
        "return os.open(name, _CREATE, 0o666, dir_fd=directory)",
        (ATTACKS + "test_a_lock_cannot_be_held_by_the_databases_user",),
        OWNS,
    ),
    Mutation(
        "links in place of folders",
        "actors/files.py",
        "    if stat.S_ISLNK(state.st_mode):\n        raise NotOurs(_link(where))\n"
        "    if not stat.S_ISDIR",
        "    if stat.S_ISLNK(state.st_mode):\n        return True\n    if not stat.S_ISDIR",
        (ATTACKS + "test_a_link_in_place_of_a_folder_leads_nowhere",),
        LINKS_OF_USER,
    ),
    Mutation(
        "a link in place of the whole folder",
        "actors/database/server/folder.py",
        "self._fd = files.open_directory(self.root, mode=mode, owners=self._owners)",
        "self._fd = os.open(self.root, os.O_RDONLY)",
        (ATTACKS + "test_a_link_in_place_of_the_whole_folder_leads_nowhere",),
        LINKS_OF_USER,
    ),
    Mutation(
        "O_NOFOLLOW of a file that is written to",
        "actors/files.py",
        "_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW |",
        "_APPEND = os.O_RDWR | os.O_APPEND |",
        (ATTACKS + "test_a_link_in_place_of_a_file_is_not_written_through",),
        LINKS_OF_USER,
    ),
    Mutation(
        "a second name of a file of root",
        "actors/files.py",
        "        if flags == _APPEND:\n            _require_one_name(directory, name, state)\n",
        "",
        (ATTACKS + "test_a_second_name_of_a_file_of_root_is_not_written_through",),
        LINKS_OF_USER,
    ),
    Mutation(
        "programs run as the user",
        "actors/database/server/postgres_binaries.py",
        "    if user:\n"
        '        found |= {"user": user.uid, "group": user.gid, "extra_groups": []}\n',
        "",
        (ATTACKS + "test_the_programs_are_run_as_the_databases_user_alone",),
        AS_USER,
    ),
    Mutation(
        "the version is asked as the user",
        "actors/database/server/embedded.py",
        "ours = postgres_binaries.major_version(self._binaries, user)",
        "ours = postgres_binaries.major_version(self._binaries, None)",
        (ATTACKS + "test_the_programs_are_run_as_the_databases_user_alone",),
        AS_USER,
    ),
    Mutation(
        "groups of root are left",
        "actors/database/server/postgres_binaries.py",
        ', "extra_groups": []}',
        "}",
        (ATTACKS + "test_the_programs_are_run_as_the_databases_user_alone",),
        AS_USER,
    ),
    Mutation(
        "no terminal of root",
        "actors/database/server/postgres_binaries.py",
        '        "start_new_session": True,\n',
        "",
        (ATTACKS + "test_the_programs_are_run_as_the_databases_user_alone",),
        AS_USER,
    ),
    Mutation(
        "the hash of a program",
        "actors/database/server/program_copy.py",
        "{hashlib.file_digest(file, 'sha256').hexdigest()}",
        "{os.fstat(file.fileno()).st_size}",
        (
            ATTACKS + "test_a_program_that_was_replaced_is_not_run",
            BINARIES + "test_a_program_of_the_same_length_and_time_is_copied_again",
        ),
        COPY,
    ),
    Mutation(
        "nothing was added",
        "actors/database/server/program_copy.py",
        "    if _found(sources, copy) != (installed := _installed(sources)):\n",
        "    installed = _installed(sources)\n"
        "    if not installed.items() <= _found(sources, copy).items():\n",
        (ATTACKS + "test_a_library_that_was_added_beside_the_programs_goes",),
        COPY,
    ),
    Mutation(
        "whose a program is",
        "actors/database/server/program_copy.py",
        "    return state.st_uid == os.geteuid() and not writable\n",
        "    return not writable\n",
        (ATTACKS + "test_programs_of_another_owner_are_copied_again",),
        COPY,
    ),
    Mutation(
        "who may write to a program",
        "actors/database/server/program_copy.py",
        "    return state.st_uid == os.geteuid() and not writable\n",
        "    return state.st_uid == os.geteuid()\n",
        (BINARIES + "test_a_copy_that_others_may_write_to_is_made_again",),
        COPY,
    ),
    Mutation(
        "O_NOFOLLOW of a file that is read",
        "actors/files.py",
        "_READ = os.O_RDONLY | os.O_NOFOLLOW |",
        "_READ = os.O_RDONLY |",
        (ATTACKS + "test_the_version_of_the_cluster_is_not_read_through_a_link",),
        DATA,
    ),
    Mutation(
        "a pipe that is read",
        "actors/files.py",
        "_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK |",
        "_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC |",
        (ATTACKS + "test_a_pipe_in_place_of_a_file_holds_nobody_up",),
        DATA,
    ),
    Mutation(
        "whose a process is",
        "actors/database/server/processes.py",
        "            if _users(pid) == {user}:\n",
        "            if _users(pid):\n",
        (ATTACKS + "test_a_process_of_another_user_is_never_signalled",),
        DATA,
    ),
    Mutation(
        "whose a server is",
        "actors/database/server/embedded.py",
        'peer = {"requirepeer": self._user.name} if self._user else {}',
        "peer: dict[str, str] = {}",
        (ATTACKS + "test_a_socket_that_leads_elsewhere_is_told_nothing",),
        ELSEWHERE,
    ),
)
