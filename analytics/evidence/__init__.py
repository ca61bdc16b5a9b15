"""What leaves the archive for auditors: bundles of one month, and how they are checked."""
