"""The built-in plugins of lanser-bench; they too use only its public names."""
