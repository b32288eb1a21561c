"""Untrusted bytes to ink on a fixed canvas: the one preprocessing path of training and serving."""
