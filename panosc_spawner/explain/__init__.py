"""Why somebody can, or cannot, open a proposal: each link of the chain, from the identity to the mount."""
