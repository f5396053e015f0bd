"""One escaping function per sink: what partners write changes neither a terminal nor a page, and secrets stay."""
