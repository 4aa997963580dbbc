import pytest
from read_public_files import NIBABEL, PYDICOM, READ, all_outcomes, table

pytestmark = pytest.mark.slow


def test_public_files_are_read_as_by_others_or_refused_in_one_sentence() -> None:
    rows = all_outcomes([NIBABEL, PYDICOM])  # which asserts that voxels and points agree, and what refusals look like
    read = {name for name, result in rows if result == READ}
    assert {f"{NIBABEL.name}/standard.nii.gz", f"{PYDICOM.name}/CT_small.dcm"} <= read
    assert len(read) >= 10
    assert len(rows) > 100
    assert table(rows).startswith(f"{len(read)} read as by the other reader")
