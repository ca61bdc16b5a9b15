"""A made-up company's Kubernetes audit events, in the Console's own shape: what `kubedossier demo` works on.

Two months of ordinary work by people and machines over six clusters, one incident worth finding, and the odd records
that real sources send. Everything follows from the month alone: the same ``now`` gives the same bytes on every
machine. Nothing here may come from a real system; names are example names, addresses are reserved for documentation.
"""

from kubedossier.analytics.demo.exports import audit_log, console_events, late_export
from kubedossier.analytics.demo.incident import INTRUDER, NEW_ADDRESS, night_of_the_incident

__all__ = ["INTRUDER", "NEW_ADDRESS", "audit_log", "console_events", "late_export", "night_of_the_incident"]
