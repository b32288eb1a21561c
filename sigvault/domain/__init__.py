"""What the words of sigvault mean: values, rules and ports, free of I/O and frameworks."""
