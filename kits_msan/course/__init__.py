"""The course: notebooks run and checked, student copies, the site, the doctor."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "CHECKPOINTS": "paths",
        "ROOT": "paths",
        "built": "cells",
        "check_parameters": "parameters",
        "course_data": "paths",
        "diagrams": "diagrams",
        "explorables": "explorables",
        "fine_case": "cells",
        "first_case": "cells",
        "own_build": "cells",
        "patients_of": "cells",
        "runs_folder": "paths",
    },
)
