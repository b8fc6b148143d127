"""What the black-box tests share: a daemon as a process, packages, clients, and waiting with a deadline.

Nothing here knows Lamina's inside: tests see what a user sees, over loopback.
"""
