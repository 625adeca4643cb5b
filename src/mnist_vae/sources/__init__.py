"""From the original files to prepared images: downloading, IDX, resizing, splitting."""
