"""What must outlive a process: small values by key, written if unchanged, leased, and sealed at rest."""
