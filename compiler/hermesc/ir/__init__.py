"""The compiler's graph: values, operations, stages, their rules and their text."""
