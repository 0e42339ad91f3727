"""What a transaction settled: the receipt of the chain, read for the exchanges' logs.

An exchange writes, for each match, one `OrderFilled` for each maker's order, one for the taker's,
and then `OrdersMatched` with the taker's total. Counted is the taker alone: his order is what the
feed reports as a trade. Where makers buy the other token of the market the match mints both, and
where they sell it merges them; the makers' shares add up to the taker's all the same. Where the two
sums differ, the smaller one is proven and no more: a build of V2 wrote the taker's payment in place
of his shares, and what is left over of a sale is given back without being written.

Sources: Polymarket/ctf-exchange for V1; for V2 the source as of 2026-03 (a copy of
Polymarket/ctf-exchange-v2), Polymarket/polymarket-v2-external for the exchange of positions, and
logs of 2026 that others decoded. docs/explanation/audit.md says how sure each is. Logs of other
contracts, and whatever is not understood, prove nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from actors.errors import PayloadRejected
from actors.model.trade import TokenId
from actors.polymarket import strict_json
from actors.polymarket.contract.rpc import Answered, Lookup
from actors.polymarket.contract.slots import keccak256

FIRST, SECOND = 1, 2
"""The two forms of logs."""
EXCHANGES: Final = {
    "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e": FIRST,
    "0xc5d563a36ae78145c45a50134d48a1215220f80a": FIRST,  # neg-risk markets
    "0xe111180000d2663c0091e4f400237545b87b996b": SECOND,  # since 2026-04
    "0xe2222d279d744050d28e00520010520000310f59": SECOND,  # neg-risk markets
    "0xe3333700ca9d93003f00f0f71f8515005f6c00aa": SECOND,  # positions of protocol V2
}
"""Addresses of the exchanges on Polygon, in lower case, and the form of their logs."""
_FILLED_DATA = {FIRST: "uint256,uint256,uint256,uint256,uint256",
                SECOND: "uint8,uint256,uint256,uint256,uint256,bytes32,bytes32"}  # fmt: skip
_MATCHED_DATA = {FIRST: "uint256,uint256,uint256,uint256",
                 SECOND: "uint8,uint256,uint256,uint256"}  # fmt: skip


def _topic(signature: str) -> str:
    return f"0x{keccak256(signature.encode()).hex()}"


FILLED: Final = {
    form: _topic(f"OrderFilled(bytes32,address,address,{data})")
    for form, data in _FILLED_DATA.items()
}
MATCHED: Final = {
    form: _topic(f"OrdersMatched(bytes32,address,{data})") for form, data in _MATCHED_DATA.items()
}
_TOPICS: Final = frozenset([*FILLED.values(), *MATCHED.values()])
_UNIT: Final = Decimal(1_000_000)
"""Of shares and of collateral alike."""
MOST_SHARES: Final = 10**18
_WORDS = re.compile(r"0x(?:[0-9a-f]{64})*")
_TOPIC_WORD = re.compile(r"0x[0-9a-f]{64}")
_NUMBER = re.compile(r"0x[0-9a-f]{1,16}")
LONGEST_LOGS: Final = 5_000


class State(StrEnum):
    """What a receipt says of a transaction."""

    SETTLED = "settled"
    FAILED = "failed"
    """It stands on the chain and changed nothing."""
    UNKNOWN = "unknown"


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction settled, as a node says.

    Attributes:
        why: Why it is unknown; empty when it is not.
        shares: (token, least, most) of what takers bought or sold: at least this much is proven,
            and no more than that can be.
        block: Number of its block, in hexadecimal.
        at_ms: The time of its block; None while that is not known.
    """

    transaction: str
    state: State
    why: str = ""
    shares: tuple[tuple[TokenId, Decimal, Decimal], ...] = ()
    block: str = ""
    at_ms: int | None = None


class _Log(msgspec.Struct, frozen=True, rename="camel"):
    address: str
    topics: list[str]
    data: str
    log_index: str
    transaction_hash: str | None = None
    block_timestamp: str | None = None
    removed: bool = False


class _Receipt(msgspec.Struct, frozen=True, rename="camel"):
    transaction_hash: str
    status: str | None = None
    block_number: str | None = None
    logs: list[_Log] | None = None


class _Block(msgspec.Struct, frozen=True):
    number: str
    timestamp: str


_receipt = msgspec.json.Decoder(_Receipt)
_block = msgspec.json.Decoder(_Block)


# ------------------------------------------------------------------- requests


def receipt_call(transaction: str) -> Lookup:
    """Return the call that asks for a receipt."""
    return Lookup("eth_getTransactionReceipt", (transaction,))


def block_call(block: str) -> Lookup:
    """Return the call that asks for the time of a block."""
    return Lookup("eth_getBlockByNumber", (block, False))


# -------------------------------------------------------------------- answers


class _Doubt(Exception):
    """Why a receipt proves nothing."""


def unknown(transaction: str, why: str) -> Settlement:
    """Return that nothing is known of a transaction."""
    return Settlement(transaction=transaction, state=State.UNKNOWN, why=why)


