"""The page of a run: one HTML file that needs no network, with the networks' weights and the code that runs them."""
