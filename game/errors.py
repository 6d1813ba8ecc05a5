"""What a person got wrong, as opposed to what the program did."""


class BadInput(ValueError):  # noqa: N818
    """Bad input: its message is one line that names the value and what is allowed."""
