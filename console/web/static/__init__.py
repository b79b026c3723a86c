"""The review pages' own style, keys and icon: what they load, and nothing from elsewhere."""
