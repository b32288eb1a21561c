"""Folders of signature images, read by the layouts that the known data sets come in."""

from sigvault.datasets.layouts import Dataset, Layout, Specimen, detect_layout, read_layout

__all__ = ["Dataset", "Layout", "Specimen", "detect_layout", "read_layout"]
