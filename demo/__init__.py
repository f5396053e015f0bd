"""The demo catalog: real images as three partners' feeds, and a shop server on loopback."""
