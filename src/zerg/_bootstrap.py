"""The file an interpreter is started with; a copy of it lies beside a copy of the package `zerg`."""

import sys

if __name__ == "__main__":  # a process pool of the job imports this file again, under another name
    # the flag -B is for the interpreters that the job starts in turn: they know nothing of our import rules
    sys.dont_write_bytecode = False
    sys.path.insert(0, __file__.rpartition("/")[0])
    from zerg._child import main

    main(int(sys.argv[1]))
