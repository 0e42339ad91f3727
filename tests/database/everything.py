"""A batch with something for every table."""

from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
)
from actors.model.storage import Batch, ConnectionEvent, RejectedRow
from actors.model.trade import Rejection
from tests.database.samples import DETAILS, NO, YES, market, ns, observation, resolution, trade

FACTS: tuple[Fact, ...] = (
    ProcessStarted(at_ns=ns(0), host="h", version="1"),
    TokensWanted(at_ns=ns(0), tokens=(YES, NO)),
    ListeningOpened(at_ns=ns(1), connection="a-0001", feed=0),
    TokensConfirmed(at_ns=ns(2), epoch=3, tokens=(YES,)),
    ListeningProven(proofs=((3, ns(9)),)),
    TokensReleased(until_ns=ns(9), epoch=3, tokens=(YES,), cause="released"),
    ProcessAlive(at_ns=ns(9)),
    TokensUnwanted(at_ns=ns(10), tokens=(NO,)),
    ListeningClosed(at_ns=ns(10), epoch=3, until_ns=ns(10), reason="reset"),
    ProcessStopped(at_ns=ns(11)),
)


def everything() -> Batch:
    """Return a batch with something for every table."""
    return Batch(
        trades=(trade(1), trade(2, token_id=NO)),
        rejections=(
            RejectedRow(
                seq=2,
                index=0,
                connection="c",
                rejection=Rejection(reason="r", payload=b"x", received_at_ns=ns(1)),
            ),
        ),
        facts=tuple((seq, fact) for seq, fact in enumerate(FACTS, 1)),
        events=(ConnectionEvent(at_ns=ns(1), connection="c", event="opened", reason=""),),
        markets=(market(details=DETAILS),),
        observations=(observation(),),
        resolutions=(resolution(),),
        watermark=20,
    )
