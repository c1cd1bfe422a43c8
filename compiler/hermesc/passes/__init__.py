"""The compiler's passes: one file, one public function each, strangers to each other."""
