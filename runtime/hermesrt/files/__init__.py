"""Files: atomic writes, arrays, plain data as typed classes, the container."""
