"""The Console's API over the archive, for every client the Console has."""
