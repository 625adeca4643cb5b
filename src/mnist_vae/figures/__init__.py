"""The figures: their content as arrays, and the grids and charts that show it."""
