"""Events come in: sources give raw text, normalize makes typed rows, intake archives them once."""