def read_receipt(transaction: str, answer: Answered | None) -> Settlement:
    """Return what a receipt says. Never raises: what cannot be read is unknown.

    Args:
        transaction: That was asked for, in lower case.
        answer: None: the call was not carried out.
    """
    if answer is None:
        return unknown(transaction, "not answered")
    if answer.failure:
        return unknown(transaction, "no receipt")  # not there, not yet, or no longer
    try:
        receipt = strict_json.read(answer.result.encode(), _receipt)
        return _settlement(transaction, receipt)
    except PayloadRejected:
        return unknown(transaction, "receipt unreadable")
    except _Doubt as doubt:
        return unknown(transaction, str(doubt))


def _settlement(transaction: str, receipt: _Receipt) -> Settlement:
    logs = receipt.logs
    block = (receipt.block_number or "").lower()
    if receipt.transaction_hash.lower() != transaction:
        raise _Doubt("another receipt")
    if not _NUMBER.fullmatch(block):
        raise _Doubt("not in a block")
    if logs is None or len(logs) > LONGEST_LOGS:
        raise _Doubt("receipt unreadable")
    if receipt.status == "0x0" and not logs:
        return Settlement(transaction=transaction, state=State.FAILED, block=block)
    if receipt.status != "0x1":
        raise _Doubt("status unknown")
    for log in logs:
        if log.removed or (log.transaction_hash or transaction).lower() != transaction:
            raise _Doubt("logs of another transaction")
    if len({each.log_index for each in logs}) < len(logs):
        raise _Doubt("logs unreadable")  # one that is told twice would count twice
    shares = _shares(logs)
    times = {each.block_timestamp for each in logs}
    at = next(iter(times)) if len(times) == 1 else None
    return Settlement(
        transaction=transaction,
        state=State.SETTLED,
        shares=shares,
        block=block,
        at_ms=None if at is None else _milliseconds(at),
    )


class _Filled(NamedTuple):
    """One order in a log: its token, and how many millionths of a share changed hands."""

    token: int
    shares: int


def _shares(logs: Iterable[_Log]) -> tuple[tuple[TokenId, Decimal, Decimal], ...]:
    """Return what takers bought or sold, by token.

    Raises:
        _Doubt: There is no match, or something that may be one and is not understood.
    """
    least, most = Counter[int](), Counter[int]()
    # Millionths of makers since the last match, of each exchange.
    makers = Counter[str]()
    for log in logs:
        topic = log.topics[0].lower() if log.topics else ""
        if topic not in _TOPICS:
            continue
        address = log.address.lower()
        form = EXCHANGES.get(address)
        if form is None:
            raise _Doubt("another contract")
        if topic == FILLED[form]:
            filled = _read(log, form, topics=4, words=5 if form == FIRST else 7)
            # The order of a taker has the exchange as its other side.
            if log.topics[3].lower()[-40:] != address[2:]:
                makers[address] += filled.shares
        elif topic == MATCHED[form]:
            taker = _read(log, form, topics=3, words=4)
            both = taker.shares, makers.pop(address, 0)
            least[taker.token] += min(both)
            most[taker.token] += max(both)
        else:
            raise _Doubt("logs unreadable")
    if makers or not most:
        # Also what a node says that leaves out logs.
        raise _Doubt("fills without a match" if makers else "no trade in the logs")
    return tuple(
        (TokenId(str(token)), Decimal(least[token]) / _UNIT, Decimal(most[token]) / _UNIT)
        for token in sorted(most)
    )


def _read(log: _Log, form: int, *, topics: int, words: int) -> _Filled:
    """Return the order in a log: the side that is no collateral is its token."""
    data = log.data.lower()
    if (
        len(log.topics) != topics
        or len(data) != 2 + 64 * words
        or not _WORDS.fullmatch(data)
        or not all(_TOPIC_WORD.fullmatch(each.lower()) for each in log.topics)
    ):
        raise _Doubt("logs unreadable")
    first, second, made, taken = (int(data[2 + 64 * n : 66 + 64 * n], 16) for n in range(4))
    if form == FIRST:  # what the order gives and what it takes; 0 is collateral
        buys, token = first == 0, second if first == 0 else first
        clear = 0 in (first, second)
    else:  # its side, 0: it buys; its token
        buys, token = first == 0, second
        clear = first in (0, 1)
    shares = taken if buys else made
    if not clear or token == 0 or not 0 < shares < MOST_SHARES:
        raise _Doubt("logs unreadable")
    return _Filled(token, shares)


def blocks_of(settlements: Iterable[Settlement]) -> Sequence[str]:
    """Return the blocks whose time is still to be asked for."""
    lacking = (s.block for s in settlements if s.state is State.SETTLED and s.at_ms is None)
    return list(dict.fromkeys(lacking))


def read_block(block: str, answer: Answered | None) -> int | None:
    """Return the time of a block; None when it cannot be read."""
    if answer is None or answer.failure:
        return None
    try:
        found = strict_json.read(answer.result.encode(), _block)
    except PayloadRejected:
        return None
    return _milliseconds(found.timestamp) if found.number.lower() == block else None


def _milliseconds(timestamp: str) -> int | None:
    text = timestamp.lower()
    return int(text, 16) * 1_000 if _NUMBER.fullmatch(text) else None
