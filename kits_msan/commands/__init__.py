"""The wing of the `kits-msan` command: in each file, a command's options beside the function that serves it."""
