"""Outcomes of markets: ResolutionActor, the quorum rule, who is asked when."""
