"""Charts as places: what a template draws as SVG, without a line of script or style."""
