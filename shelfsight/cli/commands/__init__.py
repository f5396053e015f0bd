"""The options of each command; a command's logic loads when it runs, so that none waits for what it does not use."""
