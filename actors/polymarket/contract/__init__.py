"""The contracts on the chain: slots of tokens, outcomes, and the nodes that are asked."""
