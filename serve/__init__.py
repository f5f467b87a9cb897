"""The HTTP service: an engine that writes notices, a guard that lets only right ones out, and what stands around them."""
