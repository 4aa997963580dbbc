"""The course as static pages that open from disk."""
