"""Names of hosts. The sandbox cannot resolve them, the host does it for each request; here a name gets an address that stands for it."""

import ipaddress
import itertools

# RFC 2544's block for benchmarks: nothing real is there, and what a program prints of it says so.
_BLOCK = ipaddress.ip_network("198.18.0.0/15")
_MOST = _BLOCK.num_addresses - 2

_by_name = {}
_by_address = {}
_numbers = itertools.count(1)


def is_address(host):
    """Whether `host` is an IP address already."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def address_of(name):
    """The address that stands for `name` in this environment."""
    if name.lower() == "localhost":
        return "127.0.0.1"
    if is_address(name):
        return name
    address = _by_name.get(name)
    if address is None:
        address = str(_BLOCK[1 + next(_numbers) % _MOST])
        _by_name[name] = address
        _by_address[address] = name
    return address


def name_of(address):
    """The name that `address_of` made `address` for, or the address itself."""
    return _by_address.get(address, address)
