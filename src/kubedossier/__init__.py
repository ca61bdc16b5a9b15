"""kubedossier: keeps the Kubernetes audit events of Prisma Cloud Compute as evidence.

The public Python API is ``kubedossier.analytics``; this package imports nothing, so that the command line starts
at once.
"""

__version__ = "0.1.0"
