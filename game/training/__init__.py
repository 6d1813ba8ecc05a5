"""Levels, hands, and the expert who performs a case as it is taught."""
