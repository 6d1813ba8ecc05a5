"""Sessions on disk, replay, and the report. A session is header + controls + trace + digests."""
