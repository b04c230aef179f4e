"""Writers of outputs, one format a file: blocks in any order to files on the input's grid. Never torch."""
