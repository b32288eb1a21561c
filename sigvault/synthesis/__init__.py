"""Synthetic signers: kinematics, ink, scan.

A generator of synthetic handwritten signatures on the sigma-lognormal model of movement; see
``docs/synthesis.md`` for what it models and what it doesn't.
"""

from __future__ import annotations

from sigvault.domain.population import Population
from sigvault.synthesis.folder import DatasetSummary, write_dataset
from sigvault.synthesis.forger import ForgerLevel, forger_level, write_forged
from sigvault.synthesis.rendering import render, render_forged, render_genuine
from sigvault.synthesis.scans import Scan, draw_scan
from sigvault.synthesis.scripts import Script
from sigvault.synthesis.settings import SynthesisSettings
from sigvault.synthesis.signer import SyntheticSigner, generate_signer
from sigvault.synthesis.specimen import Writing, write_genuine

__all__ = [
    "DatasetSummary",
    "ForgerLevel",
    "Population",
    "Scan",
    "Script",
    "SynthesisSettings",
    "SyntheticSigner",
    "Writing",
    "draw_scan",
    "forger_level",
    "generate_signer",
    "render",
    "render_forged",
    "render_genuine",
    "write_dataset",
    "write_forged",
    "write_genuine",
]
