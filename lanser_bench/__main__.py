"""`python -m lanser_bench`."""

from .cli import main

if __name__ == "__main__":
    main()
