"""A model of the chain as a witness: what it says of the transactions of a model world."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from actors.model.trade import TokenId
from actors.polymarket.contract.receipts import Settlement, State, unknown
from tests.audit.quirky import World


@dataclass(frozen=True)
class ChainQuirks:
    """What the chain, or a node, gets wrong; transactions are named by the places of trades.

    Attributes:
        null: Receipts that nobody has.
        emptied: Receipts without logs.
        timeless: Blocks that nobody has.
        short: Sums of taker and makers differ, so that half is proven.
        ghosts_failed: Matches that are not settled stand there as failed; else there is nothing.
        skew_ms: By how much the block is dated apart from what the Data API says.
    """

    null: frozenset[int] = frozenset()
    emptied: frozenset[int] = frozenset()
    timeless: frozenset[int] = frozenset()
    short: frozenset[int] = frozenset()
    ghosts_failed: bool = False
    skew_ms: int = 0


def settlements(
    world: World, quirks: ChainQuirks, names: tuple[str, ...]
) -> tuple[Settlement, ...]:
    """Return what the chain says of transactions of this world."""
    return tuple(_settlement(world, quirks, name) for name in names)


def _settlement(world: World, quirks: ChainQuirks, name: str) -> Settlement:
    places = [at for at in range(len(world.trades)) if _settled_as(world, at) == name]
    trades = [world.trades[at] for at in places]
    if not places or quirks.null & set(places):
        return unknown(name, "no receipt")
    if trades[0].transaction in world.ghosts:
        if not quirks.ghosts_failed:
            return unknown(name, "no receipt")
        return Settlement(transaction=name, state=State.FAILED, block="0x1")
    if quirks.emptied & set(places):
        return unknown(name, "no trade in the logs")
    sums: dict[TokenId, Decimal] = {}
    for trade in trades:
        sums[trade.token] = sums.get(trade.token, Decimal(0)) + trade.size
    part = Decimal("0.5") if quirks.short & set(places) else Decimal(1)
    at_ms = min(trade.block_ms for trade in trades) + quirks.skew_ms
    return Settlement(
        transaction=name,
        state=State.SETTLED,
        shares=tuple((token, size * part, size) for token, size in sorted(sums.items())),
        block="0x1",
        at_ms=None if quirks.timeless & set(places) else at_ms,
    )


def _settled_as(world: World, place: int) -> str:
    name = world.trades[place].transaction
    return "0x" + "f" * 60 + name[-4:] if place in world.quirks.resent else name


_PLACES = st.frozensets(st.integers(0, 13), max_size=4)
_SOME = st.one_of(st.just(frozenset[int]()), _PLACES)
CHAIN_QUIRKS = st.builds(
    ChainQuirks,
    null=_SOME,
    emptied=_SOME,
    timeless=_SOME,
    short=_SOME,
    ghosts_failed=st.booleans(),
    skew_ms=st.sampled_from([0, 0, -1_000]),
)
