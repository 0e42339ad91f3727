"""The tracker of Polymarket: every trade and every true outcome, in a database.

Actors on plain threads, each with a mailbox, exchange immutable messages (`messages.py`).
Everything that must survive is written to the journal first.

    sockets → reactor → ConnectionActor → journal → WriterActor → PostgreSQL
              skims      decodes, numbers   disk      rows + watermark in one transaction
    CatalogActor        which markets there are        → supervisor, writer
    ResolutionActor     how they ended, with evidence  → writer
    AuditActor          whether a witness lists more → writer
    SupervisorActor     children, plan, health         ← Tick, reports

`feed`, `catalog`, `resolution`, `writer`, `supervision` and `audit` hold the actors (`actor.py`)
and what decides for them. `polymarket`, `transport`, `journal`, `database`, `health`, `config` and
`process` touch the world. `model` has the values that all share, `app` builds everything, `cli`
has the programs, `simulator` the exchange for tests. docs/architecture.md has the whole map.
"""

__version__ = "0.1.0"
