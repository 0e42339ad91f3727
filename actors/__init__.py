"""The tracker of Polymarket: every trade printed, every true outcome, in a database.

Actors on plain threads, each with a mailbox; immutable messages are all that
passes between them. Everything that must survive goes into the journal first.

    sockets → reactor → ConnectionActor → journal → WriterActor → PostgreSQL
              skims      decodes, numbers   disk      rows + mark in one transaction
    CatalogActor        which markets there are        → supervisor, writer
    ResolutionActor     how they ended, with evidence  → writer
    SupervisorActor     children, plan, health         ← Tick, reports

Where to look: `app` builds everything; `messages` lists all that is said; `logic`
decides; `edge` touches the world. docs/architecture.md has the whole map.
"""

__version__ = "0.1.0"
