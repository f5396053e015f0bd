"""A server that speaks TLS with whatever certificate it is given, and the authority that signs good and bad ones."""

import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """A certificate authority; `path` is its own certificate, for whoever is to trust it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        own = _begun(self._name, self._name, self._key, (-DAY, DAY))
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str, *, host: str = "127.0.0.1", start: timedelta = -DAY, end: timedelta = DAY) -> Path:
        """A server's certificate and key in one file, valid for the host from now + start until now + end."""
        key = ec.generate_private_key(ec.SECP256R1())
        begun = _begun(self._name, _name(name), key, (start, end), host)
        return _written(self._folder / f"{name}.pem", begun.sign(self._key, hashes.SHA256()), key)


def self_signed(folder: Path) -> Path:
    """A server's certificate that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("self")
    begun = _begun(name, name, key, (-DAY, DAY), "127.0.0.1")
    return _written(folder / "self.pem", begun.sign(key, hashes.SHA256()), key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    validity: tuple[timedelta, timedelta],
    host: str | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    start, end = validity
    begun = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now + start, now + end
    )
    if host is None:
        return begun
    return begun.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)


def _written(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class TlsServer:
    """Gives one reply to every request over TLS; without a certificate it breaks off the handshake."""

    def __init__(self, certificate: Path | None, reply: bytes) -> None:
        self._certificate, self._reply = certificate, reply
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.num_requests = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "TlsServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # accept() returns
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # the other side hangs up over a bad certificate: that is tested
                connection.settimeout(5)
                self._speak(connection)

    def _speak(self, connection: socket.socket) -> None:
        if self._certificate is None:
            connection.recv(65_536)
            connection.sendall(b"\x16\x03\x03\x00\x40\x02")  # the first bytes of an reply, and no more
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        with context.wrap_socket(connection, server_side=True) as secured:
            if secured.recv(65_536):
                self.num_requests += 1
                secured.sendall(self._reply)
