"""``python -m modnav``."""

from modnav.cli import main

if __name__ == "__main__":
    main()
