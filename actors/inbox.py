"""The patient inbox: a mailbox whose owner is woken only for what cannot wait.

To wake a thread costs more than most messages take to handle. Who gathers until the
next `Flush` anyway need not be woken for what it gathers: that waits in the inbox, in
the order in which it was told, until something comes that is not patient, or until
much waits. Nothing waits longer than until the next message that is not patient.
"""

import queue
from collections import deque
from collections.abc import Set as AbstractSet
from typing import Any

from actors.messages import Message

MOST_PATIENT = 32
"""So many messages wake the owner though all of them could wait."""


class PatientInbox:
    """For one thread that empties it and any that fill it; what pykka asks of a queue.

    Args:
        patient: Kinds of messages for which the owner is not woken.
    """

    def __init__(self, patient: AbstractSet[type[Message]]) -> None:
        self._patient = patient
        self._waiting: deque[Any] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, envelope: Any) -> None:
        """Leave a message, and wake the owner if it is urgent."""
        self._waiting.append(envelope)
        urgent = type(envelope.message) not in self._patient
        # After the message is there: who wakes too early looks again, nobody sleeps too long.
        if (urgent or len(self._waiting) >= MOST_PATIENT) and self._bell.empty():
            self._bell.put(None)

    def get(self) -> Any:
        """Take the oldest message; wait for one that wakes when there is none."""
        while True:
            try:
                return self._waiting.popleft()
            except IndexError:
                self._bell.get()

    def get_nowait(self) -> Any:
        """Take the oldest message, patient or not.

        Raises:
            queue.Empty: There is none.
        """
        try:
            return self._waiting.popleft()
        except IndexError:
            raise queue.Empty from None

    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._waiting

    def qsize(self) -> int:
        """Give how many messages wait."""
        return len(self._waiting)
