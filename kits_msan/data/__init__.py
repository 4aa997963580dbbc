"""From files to slabs: NIfTI and DICOM to cases, resampling, KiTS19, the store that training draws from."""
