"""The paper's experiment: networks scored, compared, and written down."""

from kits_msan.lazy import public

__getattr__, __dir__, __all__ = public(
    __name__,
    {
        "ablation_table": "tables",
        "format_table": "tables",
        "load_all": "run",
        "load_results": "results",
        "run_ablation": "run",
        "train_all": "run",
        "verdicts": "tables",
    },
)
