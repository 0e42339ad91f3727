"""Start the simulator, print its addresses, and stop it cleanly."""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from actors.simulator import ledger
from actors.simulator.admin import add_admin
from actors.simulator.options import BadOption, Options, parse
from actors.simulator.recorded import Unreadable
from actors.simulator.server import Server, serve
from actors.simulator.simulation import TURN_S, Simulation

EXIT_OK, EXIT_BROKEN, EXIT_IO, EXIT_CONFIG = 0, 70, 74, 78
PR_SET_PDEATHSIG = 1
CLEANUP_S = 1.5
BACKLOG = 4096
NO_HOST = "is no IPv4 address or name of this machine"


def main(argv: list[str] | None = None) -> int:
    """Run the simulator and return the exit code.

    0, 70 what is stored is not what was sent, 74 input and output, 78 options.
    """
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        if options.judge is not None:
            return _judge(options.directory / ledger.NAME, options.judge)
        if options.die_with_parent:
            _die_with_parent()
        return asyncio.run(_run(options))
    except (BadOption, Unreadable) as exc:
        return _fail(str(exc), EXIT_CONFIG)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            return _fail(f"{options.host}:{options.port} is in use", EXIT_IO)
        place = f"{exc.filename}: " if exc.filename else ""
        return _fail(f"{place}{exc.strerror or exc}", EXIT_IO)


def _listen(options: Options) -> socket.socket:
    """Return the listening socket.

    Raises:
        BadOption: The host is none of this machine.
        OSError: The port cannot be used.
    """
    try:
        found = socket.getaddrinfo(options.host, options.port, socket.AF_INET, socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError, ValueError) as exc:  # of a name that no host can have
        raise BadOption(f"argument --host: {options.host} {NO_HOST}") from exc
    try:
        return socket.create_server(found[0][4][:2], backlog=BACKLOG)
    except OSError as exc:
        if exc.errno == errno.EADDRNOTAVAIL:
            raise BadOption(f"argument --host: {options.host} {NO_HOST}") from exc
        place = f"{options.host}:{options.port}"
        raise OSError(exc.errno, os.strerror(exc.errno or 0), place) from exc


def _judge(sent: Path, database: str) -> int:
    """Compare a ledger with a database, print what was found as one JSON line."""
    # Here: serving needs no driver of the database.
    import psycopg  # noqa: PLC0415

    from actors.simulator.judge import judge  # noqa: PLC0415

    database = database or os.environ.get("TRACKER_DATABASE_URL", "")
    if not database:
        return _fail(
            "argument --judge: names no database, nor does TRACKER_DATABASE_URL", EXIT_CONFIG
        )
    if not sent.is_file():
        return _fail(f"{sent} is not there: --dir must be that of a simulator", EXIT_CONFIG)
    try:
        judgement = judge(sent, database)
    except psycopg.ProgrammingError as exc:
        # What libpq says of a malformed text may repeat a password in it.
        known = exc.diag.message_primary or "it is no URL of PostgreSQL, nor host=… user=…"
        return _fail(f"argument --judge: {known}", EXIT_CONFIG)
    except psycopg.Error as exc:
        return _fail(f"the database does not answer: {str(exc).splitlines()[0]}", EXIT_IO)
    _print_line(**judgement.as_dict())
    return EXIT_OK if judgement.clean else EXIT_BROKEN


def _fail(line: str, code: int) -> int:
    # What it repeats of the command line must not drive a terminal.
    shown = "".join(each if each.isprintable() else "?" for each in line)
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # it is full: the exit code says it alone
            sys.stderr.write(f"tracker-simulator: {shown}\n")
            sys.stderr.flush()
    return code


def _print_line(**fields: object) -> None:
    """Print one JSON line; go on without output when nobody reads it, or it is closed."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(msgspec.json.encode(fields) + b"\n")
        sys.stdout.buffer.flush()
    except OSError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(exc, BrokenPipeError):
            raise


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the thread that started it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


async def _run(options: Options) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # The port comes first: a run that cannot start must not be in the ledger.
    listening = _listen(options)
    try:
        simulation = Simulation(options)
    except BaseException:
        listening.close()
        raise
    server = Server(simulation)
    add_admin(server.app, simulation)
    runner = await serve(server.app, listening)
    place = f"{options.host}:{listening.getsockname()[1]}"
    _print_line(
        ready=True,
        ws_url=f"ws://{place}/ws/market",
        rtds_url=f"ws://{place}/ws/rtds",
        gamma_url=f"http://{place}/gamma",
        clob_url=f"http://{place}/clob",
        data_url=f"http://{place}/data",
        rpc_url=f"http://{place}/rpc",
        admin_url=f"http://{place}/admin",
        ledger=str(simulation.ledger.path),
        run=simulation.run,
        pid=os.getpid(),
    )
    try:
        await _turn_until_stopped(simulation, stop)
    finally:
        for one in tuple(simulation.channel.connections.values()):
            one.close(1001, "going away", by="server")
        simulation.exchange.flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(runner.cleanup(), CLEANUP_S)
        simulation.ledger.add("summary", **simulation.summary(), ts=simulation.wall())
        simulation.ledger.close()
    _print_line(**simulation.summary())
    return EXIT_OK


async def _turn_until_stopped(simulation: Simulation, stop: asyncio.Event) -> None:
    """Turn until a signal comes or the duration is over."""
    end = simulation.options.duration
    while not stop.is_set() and (end is None or simulation.elapsed < end):
        simulation.turn()
        await asyncio.sleep(TURN_S)
