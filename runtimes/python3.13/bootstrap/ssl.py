"""The names of `ssl`, for clients of HTTPS.

There is no TLS in the sandbox: a wrapped socket marks its requests as https, and the host connects, negotiates and verifies with its own
trust store. Contexts remember what they are told and give it back; certificates cannot be added, verification cannot be turned off, and
nothing can be a TLS server. What would need the protocol itself raises `SSLError`.
"""

import base64
import calendar
import enum
import os
import socket as _socket
import textwrap
import time
from collections import namedtuple

from lamina_runtime.sockets import BridgeSocket

OPENSSL_VERSION = "OpenSSL 3.0.0 (its interface only: the host does TLS)"
OPENSSL_VERSION_INFO = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
HAS_SNI = HAS_TLSv1_2 = HAS_TLSv1_3 = HAS_ECDH = HAS_ALPN = HAS_NEVER_CHECK_COMMON_NAME = True
HAS_NPN = HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = HAS_PSK = False
CHANNEL_BINDING_TYPES = []
PEM_HEADER = "-----BEGIN CERTIFICATE-----"
PEM_FOOTER = "-----END CERTIFICATE-----"
_RESTRICTED_SERVER_CIPHERS = _DEFAULT_CIPHERS = "DEFAULT"


class _SSLMethod(enum.IntEnum):
    PROTOCOL_TLS = 2
    PROTOCOL_SSLv23 = 2
    PROTOCOL_TLSv1 = 3
    PROTOCOL_TLSv1_1 = 4
    PROTOCOL_TLSv1_2 = 5
    PROTOCOL_TLS_CLIENT = 16
    PROTOCOL_TLS_SERVER = 17


class TLSVersion(enum.IntEnum):
    """Versions of the protocol."""

    MINIMUM_SUPPORTED = -2
    SSLv3 = 0x300
    TLSv1 = 0x301
    TLSv1_1 = 0x302
    TLSv1_2 = 0x303
    TLSv1_3 = 0x304
    MAXIMUM_SUPPORTED = -1


class Options(enum.IntFlag):
    """Options of contexts, kept and without effect."""

    OP_NO_EXTENDED_MASTER_SECRET = 0x1
    OP_LEGACY_SERVER_CONNECT = 0x4
    OP_IGNORE_UNEXPECTED_EOF = 0x80
    OP_NO_TICKET = 0x4000
    OP_NO_COMPRESSION = 0x20000
    OP_ENABLE_MIDDLEBOX_COMPAT = 0x100000
    OP_CIPHER_SERVER_PREFERENCE = 0x400000
    OP_NO_SSLv2 = 0
    OP_NO_SSLv3 = 0x2000000
    OP_NO_TLSv1 = 0x4000000
    OP_NO_TLSv1_2 = 0x8000000
    OP_NO_TLSv1_1 = 0x10000000
    OP_NO_TLSv1_3 = 0x20000000
    OP_NO_RENEGOTIATION = 0x40000000
    OP_SINGLE_DH_USE = 0
    OP_SINGLE_ECDH_USE = 0
    OP_ALL = 0x80000050


class VerifyMode(enum.IntEnum):
    """What a context says of certificates; the host always requires them."""

    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2


class VerifyFlags(enum.IntFlag):
    """Flags of verification, kept and without effect."""

    VERIFY_DEFAULT = 0
    VERIFY_CRL_CHECK_LEAF = 4
    VERIFY_CRL_CHECK_CHAIN = 12
    VERIFY_X509_STRICT = 0x20
    VERIFY_ALLOW_PROXY_CERTS = 0x40
    VERIFY_X509_TRUSTED_FIRST = 0x8000
    VERIFY_X509_PARTIAL_CHAIN = 0x80000


class SSLErrorNumber(enum.IntEnum):
    """Numbers of errors."""

    SSL_ERROR_SSL = 1
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_WANT_X509_LOOKUP = 4
    SSL_ERROR_SYSCALL = 5
    SSL_ERROR_ZERO_RETURN = 6
    SSL_ERROR_WANT_CONNECT = 7
    SSL_ERROR_EOF = 8
    SSL_ERROR_INVALID_ERROR_CODE = 10


for _enum in (_SSLMethod, Options, VerifyMode, VerifyFlags, SSLErrorNumber):
    globals().update(_enum.__members__)


class SSLError(OSError):
    """An error of TLS, told by the host."""

    def __init__(self, *args):
        super().__init__(*args)
        self.library = "SSL"
        self.reason = None

    def __str__(self):
        return self.strerror if isinstance(self.strerror, str) else str(self.args)


class SSLZeroReturnError(SSLError):
    """The connection was closed."""


class SSLWantReadError(SSLError):
    """More must be read first."""


class SSLWantWriteError(SSLError):
    """More must be written first."""


class SSLSyscallError(SSLError):
    """A system error."""


class SSLEOFError(SSLError):
    """The connection broke off."""


