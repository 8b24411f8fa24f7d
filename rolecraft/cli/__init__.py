"""Groups of commands of `python -m rolecraft`, each in a module of its own."""
