"""From files to arrays: NIfTI, DICOM and what SimpleITK and nibabel read besides, and where their voxels lie."""
