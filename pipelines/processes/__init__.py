"""The running processes of a home: what runs, on which ports, how it is started, asked, stopped.

Everything is kept running by supervisord; this package writes its configuration, talks to it and
proves that nothing is left over. `operation` has the verbs, the other modules the values.
"""
