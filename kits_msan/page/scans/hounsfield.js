// Whether a CT is in Hounsfield units, where air lies near -1000; data/cases.py of the package.

const NOT_AIR = -200; // HU; nothing above it, nothing to segment

// The rest of a sentence that begins with the file's name; empty if all is well.
export function checkHounsfield(image) {
  let low = image[0], high = image[0];
  for (const value of image) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high < NOT_AIR) return `holds only air (no voxel above ${NOT_AIR} HU); name the CT of an abdomen.`;
  if (low === high) return `holds the value ${low} in every voxel; export the CT anew.`;
  if (low >= 0) {
    return `has values ${low} to ${high}, so it is not in Hounsfield units (air would be near -1000); export the CT `
      + "with its rescale slope and intercept.";
  }
  return "";
}
