"""The course: notebooks run and checked, student copies, the site, the doctor."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "CHECKPOINTS": "paths",
        "NOTEBOOKS": "paths",
        "ROOT": "paths",
        "check_parameters": "parameters",
        "course_data": "paths",
        "run_course": "run",
    },
)
