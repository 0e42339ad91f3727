"""The world: one library to a room, no actors, no decisions."""
