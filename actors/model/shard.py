"""The shard: the share of the universe that is this tracker's, when several share the work.

Rendezvous hashing: of all numbers the one whose digest with the market's id is
largest has the market. Nobody needs to know of anybody, and when a tracker is
added only the markets that become its own change hands.
"""

from hashlib import blake2b

import msgspec

from actors.model.trade import ConditionId


class Shard(msgspec.Struct, frozen=True):
    """Share `number` of `count`, from 1 on; share 1 of 1 is everything."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/3`.

        Raises:
            ValueError: It is none.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()) or not 1 <= int(number) <= int(count):
            raise ValueError(f"{text!r} is no share; the second of three is 2/3")
        return cls(int(number), int(count))

    def holds(self, condition_id: ConditionId) -> bool:
        """Say whether this market belongs to this share."""
        if self.count == 1:
            return True
        ours = _weight(condition_id, self.number)
        others = (n for n in range(1, self.count + 1) if n != self.number)
        return all(ours > _weight(condition_id, other) for other in others)


def _weight(condition_id: ConditionId, number: int) -> bytes:
    """Give what decides; ids that differ in the case of a digit are the same market."""
    return blake2b(f"{number}:{condition_id.lower()}".encode(), digest_size=8).digest()
