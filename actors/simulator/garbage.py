"""What no subscriber should choke on: text that is not JSON, trades that cannot be, odd events."""

from actors.simulator.frame import frame

BAD_HASH = "0x" + "bad0" * 16
BAD_TEXT = frame(b'{"event_type":"last_trade_price","asset_id":"\xff\xfe"}')
"""A text frame that is not UTF-8; a strict reader has to end the connection."""

BAD_FRAME = b"\x83\x02??"
"""A frame with an opcode that RFC 6455 reserves."""


def garbage_pieces(token: str, condition: str, ts: int) -> tuple[bytes, ...]:
    """Return one text frame for each kind of rubbish, aimed at a real token.

    Each bad trade has exactly one thing wrong with it, and the transaction
    hash BAD_HASH, so that none can be taken for one of the ledger's.
    """
    good = {
        "market": f'"{condition}"',
        "asset_id": f'"{token}"',
        "price": '"0.5"',
        "size": '"1"',
        "side": '"BUY"',
        "fee_rate_bps": '"0"',
        "timestamp": f'"{ts}"',
        "transaction_hash": f'"{BAD_HASH}"',
        "event_type": '"last_trade_price"',
    }
    wrong: tuple[dict[str, str | None], ...] = (
        {"price": '"1.5"'},
        {"price": '"-0.1"'},
        {"price": '"NaN"'},
        {"price": "null"},
        {"price": "0.5"},
        {"price": '"1e-1"'},
        {"price": '"0"'},
        {"size": '"0"'},
        {"size": '"1e400"'},
        {"size": '"0.1234567890123456789"'},
        {"side": '"HOLD"'},
        {"asset_id": token},
        {"asset_id": '"not a number"'},
        {"market": '"0x12"'},
        {"timestamp": '"0"'},
        {"timestamp": '"99999999999999"'},
        {"timestamp": None},
        {"asset_id": None},
        {"transaction_hash": '"0xbad"'},
        {"transaction_hash": "7"},
    )
    trades = [_object({**good, **change}) for change in wrong]
    too_dear = _object({**good, "price": '"2"'})
    texts = [
        "<html>502 Bad Gateway</html>",
        '{"event_type":"last_trade_price","asset_id":',
        '{"event_type":"last_trade_price"}',
        "[]",
        "null",
        "[null,1,{}]",
        f'{{"event_type":"moon_phase","asset_id":"{token}","phase":"full"}}',
        "[" * 5000,
        f'[{too_dear},{{"event_type":"moon_phase"}}]',
        *trades,
    ]
    return tuple(frame(text.encode()) for text in texts)


def _object(fields: dict[str, str | None]) -> str:
    return "{" + ",".join(f'"{k}":{v}' for k, v in fields.items() if v is not None) + "}"
