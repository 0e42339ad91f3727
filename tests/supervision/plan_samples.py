"""Markets and plans for the tests of plan, feed and canary."""

from actors.model.trade import ConditionId, TokenId
from actors.supervision.plan import Plan

Market = tuple[ConditionId, tuple[TokenId, ...]]


def market(number: int, tokens: int = 2) -> Market:
    return (
        ConditionId(f"0x{number:064x}"),
        tuple(TokenId(f"{number}{side}") for side in range(1, tokens + 1)),
    )


def markets(count: int, start: int = 0) -> list[Market]:
    return [market(number) for number in range(start, start + count)]


def conditions(wanted: list[Market]) -> list[ConditionId]:
    return [condition_id for condition_id, _ in wanted]


def planned(count: int, *, redundancy: int = 2, per_connection: int = 10) -> Plan:
    plan = Plan(redundancy=redundancy, per_connection=per_connection, seed=1)
    plan.add(markets(count))
    return plan


def layout(plan: Plan) -> dict[str, tuple[TokenId, ...]]:
    return {slot.id: plan.tokens_of(slot.id) for slot in plan.slots()}
