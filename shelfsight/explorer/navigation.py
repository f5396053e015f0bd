"""Navigation: the pages that every page links to, in order."""

NAVIGATION: tuple[tuple[str, str], ...] = (
    ("/", "Overview"),
    ("/catalog", "Catalog"),
    ("/deliveries", "Deliveries"),
    ("/downloads", "Downloads"),
)
