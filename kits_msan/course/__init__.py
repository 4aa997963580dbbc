"""The course: notebooks run and checked, student copies, the site, the doctor."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "CHECKPOINTS": "run",
        "NOTEBOOKS": "run",
        "ROOT": "run",
        "check_parameters": "run",
        "course_data": "run",
        "run_course": "run",
    },
)
