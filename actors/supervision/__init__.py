"""SupervisorActor: children and restarts, the plan of connections, handovers."""
