"""The dirty world as a table: feeds, images and redeliveries as partners really send them, and what becomes of each."""
