"""The losses: a file each, chosen by name; `settings` has the names and their parameters."""
