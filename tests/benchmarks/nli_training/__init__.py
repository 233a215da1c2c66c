"""How the shipped NLI adapter was trained; not in the wheel."""
