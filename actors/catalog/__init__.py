"""Which markets there are and which of them are watched: CatalogActor and what decides for it."""
