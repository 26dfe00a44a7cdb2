"""A template of workers: imports the modules named in its arguments, then forks workers for its host on demand."""

from tech_renaissance.worker.template import main

if __name__ == "__main__":
    main()
