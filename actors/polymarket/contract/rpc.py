"""JSON-RPC as nodes of the chain speak it: requests, alone or in batches, and their answers."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from actors.errors import PayloadRejected
from actors.polymarket import strict_json

REVERTED, NOTHING = "call reverted", "nothing there"
"""Failures that are answers: the contract gives none; the node knows no such thing."""
_NULL = b"null"
# The code is 3 (geth) or -32015 (others); some nodes say it in words alone.
_REVERT = re.compile(rb'revert|invalid opcode|"code"\s*:\s*(?:3|-32015)\b', re.IGNORECASE)
_SHOWN_BYTES = 120


class RpcCall(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON-RPC request."""

    id: int
    params: tuple[object, ...]
    jsonrpc: str = "2.0"
    method: str


class Asked(NamedTuple):
    """A call that is asked of a contract: its address, and what it is called with."""

    to: str
    data: str

    @property
    def method(self) -> str:
        """Return its name in JSON-RPC."""
        return "eth_call"

    @property
    def params(self) -> tuple[object, ...]:
        """Return its parameters."""
        return {"to": self.to, "data": self.data}, "latest"


class Lookup(NamedTuple):
    """Something that a node is asked to find; `null` is an answer: it knows none."""

    method: str
    params: tuple[object, ...]


Call = Asked | Lookup


class Answered(NamedTuple):
    """What was answered: hexadecimal, or the JSON of an object, or why there is nothing."""

    result: str
    failure: str = ""


class _Reply(msgspec.Struct, frozen=True):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(_NULL)
    error: msgspec.Raw = msgspec.Raw(_NULL)


_replies = msgspec.json.Decoder(list[_Reply] | _Reply)
_text = msgspec.json.Decoder(str)


def request(calls: Sequence[Call]) -> bytes:
    """Return the body of a JSON-RPC batch, or of a single call: some nodes take no batches."""
    made = [
        RpcCall(id=number, method=each.method, params=each.params)
        for number, each in enumerate(calls)
    ]
    return msgspec.json.encode(made if len(made) != 1 else made[0])


def read_replies(raw: bytes, count: int, *, lookup: bool = False) -> tuple[Answered | None, ...]:
    """Return what was answered to each of `count` calls; None for one that was not carried out.

    A revert is an answer: the contract gives none about this condition. Any other error may be
    about the node, such as a limit.

    Args:
        raw: The body.
        count: How many calls were made.
        lookup: They were of `Lookup`: the answer is an object, or null.

    Raises:
        PayloadRejected: Not one of several calls was carried out, or this is no JSON-RPC.
    """
    # An error of a call comes with HTTP 200, as a member `error` in place of `result`. The order of
    # the replies is free (JSON-RPC 2.0, section 6), so they are sorted by id.
    found = strict_json.read(raw, _replies)
    replies = found if isinstance(found, list) else [found]
    by_id = {reply.id: reply for reply in replies}
    if count == 1 and len(replies) == 1:
        by_id = {0: replies[0]}  # an error may come without the id
    answered = _looked_up if lookup else _called
    answers = tuple(answered(by_id.get(number)) for number in range(count))
    if count > 1 and not any(answers):
        errors = [bytes(reply.error) for reply in replies if bytes(reply.error) != _NULL]
        told = errors[0][:_SHOWN_BYTES].decode(errors="replace") if errors else ""
        raise PayloadRejected(f"the node left calls unanswered {told}".rstrip())
    return answers


def _called(reply: _Reply | None) -> Answered | None:
    if reply is None:
        return None
    result = bytes(reply.result)
    if result != _NULL and (text := strict_json.read(result, _text)):
        return Answered(text)
    return Answered("", REVERTED) if _REVERT.search(bytes(reply.error)) else None


def _looked_up(reply: _Reply | None) -> Answered | None:
    if reply is None or bytes(reply.error) != _NULL:
        return None
    result = bytes(reply.result)
    return Answered("", NOTHING) if result == _NULL else Answered(result.decode(errors="replace"))
