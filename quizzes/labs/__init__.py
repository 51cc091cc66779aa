"""Labs: hands-on tasks that are judged from the state of the sandbox and the captured requests."""
