"""sigvault: enroll, verify and identify offline handwritten signatures."""
