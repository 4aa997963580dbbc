"""The one error for bad input.

`InputError` carries one sentence for a person: which file or value is wrong and what to do about it.
The `kits-msan` command prints that sentence and exits with 2; a notebook shows it as the last line.
"""


class InputError(ValueError):
    """Input from outside the package that it cannot work with; the message names it and the remedy."""
