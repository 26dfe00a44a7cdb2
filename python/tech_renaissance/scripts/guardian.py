"""The guardian of a host. Run by the host with `-I -S`, so that it loads the standard library and this alone."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tech_renaissance.worker.guardian import main

if __name__ == "__main__":
    main()
