"""A loader's process: `python -m projections.runtime.loading`. Ends when nothing waits; may be killed at any time."""

import gc

# Rows and events hold no cycles, and a hundred thousand of them are looked through again and again for some: three
# quarters of the time that decoding takes. Of the time that importing takes it is a sixth.
gc.disable()

from projections.runtime.loading.process import main  # noqa: E402 - as said above

if __name__ == "__main__":
    main()
