"""How error is measured: leak tests, protocols, error rates, calibration."""
