"""Endpoints: named, typed entries of a server; what they take and give, read from annotations, and checked."""
