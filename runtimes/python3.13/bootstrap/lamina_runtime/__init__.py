"""What runs between the host and a function: Lambda's programming model for Python, over the contract of runtimes (ABI 1)."""
