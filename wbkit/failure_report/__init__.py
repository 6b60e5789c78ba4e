"""The whole failure analysis of a results file: all tables, all figures, and one page that explains them."""
