"""The explorer: pages and an HTTP API over a store, for people who look at predictions and correct labels."""
