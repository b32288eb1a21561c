"""The command line: each command parses, calls one method of the vault, and prints."""
