"""Which markets there are and which are watched: CatalogActor and what it decides with."""
