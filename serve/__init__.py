"""The HTTP service: an engine writes notices, a guard lets only right ones out."""
