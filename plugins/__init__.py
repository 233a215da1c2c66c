"""The built-in plugins of lanser-bench. They use only its public names, like a stranger's."""
