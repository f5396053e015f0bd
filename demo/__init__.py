"""The demo catalogue: real pictures as three partners' feeds, and a shop server on loopback."""
