"""The outcomes of markets: ResolutionActor, the quorum rule, which source is asked when."""
