"""What other actors ask the database, by way of the writer: which message is answered how."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.messages import (
    Message,
    RequestAuditData,
    RequestConflicts,
    RequestRechecks,
    RequestReview,
    RequestUnresolved,
)
from actors.writer.catchup import Store
from actors.writer.notify import WriterNotifier

AFTER_CATCHING_UP: Final[frozenset[type[Message]]] = frozenset({RequestReview, RequestAuditData})
"""Answered only while nothing has to be caught up with: what is in the journal alone would seem to
be missing."""
_Answer = Callable[[WriterNotifier, Store, Any], None]
ANSWERS: Final[Mapping[type[Message], _Answer]] = {
    RequestReview: lambda to, store, asked: to.send_review(store, asked.after),
    RequestUnresolved: lambda to, store, asked: to.send_unresolved(store, asked.after),
    RequestConflicts: lambda to, store, _: to.send_conflicts(store),
    RequestRechecks: lambda to, store, asked: to.send_rechecks(store, asked.window),
    RequestAuditData: lambda to, store, asked: to.send_audit_data(store, asked.question),
}
"""What is not answered now is asked again."""
