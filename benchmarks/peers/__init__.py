"""Other vector stores behind one small interface, for `beside_peers.py`: one file a store."""
