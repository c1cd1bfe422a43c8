"""An nn.Module, as plain torch code: captured, converted to our graph."""
