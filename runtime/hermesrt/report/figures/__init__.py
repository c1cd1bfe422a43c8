"""Views as pictures. They compute nothing but where lines go."""
