"""The archive on disk: ledger, commit, Parquet writer, digests, verification."""
