"""Since which record the medium may lack what the kernel still gives.

After a failed sync the kernel may have forgotten the bytes, and a later sync says yes
nevertheless, in a later process too. This process carries such records over to a new
segment; if it dies before that, a note in the directory has the next one do it. The
note is an empty file that bears the sequence in its name, made with one call. It need
not be durable: after a reboot what is read is what the medium has.
"""

import contextlib

from actors.journal.filesystem import Disk

SUSPECT = "suspect-"


class Suspicion:
    """The note. A disk that does not take it has failed twice, and no error is raised for it.

    Args:
        directory: Open directory to have it in.
    """

    def __init__(self, disk: Disk, directory: int) -> None:
        self._disk = disk
        self._directory = directory

    def note(self, seq: int) -> None:
        """Records from this sequence on are in doubt."""
        with contextlib.suppress(OSError):
            self._disk.close(self._disk.create(self._directory, f"{SUSPECT}{seq:020d}"))

    def since(self) -> int | None:
        """Give from which sequence on there is doubt; None: there is none.

        Raises:
            OSError: The directory cannot be read.
        """
        told = (name.removeprefix(SUSPECT) for name in self._names())
        return min((int(digits) for digits in told if digits.isdecimal()), default=None)

    def lift(self) -> None:
        """All of it is on the medium. A note that stays costs the next life some work."""
        with contextlib.suppress(OSError):
            for name in self._names():
                self._disk.unlink(self._directory, name)

    def _names(self) -> list[str]:
        return [name for name in self._disk.names(self._directory) if name.startswith(SUSPECT)]
