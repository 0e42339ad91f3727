"""A row: wanted messages that follow each other, as in a burst of prints.

In messages of one kind the marker stands equally far from the end, whatever their
lengths. So in a row it is not searched: it is looked for where it stood in the last one.
"""

from actors.transport.frames import PLAIN_TEXT


def take_row(
    buffer: bytearray, lo: int, end: int, *, sign: bytes, trail: int, short: int
) -> tuple[int, list[bytes]]:
    """Take the plain text frames from `lo` on whose messages end like the last wanted one.

    Args:
        buffer: What was read, up to `end`.
        lo: Where a frame begins.
        end: One past the last byte.
        sign: The marker.
        trail: It stood so many bytes before the end of its message.
        short: Messages up to so many bytes are not taken.

    Returns:
        Where the first frame begins that was not taken, and the messages.
    """
    messages: list[bytes] = []
    least, last = max(short, trail), end - 4
    while lo <= last and buffer[lo] == PLAIN_TEXT:
        size = buffer[lo + 1]
        at = lo + 2
        if size == 126:
            at = lo + 4
            size = buffer[lo + 2] << 8 | buffer[lo + 3]
        elif size > 126:  # a 64-bit length, or a masked frame
            break
        stop = at + size
        if stop > end or size <= least or not buffer.startswith(sign, stop - trail):
            break
        messages.append(bytes(buffer[at:stop]))
        lo = stop
    return lo, messages
