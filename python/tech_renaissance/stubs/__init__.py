"""`python -m tech_renaissance stubs`: a header, or a .pyi, with one typed function for each endpoint of a server."""