class SSLCertVerificationError(SSLError, ValueError):
    """The host did not accept the server's certificate, or could not negotiate."""

    verify_code = 0
    verify_message = ""

    def __init__(self, *args):
        super().__init__(*args)
        self.reason = "CERTIFICATE_VERIFY_FAILED"
        self.verify_message = self.strerror or ""


CertificateError = SSLCertVerificationError
socket_error = OSError
_ASN1Object = namedtuple("_ASN1Object", "nid shortname longname oid")


class Purpose(_ASN1Object, enum.Enum):
    """What certificates are for."""

    SERVER_AUTH = (129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1")
    CLIENT_AUTH = (130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2")


def _impossible(what):
    return SSLError(SSLErrorNumber.SSL_ERROR_SSL, f"{what} is not possible in the sandbox: the host does TLS")


class SSLSocket(BridgeSocket):
    """A socket whose requests are https."""

    context = None
    server_hostname = None
    server_side = False
    session = None
    session_reused = False

    def __init__(self, *args, **kwargs):
        raise TypeError("SSLSocket does not have a public constructor. Instances are returned by SSLContext.wrap_socket().")

    @classmethod
    def _around(cls, sock, context, server_hostname):
        self = cls.__new__(cls)
        BridgeSocket.__init__(self, sock.family, sock.type, sock.proto)
        self._timeout = sock.gettimeout()
        self._wire, sock._wire = sock._wire, None
        self._peer = sock._peer
        sock.detach()
        if self._wire is not None:
            self._wire.tls = True
        self.context = context
        self.server_hostname = server_hostname
        return self

    def connect(self, address):
        """Remembers where to; the host connects when a request is whole."""
        super().connect(address)
        self._wire.tls = True

    def read(self, len=1024, buffer=None):
        """The next bytes of a response."""
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    def write(self, data):
        """Takes all of `data`."""
        return self.send(data)

    def do_handshake(self, block=False):
        """The host's business, later."""

    def unwrap(self):
        """Not possible."""
        raise _impossible("going on without TLS")

    def pending(self):
        """Bytes that can be read at once."""
        return len(self._wire._out) if self._wire is not None else 0

    def getpeercert(self, binary_form=False):
        """The host does not show certificates: empty, as for one that was not verified here."""
        return None if binary_form else {}

    def get_verified_chain(self):
        """Not shown by the host."""
        return []

    get_unverified_chain = get_verified_chain

    def selected_alpn_protocol(self):
        """Nothing was negotiated here: HTTP/1.1 is spoken."""
        return None

    def selected_npn_protocol(self):
        """Nothing was negotiated here."""
        return None

    def cipher(self):
        """Not known here."""
        return None

    def shared_ciphers(self):
        """Not known here."""
        return None

    def compression(self):
        """None."""
        return None

    def version(self):
        """What the host speaks at best."""
        return "TLSv1.3"

    def get_channel_binding(self, cb_type="tls-unique"):
        """Not known here."""
        raise ValueError(f"{cb_type} channel binding is not known in the sandbox")

    def verify_client_post_handshake(self):
        """Not possible."""
        raise _impossible("a TLS server")


class SSLObject:
    """Not possible: TLS over memory needs the protocol itself."""

    def __init__(self, *args, **kwargs):
        raise TypeError("SSLObject does not have a public constructor. Instances are returned by SSLContext.wrap_bio().")


class MemoryBIO:
    """A buffer, for `wrap_bio`, which is not possible."""

    def __init__(self):
        raise _impossible("MemoryBIO")


class SSLSession:
    """A session; the host keeps its own."""


class SSLContext:
    """Remembers what it is told."""

    sslsocket_class = SSLSocket
    sslobject_class = SSLObject

    def __init__(self, protocol=None):
        self.protocol = _SSLMethod.PROTOCOL_TLS if protocol is None else _SSLMethod(protocol)
        self._check_hostname = self.protocol == _SSLMethod.PROTOCOL_TLS_CLIENT
        self._verify_mode = VerifyMode.CERT_REQUIRED if self._check_hostname else VerifyMode.CERT_NONE
        self.verify_flags = VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        self.options = Options.OP_ALL | Options.OP_NO_SSLv3 | Options.OP_NO_COMPRESSION
        self.minimum_version = TLSVersion.TLSv1_2
        self.maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        self.keylog_filename = None
        self.post_handshake_auth = False
        self.hostname_checks_common_name = False
        self.sni_callback = None
        self.num_tickets = 2
        self.security_level = 2

    @property
    def check_hostname(self):
        """Whether the host's name is checked; the host always does."""
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, value):
        self._check_hostname = bool(value)
        if value and self._verify_mode == VerifyMode.CERT_NONE:
            self._verify_mode = VerifyMode.CERT_REQUIRED

    @property
    def verify_mode(self):
        """What is demanded of certificates; the host always demands them."""
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, value):
        value = VerifyMode(value)
        if value == VerifyMode.CERT_NONE and self._check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._verify_mode = value

    def wrap_socket(
        self, sock, server_side=False, do_handshake_on_connect=True, suppress_ragged_eofs=True, server_hostname=None, session=None
    ):
        """A socket over `sock` whose requests are https."""
        if server_side:
            raise _impossible("a TLS server")
        if not isinstance(sock, BridgeSocket):
            raise _impossible(f"TLS over a {type(sock).__name__}")
        if isinstance(sock, SSLSocket):
            raise _impossible("TLS within TLS")
        if self._check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        return self.sslsocket_class._around(sock, self, server_hostname)

    def wrap_bio(self, incoming, outgoing, server_side=False, server_hostname=None, session=None):
        """Not possible."""
        raise _impossible("wrap_bio")

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        """Without effect beyond a look whether the file is there: the host has its own trust store."""
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        for path in (cafile, capath):
            if path is not None:
                os.stat(path)

    def load_default_certs(self, purpose=Purpose.SERVER_AUTH):
        """Without effect."""

    def set_default_verify_paths(self):
        """Without effect."""

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        """Not possible."""
        raise _impossible("a client certificate")

    def load_dh_params(self, path):
        """Not possible."""
        raise _impossible("a TLS server")

    def set_ciphers(self, ciphers):
        """Without effect."""

    def set_alpn_protocols(self, protocols):
        """Without effect: HTTP/1.1 is spoken."""

    def set_npn_protocols(self, protocols):
        """Without effect."""

    def set_ecdh_curve(self, name):
        """Without effect."""

    def set_servername_callback(self, callback):
        """Without effect."""

    def get_ciphers(self):
        """Not known here."""
        return []

    def get_ca_certs(self, binary_form=False):
        """The host's are not shown."""
        return []

    def cert_store_stats(self):
        """The host's are not shown."""
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def session_stats(self):
        """None are kept here."""
        return {}


