"""Whether the next process would find the journal.

Its directory and the file that is appended to are held open, so that both can still be used when
somebody has deleted them, moved them away, or put others in their place. But with the process ends
whatever has no name.
"""

from actors.journal.appender import Appender
from actors.journal.directory import JournalDirectory
from actors.journal.filesystem import Place

_WHERE = {
    Place.DELETED: "was deleted",
    Place.MOVED: "was moved away",
    Place.REPLACED: "is another directory now",
}


def lost_names(directory: JournalDirectory, appender: Appender) -> str:
    """Return why the next process would not find the journal whole, or an empty text.

    From any thread, and without a lock while the disk is asked.
    """
    disk, path = directory.disk, directory.path
    try:
        place = disk.place(directory.fd, path)
        if place is not Place.THERE:
            return f"{path} {_WHERE[place]}"
        known = tuple(directory.segments)
        names = set(disk.names(directory.fd))
    except OSError as exc:
        return f"{path} cannot be looked at: {exc.strerror or exc}"
    # Whoever deletes one that is committed takes it from the list before.
    lost = [each.name for each in known if each.name not in names and each in directory.segments]
    if not lost and not appender.has_name():
        lost = [known[-1].name]
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return f"{path / lost[0]}{more} was deleted or replaced" if lost else ""
