"""The pages, one file a subject: ask the vault once, lay the answer out."""
