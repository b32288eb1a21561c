"""The calls, a file for each subject; each parses, calls the vault once and answers."""
