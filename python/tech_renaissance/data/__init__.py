"""Tensors, and the `.tsr` files that hold them."""
