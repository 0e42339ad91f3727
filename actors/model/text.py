"""Text from outside that is stored."""


def storable_text(text: str) -> str:
    """Return a text that PostgreSQL can hold: NUL and lone surrogates become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Through UTF-16 two halves of a pair are joined to their character; only lone ones are
        # replaced.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
