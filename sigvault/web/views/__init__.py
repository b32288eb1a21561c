"""What the pages lay out: the vault's answers as sentences, rows and places."""