def create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, capath=None, cadata=None):
    """A context as clients want it."""
    if purpose is not Purpose.SERVER_AUTH:
        raise _impossible("a TLS server")
    context = SSLContext(_SSLMethod.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | VerifyFlags.VERIFY_X509_STRICT
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    return context


def _create_unverified_context(
    protocol=None,
    *,
    cert_reqs=VerifyMode.CERT_NONE,
    check_hostname=False,
    purpose=Purpose.SERVER_AUTH,
    certfile=None,
    keyfile=None,
    cafile=None,
    capath=None,
    cadata=None,
):
    context = SSLContext(_SSLMethod.PROTOCOL_TLS_CLIENT if protocol is None else protocol)
    context.check_hostname = check_hostname
    context.verify_mode = cert_reqs
    if certfile or keyfile:
        context.load_cert_chain(certfile, keyfile)
    return context


_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context
DefaultVerifyPaths = namedtuple("DefaultVerifyPaths", "cafile capath openssl_cafile_env openssl_cafile openssl_capath_env openssl_capath")


def get_default_verify_paths():
    """There are none in the sandbox."""
    return DefaultVerifyPaths(None, None, "SSL_CERT_FILE", "", "SSL_CERT_DIR", "")


def get_server_certificate(addr, ssl_version=None, ca_certs=None, timeout=None):
    """Not possible."""
    raise _impossible("seeing a server's certificate")


def get_protocol_name(protocol_code):
    """The name of a `PROTOCOL_…`."""
    try:
        return _SSLMethod(protocol_code).name
    except ValueError:
        return "<unknown>"


def DER_cert_to_PEM_cert(der_cert_bytes):
    """A certificate as text."""
    lines = textwrap.wrap(base64.standard_b64encode(der_cert_bytes).decode("ascii"), 64)
    return "\n".join([PEM_HEADER, *lines, PEM_FOOTER, ""])


def PEM_cert_to_DER_cert(pem_cert_string):
    """A certificate as bytes."""
    text = pem_cert_string.strip()
    if not (text.startswith(PEM_HEADER) and text.endswith(PEM_FOOTER)):
        raise ValueError(f"Invalid PEM encoding; must start with {PEM_HEADER} and end with {PEM_FOOTER}")
    return base64.decodebytes(text[len(PEM_HEADER) : -len(PEM_FOOTER)].encode("ascii"))


def cert_time_to_seconds(cert_time):
    """Seconds since 1970 of a certificate's `notBefore` or `notAfter`."""
    return calendar.timegm(time.strptime(cert_time, "%b %d %H:%M:%S %Y GMT"))


def RAND_bytes(num):
    """Random bytes."""
    return os.urandom(num)


def RAND_status():
    """There is always randomness."""
    return True


def RAND_add(string, entropy):
    """Without effect."""


SOL_SOCKET = _socket.SOL_SOCKET
SO_TYPE = getattr(_socket, "SO_TYPE", 3)
SOCK_STREAM = _socket.SOCK_STREAM
