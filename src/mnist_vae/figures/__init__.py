"""What is shown, as arrays; grids and charts of it."""
